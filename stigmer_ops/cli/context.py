"""The world outside, for one command: environment, clock, terminal, settings, connection.

Only this module reads `os.environ`, the clock and the terminal, and only it opens connections.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stigmer_ops.cli.option_sets import Common, Connection
from stigmer_ops.errors import NOTHING_SENT, ExitCode, InputError, SettingsError
from stigmer_ops.render.output import Document, OutputFormat, write

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.settings import Settings
    from stigmer_ops.settings_sources import LoadedSettings
    from stigmer_ops.temporal.connection import Target
    from stigmer_ops.temporal.frontend import Frontend

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that nobody sets, and that goes on while the machine sleeps."""

_COMPARING_SECONDS = 3.0
"""How long the comparison of clocks may take; a server that cannot be asked is told of later."""


class Invocation:
    """One run of one command."""

    def __init__(self, common: Common, environment: Mapping[str, str] | None = None) -> None:
        self.common = common
        self.environment: Mapping[str, str] = os.environ if environment is None else environment
        self._clock: Callable[[], datetime] = self.machine_time
        self._clocks_compared = False

    @cached_property
    def loaded_settings(self) -> LoadedSettings:
        """The settings with their origins; read when first asked for.

        Raises:
            SettingsError: The file or a variable is not valid.
        """
        from stigmer_ops import settings_sources

        return settings_sources.load(self.common.config, self.environment)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded_settings.settings

    @cached_property
    def output(self) -> OutputFormat:
        """The output format: -o, else the variable, else the settings, else a table."""
        if self.common.output is not None:
            return self.common.output
        configured = self.common.config is not None or "STIGMER_OPS_OUTPUT" in self.environment
        return OutputFormat(self.settings.output) if configured else OutputFormat.TABLE

    @property
    def output_or_default(self) -> OutputFormat:
        """The output format where the settings themselves may be what is wrong."""
        return self.common.output or OutputFormat.TABLE

    @property
    def progress_wanted(self) -> bool:
        """Whether to show progress: on a terminal, unless it was declined."""
        return sys.stderr.isatty() and not self.common.no_progress

    @property
    def screen(self) -> bool:
        """Whether results go to a terminal."""
        return sys.stdout.isatty()

    @property
    def full_screen(self) -> bool:
        """Whether somebody sees a whole screen and can press keys: all streams are a terminal's."""
        capable = self.environment.get("TERM", "") not in ("", "dumb", "unknown")
        return capable and all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr))

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer a question, and may be asked in prose."""
        return sys.stdin.isatty() and sys.stderr.isatty() and self.output.for_people

    def now(self) -> datetime:
        """The current time: the Temporal server's, where `temporal` found ours to be wrong."""
        return self._clock()

    def machine_time(self) -> datetime:
        """What this machine takes for the current time."""
        return datetime.now(UTC)

    def operator(self) -> str:
        """Who types, as the operating system knows them."""
        import getpass

        try:
            return self.environment.get("SUDO_USER") or getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            return f"uid-{os.getuid()}"

    def host(self) -> str:
        """Where they type."""
        import socket

        return socket.gethostname()

    def state_file(self, name: str, what: str, setting: str) -> Path:
        """Where something is kept of which the settings do not say where.

        Args:
            name: Of the file, or folder, in the user's state directory (XDG_STATE_HOME).
            what: What it is.
            setting: The variable that would say where.

        Raises:
            SettingsError: The user has no home, and there is no XDG_STATE_HOME.
        """
        import platformdirs

        try:
            return platformdirs.user_state_path("stigmer-ops") / name
        except RuntimeError as error:
            raise SettingsError(
                f"nothing says where to keep {what}: this user has no home directory",
                not_done=NOTHING_SENT,
                next_step=f"set {setting}, or HOME",
            ) from error

    def write(self, document: Document, table: Callable[[Console, bool], None]) -> None:
        """Write the result to standard output in the chosen format."""
        write(document, self.output, table=table)

    def say(self, text: str) -> None:
        """Tell the person something that is not the result, on standard error."""
        from stigmer_ops.render.text import visible

        for line in text.splitlines():
            sys.stderr.write(visible(line) + "\n")

    def target(self, connection: Connection) -> Target:
        """The Temporal connection in force.

        Raises:
            StigmerOpsError: The options, the environment or a file is wrong.
        """
        from stigmer_ops.temporal.connection import ConnectionOptions, resolve

        options = ConnectionOptions(
            address=connection.address,
            namespace=connection.namespace,
            profile=connection.profile,
            api_key=_secret_from(connection.api_key_file),
            tls=connection.tls,
            tls_server_name=connection.tls_server_name,
            tls_ca_path=connection.tls_ca_path,
            tls_cert_path=connection.tls_cert_path,
            tls_key_path=connection.tls_key_path,
            codec_endpoint=connection.codec_endpoint,
            codec_auth=connection.codec_auth,
        )
        return resolve(options, self.environment)

    @asynccontextmanager
    async def temporal(
        self,
        connection: Connection,
        *,
        namespace: str | None = None,
        identity: str | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> AsyncIterator[Frontend]:
        """A connected frontend, paced by the options and the settings.

        The server's clock stamps what is read, and decides what times out. Where ours differs by
        more than seconds, `now` goes by the server's from then on, and that is said once.

        Args:
            connection: The options.
            namespace: Another namespace than the connection's, on the same server.
            identity: What history shall show as the caller of writes.
            warn: Takes what is to be said of the clock, and at the end of the rate limit; `say`
                unless given.

        Raises:
            StigmerOpsError: It cannot be reached, or refuses us.
        """
        import dataclasses

        from stigmer_ops.temporal.connection import connect
        from stigmer_ops.temporal.frontend import Pace

        scan = self.settings.scan
        pace = Pace(
            rps=scan.rps if connection.rps is None else connection.rps,
            concurrency=connection.concurrency or scan.concurrency,
        )
        target = self.target(connection)
        if namespace is not None:
            target = dataclasses.replace(target, namespace=namespace)
        frontend = await connect(target, pace=pace, identity=identity)
        warn = warn or self._warn
        await self._compare_clocks(frontend, warn)
        yield frontend
        if refusals := frontend.throttle.refusals:
            warn(
                f"the namespace's rate limit refused {refusals} calls, which were made again more "
                "slowly: a lower --rps spares its workers"
            )

    async def _compare_clocks(self, frontend: Frontend, warn: Callable[[str], None]) -> None:
        """Go by the server's clock where ours is wrong; once, and not where it cannot be known.

        Costs one call where workers poll and our clock agrees with theirs within minutes. A reader,
        who may not measure more exactly, knows the server's within these minutes.
        """
        import asyncio

        from stigmer_ops.temporal import clock
        from stigmer_ops.temporal.frontend import Frontend, Pace

        if self._clocks_compared:
            return
        unpaced = Frontend(frontend.client, Pace(rps=0))  # a few calls, whose time counts
        skew = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_COMPARING_SECONDS):
                queue = self._polled_queue(frontend.namespace)
                skew = await clock.skew_by_pollers(unpaced, queue, self.machine_time)
                if skew != timedelta(0):
                    measured = await clock.measure_clock_skew(unpaced, self.machine_time)
                    skew = skew if measured is None else measured
        self._clocks_compared = skew is not None
        if skew is None or abs(skew) < clock.SKEW_LIMIT:
            return
        self._clock = _steady_clock(self.machine_time() + skew)
        warn(f"{clock.skew_sentence(skew)}; the server's time is used instead")

    def _polled_queue(self, namespace: str) -> str:
        queues = self.settings.task_queues
        if namespace == self.settings.stigmer.namespace:
            return queues.agent_execution_stigmer.name
        return queues.zigflow_execution.name

    def _warn(self, text: str) -> None:
        self.say(f"warning: {text}")


def _steady_clock(start: datetime) -> Callable[[], datetime]:
    """A clock that goes on from `start`, even where this machine's is put right meanwhile."""
    began = time.clock_gettime(_STEADY)
    return lambda: start + timedelta(seconds=time.clock_gettime(_STEADY) - began)


def _secret_from(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


__all__ = ["ExitCode", "Invocation"]
