"""The workers of a task queue, as the server sees them: pollers, backlog, heartbeats.

The models are those of `temporal.api.taskqueue.v1` (PollerInfo, TaskQueueStats) and
`temporal.api.worker.v1` (WorkerHeartbeat), reduced to what an operator needs. Times are UTC-aware.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_GOODBYE = timedelta(seconds=1)
"""How long after its last heartbeat a worker that shuts down may still be seen polling."""


class TaskKind(StrEnum):
    """`temporal.api.enums.v1.TaskQueueType`, without Nexus."""

    ACTIVITY = "activity"
    WORKFLOW = "workflow"


class PollerState(StrEnum):
    """Whether a poller takes tasks."""

    LIVE = "live"
    STALE = "stale"
    """Not seen for longer than a poll lasts: the server goes on listing it for five minutes."""
    SHUT_DOWN = "shut-down"
    """Its worker said so in its last heartbeat."""
    NOT_CURRENT = "not-current"
    """Its deployment version is neither current nor ramping, so new tasks pass it by."""


@dataclass(frozen=True, slots=True)
class Poller:
    """One worker's polling of one kind of task.

    Attributes:
        identity: The worker's identity; several pollers of a worker are one entry.
        last_access_time: When it last began a poll, by the server's clock. An idle one begins
            another about once a minute.
        rate_per_second: The limit that it set for the queue.
        deployment_name: Its worker deployment, empty without one.
        build_id: Its build id, made up by the SDK where none is set.
        current: Whether new tasks are routed to it: always, unless its version is another one.
    """

    identity: str
    kind: TaskKind
    last_access_time: datetime | None = None
    rate_per_second: float = 0.0
    deployment_name: str = ""
    build_id: str = ""
    current: bool = True


@dataclass(frozen=True, slots=True)
class Backlog:
    """Tasks that wait in a queue: how many, for how long, and tasks a second in and out.

    From `TaskQueueStats`; all are approximate, and the rates are means over some 30 s.
    """

    count: int = 0
    age: timedelta | None = None
    add_rate: float = 0.0
    dispatch_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Slots:
    """Task slots of a worker, `available` None where their number is not fixed."""

    used: int
    available: int | None

    @property
    def exhausted(self) -> bool:
        """Whether every slot is taken, so that the worker stops polling."""
        return self.available == 0


@dataclass(frozen=True, slots=True)
class WorkerHeartbeat:
    """What a worker last said of itself.

    `status` is the name of `temporal.api.enums.v1.WorkerStatus` without its prefix (RUNNING,
    SHUTTING_DOWN, ...). Slots are None where the worker takes no tasks of the kind. `polls` are the
    kinds of tasks that it polled at the time. The identity is that of the worker's client: a worker
    that was given one of its own polls under that one.
    """

    instance_key: str
    identity: str
    task_queue: str
    status: str
    host: str = ""
    process_id: str = ""
    sdk_name: str = ""
    sdk_version: str = ""
    start_time: datetime | None = None
    heartbeat_time: datetime | None = None
    deployment_name: str = ""
    build_id: str = ""
    activity_slots: Slots | None = None
    workflow_slots: Slots | None = None
    polls: frozenset[TaskKind] = frozenset()

    @property
    def shut_down(self) -> bool:
        """Whether it ends or has ended."""
        return self.status.startswith("SHUT")

    def slots(self, kind: TaskKind) -> Slots | None:
        """Its slots for tasks of a kind."""
        return self.activity_slots if kind is TaskKind.ACTIVITY else self.workflow_slots


@dataclass(frozen=True, slots=True)
class ExpectedQueue:
    """A task queue, and what its workers shall have.

    Attributes:
        name: Its name.
        namespace: The Temporal namespace.
        roles: Its roles in the handshake (`agent_execution_runner`, ...); empty for any other.
        activity_types: What each worker must have registered.
        kinds: The kinds of tasks that must be polled; empty means that either will do.
    """

    name: str
    namespace: str
    roles: tuple[str, ...] = ()
    activity_types: tuple[str, ...] = ()
    kinds: frozenset[TaskKind] = frozenset()


@dataclass(frozen=True, slots=True)
class QueueWorkers:
    """A task queue with its pollers, backlogs and heartbeats at one time.

    Attributes:
        expected: The queue.
        time: When it was looked at, by the server's clock as well as it is known.
        stale_after: After how long without a poll a poller is stale.
        pollers: Of both kinds.
        backlogs: By kind.
        heartbeats: Of its workers; None where the server has none.
    """

    expected: ExpectedQueue
    time: datetime
    stale_after: timedelta
    pollers: tuple[Poller, ...] = ()
    backlogs: tuple[tuple[TaskKind, Backlog], ...] = ()
    heartbeats: tuple[WorkerHeartbeat, ...] | None = None

    def of(self, kind: TaskKind) -> tuple[Poller, ...]:
        """The pollers of a kind."""
        return tuple(poller for poller in self.pollers if poller.kind is kind)

    def backlog(self, kind: TaskKind) -> Backlog:
        """The backlog of a kind."""
        return dict(self.backlogs).get(kind, Backlog())

    def heartbeats_of(self, identity: str) -> tuple[WorkerHeartbeat, ...]:
        """What the workers of that identity said; several in one process share theirs."""
        return tuple(beat for beat in self.heartbeats or () if beat.identity == identity)

    def state(self, poller: Poller) -> PollerState:
        """Whether a poller takes tasks."""
        if not poller.current:
            return PollerState.NOT_CURRENT
        if self._said_goodbye(poller):
            return PollerState.SHUT_DOWN
        seen = poller.last_access_time
        stale = seen is None or self.time - seen > self.stale_after
        return PollerState.STALE if stale else PollerState.LIVE

    def _said_goodbye(self, poller: Poller) -> bool:
        # A process that was started again may have the same identity (pid 1 of the same pod): what
        # polls after the goodbye is another worker, and not the last poll of this one, cut short.
        beats = self.heartbeats_of(poller.identity)
        last = max((b.heartbeat_time for b in beats if b.heartbeat_time), default=None)
        return (
            bool(beats)
            and all(beat.shut_down for beat in beats)
            and poller.last_access_time is not None
            and last is not None
            and poller.last_access_time <= last + _GOODBYE
        )

    def live(self, kind: TaskKind) -> tuple[str, ...]:
        """Identities of the live pollers of a kind, sorted."""
        return self._identities(kind, {PollerState.LIVE})

    def idle(self, kind: TaskKind) -> tuple[str, ...]:
        """Identities of the listed pollers of a kind that take no tasks, sorted."""
        return self._identities(kind, set(PollerState) - {PollerState.LIVE})

    def _identities(self, kind: TaskKind, states: Iterable[PollerState]) -> tuple[str, ...]:
        return tuple(sorted({p.identity for p in self.of(kind) if self.state(p) in states}))

    def saturated(self, kind: TaskKind) -> tuple[WorkerHeartbeat, ...]:
        """Running workers with every slot of a kind taken: they vanish from the pollers."""
        return tuple(
            beat
            for beat in self.heartbeats or ()
            if not beat.shut_down and (slots := beat.slots(kind)) is not None and slots.exhausted
        )
