"""`sandbox` and `demo`: the whole system on this machine, to break and to repair."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.sandbox.serve import Event

app = typer.Typer()

DEFAULT_SCALE = 1 / 60


@command(
    app,
    "sandbox",
    examples=(
        "sandbox",
        "sandbox --fault token-truncated --fault still-running=20",
        "sandbox --fault all",
        "sandbox --fault none --port 7233",
        "sandbox --monitoring",
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
            help="Start handshakes with this fault; may be repeated; all for one of each, none "
            "for an empty namespace",
            show_default="a few of the commonest",
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
    monitoring: Annotated[
        bool,
        typer.Option(
            "--monitoring",
            help="Run an exporter, Prometheus with the generated rules, and Alertmanager as well",
        ),
    ] = False,
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
    as against production. That terminal writes to an audit file of the sandbox's, and nothing that
    its variables pointed at before is touched. Everything is gone at the end.

    With --monitoring, notifications of alerts are printed as they arrive, with the receiver that
    the example configuration of Alertmanager routes them to. Rules and thresholds are scaled like
    all else: what takes an hour in production takes a minute.
    """
    if list_faults:
        return _list_faults(invocation)
    from stigmer_ops.sandbox.serve import serve

    said = _Progress(invocation)
    serving = asyncio.ensure_future(
        serve(
            said.report,
            faults=_counts(fault),
            port=port,
            stigmer_namespace=stigmer_namespace,
            time_scale=time_scale,
            monitoring=monitoring,
            inherited=invocation.environment,
        )
    )
    for number in (signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    invocation.say("starting a Temporal server …")
    # Being told to stop is the normal end of a server.
    with suppress(asyncio.CancelledError):
        await serving
    return ExitCode.OK


@command(app, "demo", examples=("demo",))
async def demo(invocation: Invocation) -> ExitCode:
    """Show the main job on a sandbox, from a stuck activity to the proof of its repair."""
    from stigmer_ops.cli.demo import run_demo

    return await run_demo(invocation)


class _Progress:
    """Tells what the sandbox does, and writes the result when everything is in place."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._handshakes: list[Mapping[str, str]] = []
        self._not_seen: list[Event] = []
        self._monitoring: dict[str, str] = {}

    def report(self, event: Event) -> None:
        """Receive one step."""
        from stigmer_ops.sandbox.serve import Step

        if event.step is Step.READY:
            self._write(event)
            return
        if event.step is Step.HANDSHAKE:
            self._handshakes.append(event.data)
        if event.step is Step.WATCHED:
            self._monitoring |= event.data
        if event.step is Step.NOT_SEEN:
            self._not_seen.append(event)
            self._invocation.say(f"warning: {event.message}")
            return
        self._invocation.say(event.message)

    def _write(self, ready: Event) -> None:
        def table(console: Console, _wide: bool) -> None:
            console.print("\nPaste this into another terminal:\n")
            console.print(f". {shlex.quote(str(ready.file))}\n", soft_wrap=True)
            first = "alerts status" if self._monitoring else "pending list"
            console.print(f"then try: stigmer-ops {first}\n\nCtrl-C ends it.")

        body = {
            "environment": ready.data,
            "environment_file": str(ready.file),
            "handshakes": self._handshakes,
            "not_seen": [{**one.data, "why": one.message} for one in self._not_seen],
            "monitoring": self._monitoring or None,
        }
        self._invocation.write(Document("Sandbox", body), table)
        if self._not_seen:
            self._invocation.say(
                f"{len(self._not_seen)} of the handshakes may not be as they are to be: on a slow "
                "machine, add --time-scale 0.05"
            )


def _counts(faults: list[str] | None) -> dict[str, int]:
    from stigmer_ops.sandbox.faults import FAULTS, fault
    from stigmer_ops.sandbox.serve import DEFAULT_FAULTS

    if faults is None:
        return dict(DEFAULT_FAULTS)
    if faults == ["none"]:
        return {}
    if faults == ["all"]:
        return {one.id: 1 for one in FAULTS}
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
    from stigmer_ops.render.tables import Cell, Column, table_of
    from stigmer_ops.sandbox.faults import FAULTS

    records = [
        {"fault": one.id, "verdict": one.verdict, "title": one.title, "breaks": one.breaks}
        for one in FAULTS
    ]

    def table(console: Console, _wide: bool) -> None:
        columns = [Column("FAULT", fold=False), Column("WHAT IT BREAKS, AND WHAT DIAGNOSE SAYS")]
        rows: list[list[Cell]] = [
            [one.id, [(one.breaks, ""), (one.verdict or "nothing: it does not wait", "dim")]]
            for one in FAULTS
        ]
        console.print(table_of(columns, rows))

    document = Document("FaultList", {"items": records}, [("Fault", one) for one in records])
    invocation.write(document, table)
    return ExitCode.OK
