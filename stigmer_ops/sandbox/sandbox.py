"""The sandbox: a real Temporal server with a simulated Zigflow and Stigmer around it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter

from stigmer_ops.errors import UnavailableError, UsageError
from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.faults import fault
from stigmer_ops.sandbox.faults.scripts import MINUTE
from stigmer_ops.sandbox.handshake import Handshake, Kind
from stigmer_ops.sandbox.plan import RUN_TIMEOUTS, ActivitySettings, Call, Edition
from stigmer_ops.sandbox.scale import TimeScale
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.sandbox.workers import Role, Workers
from stigmer_ops.sandbox.world import World, make_world
from stigmer_ops.sandbox.zigflow import ONE_AGENT, RETRY_INTERVAL, SEVERAL_AGENTS, TIMEOUT_HANDLING

_SETTLE_SECONDS = 30.0
_SLOWEST_FAULT = 15 * MINUTE
"""Nominal: a Stigmer workflow that runs into its timeout of ten minutes, and what follows."""
_UNDER_WAY = 24
"""Handshakes of a population that are on the way to their state: with more, timeouts strike."""

_WORKFLOW_TYPES = {
    Kind.SINGLE: ONE_AGENT,
    Kind.PARALLEL: SEVERAL_AGENTS,
    Kind.TIMEOUT_HANDLING: TIMEOUT_HANDLING,
}
_FIRST_ACTIVITY_ID = 5  # as the Go SDK counts: the activity's event in the history


class Sandbox:
    """A running sandbox; made by `Sandbox.start`.

    Attributes:
        server: The Temporal server.
        scale: From nominal times to the sandbox's.
        client: Client of the external workflows' namespace.
        stigmer_client: Client of the Stigmer workflows' namespace.
        store: Stigmer's executions.
    """

    def __init__(
        self, server: TemporalServer, scale: TimeScale, world: World, workers: Workers
    ) -> None:
        self.server = server
        self.scale = scale
        self.client = world.client
        self.stigmer_client = world.stigmer_client
        self.store = world.store
        self._service = world.service
        self._workers = workers
        self._acts: dict[str, asyncio.Task[None]] = {}
        self._patience = _SETTLE_SECONDS + scale(_SLOWEST_FAULT).total_seconds()

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        time_scale: float = 1 / 60,
        namespace: str = "default",
        stigmer_namespace: str | None = None,
        server: TemporalServer | None = None,
        port: int | None = None,
        db_filename: Path | None = None,
        dynamic_config: Mapping[str, object] | None = None,
        data_converter: DataConverter = DataConverter.default,
    ) -> AsyncIterator[Sandbox]:
        """Start a sandbox, and stop it at the end of the block, workers before their server.

        Args:
            time_scale: Sandbox seconds per second of production.
            namespace: Temporal namespace of the external workflows; created if missing.
            stigmer_namespace: That of the Stigmer workflows; None for the same one.
            server: A running server to use; it is left running. None to start one.
            port: Port of the server to start; None for a free one.
            db_filename: File of the server to start; None to keep its state in memory.
            dynamic_config: Settings of the server to start.
            data_converter: How both sides encode payloads, for example with a codec.

        Raises:
            CapabilityError: If the Temporal server is not installed.
            UnavailableError: If it does not start.
        """
        async with AsyncExitStack() as stack:
            if server is None:
                own = TemporalServer(
                    port=port, db_filename=db_filename, dynamic_config=dynamic_config
                )
                server = await stack.enter_async_context(own)
            world = await make_world(
                stack, server, namespace, stigmer_namespace or namespace, data_converter, time_scale
            )
            workers = Workers(world)
            stack.push_async_callback(workers.stop_all)
            await workers.start_all()
            sandbox = cls(server, TimeScale(time_scale), world, workers)
            stack.push_async_callback(sandbox._stop_acts)
            yield sandbox

    @property
    def address(self) -> str:
        """The Temporal frontend, as host:port."""
        return self.server.address

    @property
    def namespace(self) -> str:
        """Temporal namespace of the external workflows."""
        return self.client.namespace

    @property
    def stigmer_namespace(self) -> str:
        """Temporal namespace of the Stigmer workflows."""
        return self.stigmer_client.namespace

    @property
    def stigmer_address(self) -> str:
        """Stigmer's gRPC service, as host:port."""
        return self._service.address

    def environment(self) -> dict[str, str]:
        """The environment variables that point stigmer-ops, and Temporal's tools, at the sandbox.

        The thresholds and run timeouts among them are scaled like everything else.
        """
        variables = {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": self.namespace,
            "STIGMER_OPS_STIGMER_ADDRESS": self.stigmer_address,
            "STIGMER_OPS_STIGMER_AGENT_RUN_TIMEOUT": self._seconds(RUN_TIMEOUTS[Edition.GO]),
            "STIGMER_OPS_STIGMER_WORKFLOW_RUN_TIMEOUT": self._seconds(
                RUN_TIMEOUTS[Edition.WORKFLOW]
            ),
            "STIGMER_OPS_THRESHOLDS_STUCK_AFTER": self._seconds(timedelta(hours=4)),
            "STIGMER_OPS_THRESHOLDS_LONGEST_TIMEOUT": self._seconds(timedelta(hours=24)),
            "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": self._seconds(timedelta(minutes=5)),
            "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": self._seconds(timedelta(minutes=1)),
        }
        if self.stigmer_namespace != self.namespace:
            variables["STIGMER_OPS_STIGMER_NAMESPACE"] = self.stigmer_namespace
        return variables

    def _seconds(self, nominal: timedelta) -> str:
        return f"{self.scale(nominal).total_seconds():g}s"

    async def start_worker(self, role: Role | str) -> None:
        """Start a part of the world again (all run from the start)."""
        await self._workers.start(Role(role))

    async def stop_worker(self, role: Role | str) -> None:
        """Stop a part of the world; what it was doing is cut off."""
        await self._workers.stop(Role(role))

    async def new_namespace(self) -> str:
        """Make an empty namespace on the server.

        Returns:
            Its name; the namespace is ready for use.
        """
        name = f"scratch-{uuid.uuid4().hex[:12]}"
        await self.server.ensure_namespace(name)
        return name

    @asynccontextmanager
    async def isolated(self, *, two_namespaces: bool = False) -> AsyncIterator[Sandbox]:
        """A sandbox on the same server, with namespaces of its own that are empty.

        Args:
            two_namespaces: Whether Stigmer has another one than the external workflows.
        """
        namespace = await self.new_namespace()
        async with Sandbox.start(
            time_scale=self.scale.factor,
            server=self.server,
            namespace=namespace,
            stigmer_namespace=await self.new_namespace() if two_namespaces else None,
        ) as sandbox:
            yield sandbox

    async def start_handshake(
        self,
        fault_id: str | Sequence[str] = "healthy",
        *,
        kind: Kind | str | None = None,
        workflow_id: str | None = None,
        agents: int | None = None,
        settings: ActivitySettings | None = None,
        script: Mapping[str, Any] | None = None,
    ) -> Handshake:
        """Start an external workflow, or standalone activity, that waits for Stigmer.

        Args:
            fault_id: Name of its fault; several names for the faults of the external activities of
                one parallel workflow, in order.
            kind: What waits; None for what the fault needs, or else a single call.
            workflow_id: Id of the workflow or of the standalone activity; made up if None.
            agents: How many external activities a parallel workflow has, all with that fault.
            settings: Of the external activities, instead of the fault's.
            script: Fields of `plan.Script`, with values to take instead of the fault's.

        Returns:
            A handle. The fault need not be visible yet: see `settle`.

        Raises:
            UsageError: If there is no such fault, or the number of activities does not fit.
        """
        faults = [fault(name) for name in _names(fault_id, kind, agents)]
        chosen = Kind(kind or faults[0].kind or (Kind.PARALLEL if len(faults) > 1 else Kind.SINGLE))
        if len(faults) != 1 and chosen is not Kind.PARALLEL:
            raise UsageError(f"a {chosen} handshake has one external activity, not {len(faults)}")
        handshake_id = uuid.uuid4().hex[:12]
        standalone = chosen is Kind.STANDALONE
        first_id = workflow_id or f"call-agent-{handshake_id}"
        calls = [
            replace(
                fault_.call,
                activity_id=first_id if standalone else str(_FIRST_ACTIVITY_ID + number),
                settings=settings or fault_.call.settings,
                script=replace(
                    fault_.call.script,
                    handshake=handshake_id,
                    time_scale=self.scale.factor,
                    **(script or {}),
                ),
            )
            for number, fault_ in enumerate(faults)
        ]
        for call in calls:
            await self._workers.ensure(call.script)
        if standalone:
            run_id, external_id = await self._start_activity(calls[0]), ""
        else:
            external_id = workflow_id or f"{_WORKFLOW_TYPES[chosen]}-{handshake_id}"
            run_id = await self._start_workflow(chosen, external_id, calls)
        handshake = Handshake(
            id=handshake_id,
            kind=chosen,
            faults={call.activity_id: one.id for call, one in zip(calls, faults, strict=True)},
            executions_expected={
                call.activity_id: one.executions for call, one in zip(calls, faults, strict=True)
            },
            namespace=self.namespace,
            workflow_id=external_id,
            run_id=run_id,
            client=self.client,
            stigmer_client=self.stigmer_client,
            store=self.store,
        )
        self._acts[handshake_id] = asyncio.create_task(self._act(handshake))
        return handshake

    async def _start_workflow(self, kind: Kind, workflow_id: str, calls: Sequence[Call]) -> str:
        handle = await self.client.start_workflow(
            _WORKFLOW_TYPES[kind],
            [call.to_payload() for call in calls],
            id=workflow_id,
            task_queue=names.ZIGFLOW_QUEUE,
        )
        return handle.result_run_id or ""

    async def _start_activity(self, call: Call) -> str:
        settings = call.settings
        handle = await self.client.start_activity(
            names.CALL_AGENT,
            call.to_payload(),
            id=call.activity_id,
            task_queue=names.ZIGFLOW_QUEUE,
            start_to_close_timeout=settings.start_to_close and self.scale(settings.start_to_close),
            schedule_to_close_timeout=settings.schedule_to_close
            and self.scale(settings.schedule_to_close),
            heartbeat_timeout=settings.heartbeat and self.scale(settings.heartbeat),
            retry_policy=RetryPolicy(
                initial_interval=self.scale(RETRY_INTERVAL), maximum_attempts=settings.max_attempts
            ),
        )
        return handle.run_id or ""

    async def _act(self, handshake: Handshake) -> None:
        for activity_id, fault_id in handshake.faults.items():
            one = fault(fault_id)
            if one.act is not None:
                await handshake.until({activity_id: one.act_when}, self._patience)
                await one.act(handshake, activity_id)

    async def _stop_acts(self) -> None:
        for task in self._acts.values():
            task.cancel()
        await asyncio.gather(*self._acts.values(), return_exceptions=True)

    async def settle(self, *handshakes: Handshake, seconds: float | None = None) -> None:
        """Wait until the faults of all handshakes can be seen in Temporal.

        Args:
            handshakes: What `start_handshake` returned.
            seconds: How long to wait; None for as long as the slowest fault may take.

        Raises:
            UnavailableError: If one cannot be seen in time; it names the handshake and its state.
        """
        limit = self._patience if seconds is None else seconds

        async def settled(handshake: Handshake) -> None:
            await self._acts[handshake.id]
            visible = {name: fault(one).visible for name, one in handshake.faults.items()}
            await handshake.until(visible, limit)

        await asyncio.gather(*map(settled, handshakes))

    async def populate(
        self,
        counts: Mapping[str, int],
        *,
        kind: Kind | str | None = None,
        settle: bool = True,
        seconds: float | None = None,
        not_seen: Callable[[Handshake, UnavailableError], None] | None = None,
    ) -> list[Handshake]:
        """Start many handshakes at once.

        Args:
            counts: How many of each fault, by name.
            kind: As in `start_handshake`.
            settle: Whether to wait until every fault can be seen.
            seconds: As in `settle`, for each of them.
            not_seen: Told of a handshake that cannot be seen in time, and why; it is left out then.

        Returns:
            Their handles, in the order of `counts`.

        Raises:
            UsageError: If there is no such fault.
            UnavailableError: As `settle`, where `not_seen` is None.
        """
        wanted = [name for name, count in counts.items() for _ in range(count)]
        under_way = asyncio.Semaphore(_UNDER_WAY)

        async def one(fault_id: str) -> Handshake | None:
            async with under_way:
                handshake = await self.start_handshake(fault_id, kind=kind)
                try:
                    if settle:
                        await self.settle(handshake, seconds=seconds)
                except UnavailableError as error:
                    if not_seen is None:
                        raise
                    not_seen(handshake, error)
                    return None
                return handshake

        return [found for found in await asyncio.gather(*map(one, wanted)) if found is not None]


def _names(fault_id: str | Sequence[str], kind: Kind | str | None, agents: int | None) -> list[str]:
    if not isinstance(fault_id, str):
        return list(fault_id)
    return [fault_id] * (agents or (3 if kind == Kind.PARALLEL else 1))
