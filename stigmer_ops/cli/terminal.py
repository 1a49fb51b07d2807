"""Asking the person at the terminal."""

from __future__ import annotations

import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_interrupts() -> Iterator[None]:
    """Let Ctrl-C break off a blocking read.

    `asyncio.run` turns the first Ctrl-C into a cancellation of its task, which a read that blocks
    the loop would never see.
    """
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # the terminal shows ^C, and leaves the cursor behind it
        raise
    finally:
        signal.signal(signal.SIGINT, previous)


def answer_to(question: str) -> str:
    """Ask on standard error, answer on standard input; "" where the input ends.

    What was typed ahead is dropped, so that the next line of a pasted block is no consent.
    """
    with ctrl_c_interrupts():  # before the question shows: the answer to it may be Ctrl-C
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()
