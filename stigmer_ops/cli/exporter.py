"""`exporter`: the metrics that the alerts need, computed from Temporal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connections, parse_duration
from stigmer_ops.errors import ExitCode, InputError, UnavailableError, UsageError
from stigmer_ops.render.exporter import LogFormat
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from rich.console import Console

    from stigmer_ops.exporter.cycle import Exporter
    from stigmer_ops.exporter.log import Log
    from stigmer_ops.exporter.web.server import Listen
    from stigmer_ops.settings import Settings
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer()


@command(
    app,
    "exporter",
    examples=(
        "exporter",
        "exporter --listen 0.0.0.0:9469 --namespace orders --namespace invoices",
        "exporter --state-file /var/lib/stigmer-ops/exporter.json --web-config web.yml",
        "exporter --once --textfile /var/lib/node_exporter/stigmer.prom --state-file state.json",
        "exporter --once | promtool check metrics",
    ),
)
async def exporter(
    invocation: Invocation,
    connections: Connections,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Where /metrics is served; :PORT for every address of this machine",
            show_default="exporter.listen, 127.0.0.1:9469",
        ),
    ] = None,
    interval: Annotated[
        timedelta | None,
        typer.Option(
            "--interval",
            parser=parse_duration,
            metavar="DURATION",
            help="How often what has changed is read",
            show_default="exporter.interval, 30s",
        ),
    ] = None,
    full_sweep: Annotated[
        timedelta | None,
        typer.Option(
            "--full-sweep",
            parser=parse_duration,
            metavar="DURATION",
            help="In which time every open workflow is read again; 0s for only once",
            show_default="exporter.full_sweep_every, 15m",
        ),
    ] = None,
    state_file: Annotated[
        Path | None,
        typer.Option(
            "--state-file",
            metavar="FILE",
            help="Where to remember what was counted; without it, counting starts at the start",
        ),
    ] = None,
    web_config: Annotated[
        Path | None,
        typer.Option(
            "--web-config",
            metavar="FILE",
            help="TLS and passwords of the endpoint, in the format of Prometheus' exporters",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat,
        typer.Option("--log-format", help="How the log on standard error is written"),
    ] = LogFormat.LOGFMT,
    once: Annotated[
        bool, typer.Option("--once", help="Read everything once, print the metrics and exit")
    ] = False,
    textfile: Annotated[
        Path | None,
        typer.Option(
            "--textfile",
            metavar="FILE",
            help="With --once: write them to this file, for node_exporter's textfile collector",
        ),
    ] = None,
) -> ExitCode:
    """Serve the metrics that the alerts need, computed from Temporal, until it is stopped.

    It reads Temporal and changes nothing there, unless exporter.registration_probe is set. It waits
    for a server that is not there yet. A namespace that cannot be read keeps its last values, whose
    age the metrics tell. SIGTERM ends it with exit 0.
    """
    from stigmer_ops.render.exporter import log_to_stderr

    if textfile is not None and not once:
        raise UsageError("--textfile goes with --once", next_step="add --once, or leave it out")
    settings = _settings(invocation, interval, full_sweep)
    log = log_to_stderr(log_format, invocation.now, debug=invocation.common.debug)
    running = _exporter(invocation, connections, settings, state_file, log)
    if once:
        return await _once(invocation, running, textfile)
    where = _address(listen or settings.exporter.listen)
    return await _serve(invocation, running, where, web_config, log)


def _settings(
    invocation: Invocation, interval: timedelta | None, full_sweep: timedelta | None
) -> Settings:
    """The settings, with what the options say of the exporter's times."""
    if interval is not None and interval < timedelta(seconds=1):
        raise UsageError("--interval is too short", next_step="at least 1s")
    given = {"interval": interval, "full_sweep_every": full_sweep}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = invocation.settings
    timing = settings.exporter.model_copy(update=chosen)
    return settings.model_copy(update={"exporter": timing})


def _address(text: str) -> Listen:
    from stigmer_ops.exporter.web.server import Listen

    try:
        return Listen.parse(text)
    except ValueError as error:
        raise UsageError(str(error), next_step="--listen 127.0.0.1:9469") from None


def _exporter(
    invocation: Invocation,
    connections: Connections,
    settings: Settings,
    state_file: Path | None,
    log: Log,
) -> Exporter:
    """What reads the namespaces; connects to none yet."""
    from stigmer_ops.exporter.cycle import Exporter
    from stigmer_ops.exporter.log import Event, Level

    target = invocation.target(connections.to(None, rps=None))
    names = tuple(dict.fromkeys(connections.namespaces or [target.namespace]))
    rps = settings.scan.rps if connections.rps is None else connections.rps
    # The limit is what the server feels: all connections together.
    every = {*names, settings.stigmer.namespace} - {None}
    own = connections.to(None, rps=rps / len(every))

    async def connect(namespace: str) -> Frontend:
        async with invocation.temporal(own, namespace=namespace, warn=warn) as frontend:
            return frontend

    def warn(text: str) -> None:
        log(Event(Level.WARNING, text))

    return Exporter(
        names,
        settings,
        connect,
        state_file=state_file,
        clock=invocation.now,
        log=log,
    )


async def _once(invocation: Invocation, running: Exporter, textfile: Path | None) -> ExitCode:
    if not await running.read_once():
        raise UnavailableError(
            "not every namespace could be read in full; the log says why",
            not_done="no metrics were written",
            next_step="stigmer-ops check",
        )
    if textfile is not None:
        _write(running.registry, textfile)
        return ExitCode.OK
    from prometheus_client import generate_latest

    from stigmer_ops.render.exporter import metrics_document

    def table(console: Console, _wide: bool) -> None:
        console.file.write(generate_latest(running.registry).decode())

    invocation.write(metrics_document(running.registry.collect()), table)
    return ExitCode.OK


def _write(registry: CollectorRegistry, textfile: Path) -> None:
    """Replace the file in one step, so that node_exporter never reads half of it."""
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(textfile), registry)
    except OSError as error:
        raise InputError(f"cannot write {textfile}: {error.strerror}") from error


async def _serve(
    invocation: Invocation,
    running: Exporter,
    where: Listen,
    web_config: Path | None,
    log: Log,
) -> ExitCode:
    from stigmer_ops.exporter.log import Event, Level
    from stigmer_ops.exporter.web.config import WebConfigFile
    from stigmer_ops.exporter.web.server import served

    file = None if web_config is None else WebConfigFile(web_config)
    with served(where, running.registry, running.condition, log, web_config=file) as url:

        async def run() -> None:
            log(Event(Level.INFO, "listening", {"url": url}))
            _say_where(invocation, url)
            await running.run()

        received = await _until_stopped(run())
    log(Event(Level.INFO, "stopped", {"signal": received.name}))
    return ExitCode.INTERRUPTED if received is signal.SIGINT else ExitCode.OK


def _say_where(invocation: Invocation, url: str) -> None:
    def table(console: Console, _wide: bool) -> None:
        console.print(f"metrics at {url}/metrics")

    invocation.write(Document("Exporter", {"url": url, "metrics_url": f"{url}/metrics"}), table)


async def _until_stopped(work: Coroutine[None, None, None]) -> signal.Signals:
    """Run `work`, which does not end by itself, until a signal asks for the end; which one."""
    task = asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    with suppress(asyncio.CancelledError):
        await task
    return received[0]
