"""Whom the checks ask, and what several of them read: each connection and reading made once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from stigmer_ops.diagnosis.diagnose import DiagnosisReport, Systems, diagnose
from stigmer_ops.handshake.queue_verdicts import QueueCheck
from stigmer_ops.handshake.registration import ProbeMethod
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers
from stigmer_ops.procedures.smoke_report import SmokeReport
from stigmer_ops.settings import Settings
from stigmer_ops.settings_sources import LoadedSettings
from stigmer_ops.stigmer.service import StigmerService, stigmer_service
from stigmer_ops.temporal.connection import Target
from stigmer_ops.temporal.expected_queues import expected_queues
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.scan import scan
from stigmer_ops.temporal.worker_check import ProbeChoice, check_workers, look_at_workers

ReadingT = TypeVar("ReadingT")


@dataclass(frozen=True, slots=True)
class Access:
    """The ways into the world, which the command line provides.

    Attributes:
        load_settings: Reads the settings; raises SettingsError where they are not valid.
        target: Where Temporal is; raises StigmerOpsError where that is not well said.
        audit_path: Where the audit file is, or would be.
        connect: Connects to a namespace, or to that of the options for None.
        smoke: Runs the canary, audited.
        now: The clock: the server's, where this machine's is known to be wrong.
        machine_time: This machine's clock.
    """

    load_settings: Callable[[], LoadedSettings]
    target: Callable[[], Target]
    audit_path: Callable[[], Path]
    connect: Callable[[str | None], AbstractAsyncContextManager[Frontend]]
    smoke: Callable[[], Awaitable[SmokeReport]]
    now: Callable[[], datetime]
    machine_time: Callable[[], datetime]


class CheckContext:
    """What a check may ask. Everything is made when it is first asked for, and then kept."""

    def __init__(self, access: Access, stack: AsyncExitStack) -> None:
        self.access = access
        self._stack = stack
        self._connections: dict[object, Any] = {}
        self._readings: dict[object, Any] = {}

    @classmethod
    @asynccontextmanager
    async def opened(cls, access: Access) -> AsyncIterator[CheckContext]:
        """A context whose connections are closed at the end of the block."""
        async with AsyncExitStack() as stack:
            yield cls(access, stack)

    def forget(self) -> None:
        """Drop what was read, so that it is read again. Connections are kept."""
        self._readings.clear()

    @property
    def settings(self) -> Settings:
        """The settings in force.

        Raises:
            SettingsError: They are not valid.
        """
        return self.access.load_settings().settings

    async def external(self) -> Frontend:
        """The namespace of the external workflows.

        Raises:
            StigmerOpsError: It cannot be reached.
        """
        return await self._frontend(None)

    async def stigmer(self) -> Frontend:
        """The namespace of the Stigmer workflows, which may be the same.

        Raises:
            StigmerOpsError: It cannot be reached.
        """
        external = await self.external()
        namespace = self.settings.stigmer.namespace
        return (
            external if namespace in (None, external.namespace) else await self._frontend(namespace)
        )

    async def service(self) -> StigmerService | None:
        """The Stigmer service, or None where no address is configured.

        Raises:
            InputError: A certificate or key file cannot be read.
        """
        return await self._once(
            self._connections,
            "service",
            lambda: self._stack.enter_async_context(stigmer_service(self.settings.stigmer)),
        )

    async def task_queues(self) -> list[QueueWorkers]:
        """Who polls the task queues of the settings, and what waits in them.

        Raises:
            StigmerOpsError: A queue could not be described.
        """
        return await self.read("task queues", self._look_at_workers)

    async def workers(self) -> list[QueueCheck]:
        """The same, with what the workers say when they are asked for their activity types.

        In read-only mode they are not asked: failures that they left behind are read.

        Raises:
            StigmerOpsError: A queue could not be described.
        """
        return await self.read("workers", self._ask_workers)

    async def diagnosis(self) -> DiagnosisReport:
        """Why each external activity waits: both sides read once for all checks.

        Raises:
            StigmerOpsError: A list could not be read.
        """
        return await self.read("diagnosis", self._diagnose)

    async def read(self, what: object, make: Callable[[], Awaitable[ReadingT]]) -> ReadingT:
        """What `make` returns, made once and kept under `what` until `forget`.

        A reading that fails is not kept: the next check that needs it tries again.
        """
        return await self._once(self._readings, what, make)

    async def _frontend(self, namespace: str | None) -> Frontend:
        return await self._once(
            self._connections,
            ("frontend", namespace),
            lambda: self._stack.enter_async_context(self.access.connect(namespace)),
        )

    async def _queues(self) -> list[tuple[Frontend, list[ExpectedQueue]]]:
        """The expected task queues by namespace."""
        external, stigmer = await self.external(), await self.stigmer()
        queues = expected_queues(self.settings, external.namespace)
        return [
            (frontend, [queue for queue in queues if queue.namespace == frontend.namespace])
            for frontend in dict.fromkeys((external, stigmer))
        ]

    async def _look_at_workers(self) -> list[QueueWorkers]:
        stale_after = self.settings.thresholds.poller_stale_after
        return [
            found
            for frontend, queues in await self._queues()
            for found in await look_at_workers(
                frontend, queues, clock=self.access.now, stale_after=stale_after
            )
        ]

    async def _ask_workers(self) -> list[QueueCheck]:
        read_only = self.settings.read_only
        choice = ProbeChoice(ProbeMethod.NONE, "read-only mode") if read_only else ProbeChoice(None)
        stale_after = self.settings.thresholds.poller_stale_after
        checks: list[QueueCheck] = []
        for frontend, queues in await self._queues():
            found, _ = await check_workers(
                frontend, queues, choice, clock=self.access.now, stale_after=stale_after
            )
            checks += found
        return checks

    async def _diagnose(self) -> DiagnosisReport:
        external = await self.external()
        systems = Systems(external, await self.stigmer(), await self.service())
        wanted = Selection(activity_types=frozenset(self.settings.external.activity_types))
        report = DiagnosisReport()
        activities = scan(external, wanted, now=self.access.now(), report=report.external)
        await diagnose(systems, activities, self.settings, now=self.access.now, report=report)
        return report

    @staticmethod
    async def _once(
        made: dict[object, Any], what: object, make: Callable[[], Awaitable[ReadingT]]
    ) -> ReadingT:
        if what not in made:
            made[what] = await make()
        value: ReadingT = made[what]
        return value
