"""`batch-worker`: a process that carries out what `apply --durable` handed over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated, Any

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import require_no_read_only_mode
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection
from stigmer_ops.errors import ExitCode

app = typer.Typer()


@command(
    app,
    "batch-worker",
    examples=("batch-worker", "batch-worker --pages 4 -o jsonl"),
)
async def batch_worker(
    invocation: Invocation,
    connection: Connection,
    pages: Annotated[
        int, typer.Option("--pages", min=1, max=100, help="Pages under way at once at most")
    ] = 8,
) -> ExitCode:
    """Carry out the plans that `apply --durable` hands over, until Ctrl-C or SIGTERM.

    Start as many as you like, on as many machines: they share the pages of all batches, and the
    rate of each batch, which was given when it was started. What they wrote is in the audit file of
    their own machine. The first Ctrl-C has the rows under way carried to their end, and gives
    the others back; the second ends at once, and another worker finds out what was done.
    """
    from stigmer_ops.cli.audit_trail import audit_trail
    from stigmer_ops.cli.systems import both_sides
    from stigmer_ops.procedures.batch.queues import batch_namespace, batch_task_queue
    from stigmer_ops.procedures.batch.worker import work

    require_no_read_only_mode(invocation)
    identity = f"stigmer-ops-batch-worker:{os.getpid()}@{invocation.host()}"
    external = invocation.target(connection).namespace
    namespace = batch_namespace(invocation.settings, external)
    async with AsyncExitStack() as stack:
        batches = await stack.enter_async_context(
            invocation.temporal(
                connection,
                namespace=namespace,
                identity=identity,
                warn=lambda text: _log(invocation, "warning", {"message": text}),
            )
        )
        systems = await stack.enter_async_context(
            both_sides(invocation, connection, identity=identity)
        )
        await batches.describe_namespace()
        await systems.external.describe_namespace()
        stop = stack.enter_context(_stops_on_signals())
        logging.getLogger("temporalio").addHandler(_SdkLog(invocation))
        await work(
            batches,
            systems,
            audit_trail(invocation),
            task_queue=batch_task_queue(invocation.settings, external),
            pages=pages,
            identity=identity,
            stop=stop,
            now=invocation.now,
            tell=lambda event, values: _log(invocation, event, values),
        )
    return ExitCode.OK


class _SdkLog(logging.Handler):
    """What the SDK has to say of the worker, as lines like the others.

    Its warnings can name anything, so they are kept out where they name a token.
    """

    def __init__(self, invocation: Invocation) -> None:
        super().__init__(logging.WARNING)
        self._invocation = invocation

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, without its traceback: what failed is in the workflow's history."""
        text = record.getMessage().split(" ({", 1)[0]
        if "token" not in text.lower():
            _log(self._invocation, "sdk", {"level": record.levelname.lower(), "message": text})


@contextmanager
def _stops_on_signals() -> Iterator[asyncio.Event]:
    """An event that the first signal sets; the second breaks off."""
    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def received() -> None:
        if stop.is_set():
            assert task is not None
            task.cancel()
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, received)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _log(invocation: Invocation, event: str, values: dict[str, Any]) -> None:
    """Write a line to standard error; nobody may read it any more."""
    from stigmer_ops.render.batch import event_line
    from stigmer_ops.render.text import visible

    as_json = not invocation.output.for_people
    values = {"pid": os.getpid(), **values}
    line = event_line(invocation.now(), event, values, as_json=as_json)
    with contextlib.suppress(OSError):
        sys.stderr.write((line if as_json else visible(line)) + "\n")
        sys.stderr.flush()
