"""`sandbox` and `demo`: the whole system on this machine, to break and to repair."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.sandbox.sandbox import Sandbox

app = typer.Typer()

DEFAULT_SCALE = 1 / 60


@command(
    app,
    "sandbox",
    examples=(
        "sandbox",
        "sandbox --fault token-truncated --fault still-running=20",
        "sandbox --fault none --port 7233",
        "sandbox --list-faults",
        "sandbox -o json",
    ),
)
async def sandbox(
    invocation: Invocation,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME[=COUNT]",
            help="Start handshakes with this fault; may be repeated; none for an empty namespace",
            show_default="one of each",
        ),
    ] = None,
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Print the faults and exit")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Temporal's port", show_default="a free one"),
    ] = None,
    stigmer_namespace: Annotated[
        str | None,
        typer.Option(
            "--stigmer-namespace",
            help="Temporal namespace of the Stigmer workflows",
            show_default="that of the external workflows",
        ),
    ] = None,
    time_scale: Annotated[
        float,
        typer.Option(
            "--time-scale",
            min=0.001,
            max=1.0,
            help="Sandbox seconds per second of production",
            show_default="1/60: ten minutes are ten seconds",
        ),
    ] = DEFAULT_SCALE,
) -> ExitCode:
    """Run a Temporal server with a simulated Zigflow and Stigmer until Ctrl-C.

    Prints the addresses, and a line to paste into another terminal, where every command then works
    as against production. Everything is in memory and gone at the end.
    """
    if list_faults:
        return _list_faults(invocation)
    from stigmer_ops.sandbox.sandbox import Sandbox

    counts = _counts(fault)
    stop = _stop_event()
    invocation.say("starting a Temporal server …")
    async with Sandbox.start(
        port=port, stigmer_namespace=stigmer_namespace, time_scale=time_scale
    ) as running:
        if counts:
            invocation.say(f"starting {sum(counts.values())} handshakes …")
            await _until(stop, running.populate(counts))
        if not stop.is_set():
            _print_environment(invocation, running, counts)
            await stop.wait()
        invocation.say("stopping …")
    return ExitCode.OK


@command(app, "demo", examples=("demo",))
async def demo(invocation: Invocation) -> ExitCode:
    """Show the main job on a sandbox, from a stuck activity to the proof of its repair."""
    from stigmer_ops.cli.demo import run_demo

    return await run_demo(invocation)


def _stop_event() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM, which are the normal end of a server."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _until(stop: asyncio.Event, work: object) -> None:
    """Do `work`, or as much of it as there is time for before the end."""
    assert asyncio.iscoroutine(work)
    task, ended = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if task.done():
        task.result()
    else:
        task.cancel()
        await asyncio.wait({task})


def _counts(faults: list[str] | None) -> dict[str, int]:
    from stigmer_ops.sandbox.faults import FAULTS, fault

    if faults is None:
        return {one.id: 1 for one in FAULTS}
    if faults == ["none"]:
        return {}
    counts: Counter[str] = Counter()
    for text in faults:
        name, _, number = text.partition("=")
        if number and not number.isdecimal():
            raise UsageError(
                f"--fault {text}: {number!r} is not a number",
                next_step=f"--fault {fault(name).id}=3",
            )
        counts[fault(name).id] += int(number or 1)
    return dict(counts)


def _list_faults(invocation: Invocation) -> ExitCode:
    from stigmer_ops.render.tables import Column, table_of
    from stigmer_ops.sandbox.faults import FAULTS

    records = [{"fault": one.id, "title": one.title, "breaks": one.breaks} for one in FAULTS]

    def table(console: Console, _wide: bool) -> None:
        rows = [(record["fault"], record["breaks"]) for record in records]
        console.print(table_of([Column("FAULT", fold=False), Column("WHAT IT BREAKS")], rows))

    document = Document("FaultList", {"items": records}, [("Fault", one) for one in records])
    invocation.write(document, table)
    return ExitCode.OK


def _print_environment(invocation: Invocation, running: Sandbox, counts: dict[str, int]) -> None:
    variables = running.environment()
    line = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    document = Document("Sandbox", {"environment": variables, "handshakes": counts})

    def table(console: Console, _wide: bool) -> None:
        console.print(f"Temporal  {running.address}  namespace {running.namespace}")
        console.print(f"Stigmer   {running.stigmer_address}")
        console.print("\nPaste this into another terminal:\n")
        console.print(f"export {line}\n", soft_wrap=True)
        console.print("then try: stigmer-ops pending list\n\nCtrl-C ends it.")

    invocation.write(document, table)
