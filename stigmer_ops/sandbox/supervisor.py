"""Runs one program and ends it when the process that asked for it is gone, however that went.

Started as a script of its own (`python supervisor.py [--remove DIRECTORY] PROGRAM ARGUMENT...`),
never imported. Its standard input is a pipe whose other end only the parent holds: the kernel
closes it when the parent ends, be it by `kill -9`, so end-of-file means "nobody needs the program
any more". That works on every POSIX system, unlike PR_SET_PDEATHSIG. It imports only the standard
library, and little of it, to start in milliseconds.

It runs in a session of its own, so that Ctrl-C in a terminal reaches the parent alone, which then
stops its workers before their server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from types import FrameType

GRACE_SECONDS = 5.0
"""How long the program may take to stop before it is killed."""


def main(command: list[str], remove: str = "") -> int:
    """Run the command until it ends, the parent ends, or a signal asks for the end.

    Args:
        command: The program, as a path, and its arguments.
        remove: A directory that is the program's alone, and is gone when it has ended.

    Returns:
        The exit code of the program.
    """
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stop(_signal: int = 0, _frame: FrameType | None = None) -> None:
        if program.poll() is None:
            program.terminate()
            threading.Timer(GRACE_SECONDS, program.kill).start()

    def stop_when_parent_is_gone() -> None:
        while os.read(0, 4096):
            pass
        stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=stop_when_parent_is_gone, daemon=True).start()
    code = program.wait()
    if remove:
        shutil.rmtree(remove, ignore_errors=True)
    # A pending kill timer must not hold the process, nor may the reader of standard input.
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    if sys.argv[1] == "--remove":
        main(sys.argv[3:], remove=sys.argv[2])
    main(sys.argv[1:])
