"""DescribeTaskQueue, ListWorkers and DescribeWorker, turned into the domain's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType, WorkerStatus, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import (
    PollerInfo,
    TaskQueue,
    TaskQueueStats,
    TaskQueueVersioningInfo,
)
from temporalio.api.worker.v1 import WorkerHeartbeat as HeartbeatMessage
from temporalio.api.worker.v1 import WorkerListInfo, WorkerSlotsInfo
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkerRequest,
    ListTaskQueuePartitionsRequest,
    ListWorkersRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.workers import (
    Backlog,
    ExpectedQueue,
    Poller,
    QueueWorkers,
    Slots,
    TaskKind,
    WorkerHeartbeat,
)
from stigmer_ops.temporal.describe import moment, span
from stigmer_ops.temporal.frontend import Frontend

WORKERS_PAGE = 1000

_TYPES = {
    TaskKind.ACTIVITY: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    TaskKind.WORKFLOW: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
}

_NOT_FOR_US = frozenset(
    {RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.NOT_FOUND}
)
"""The server lacks it, refuses it to us, or has just forgotten it: told as absent."""


async def queue_workers(
    frontend: Frontend, queues: Sequence[ExpectedQueue], *, time: datetime, stale_after: timedelta
) -> list[QueueWorkers]:
    """The pollers, backlogs and heartbeats of `queues`, in their order, all read at once.

    Args:
        frontend: Of the queues' namespace.
        queues: What to look at.
        time: The server's present time, as well as it is known.
        stale_after: After how long without a poll a poller is stale.

    Raises:
        StigmerOpsError: A queue, or the list of workers, could not be read.
    """
    described, heartbeats = await asyncio.gather(
        asyncio.gather(*(_described(frontend, queue.name) for queue in queues)),
        _heartbeats(frontend, {queue.name for queue in queues}),
    )
    return [
        QueueWorkers(
            expected=queue,
            time=time,
            stale_after=stale_after,
            pollers=tuple(poller for each in kinds for poller in each.pollers),
            backlogs=tuple((each.kind, each.backlog) for each in kinds),
            heartbeats=None
            if heartbeats is None
            else tuple(beat for beat in heartbeats if beat.task_queue == queue.name),
        )
        for queue, kinds in zip(queues, described, strict=True)
    ]


async def activity_pollers(frontend: Frontend, name: str) -> tuple[Poller, ...]:
    """The pollers of a queue's activity tasks, over all its partitions.

    Raises:
        StigmerOpsError: The queue could not be read.
    """
    partitions = await _partitions(frontend, name)
    kind = TaskKind.ACTIVITY
    return (await _described_kind(frontend, name, kind, partitions[kind])).pollers


async def newest_poll(frontend: Frontend, name: str) -> datetime | None:
    """When the queue's root partition last heard of a poll for workflow tasks; None if never.

    Raises:
        StigmerOpsError: The queue could not be read.
    """
    answer = await _describe(frontend, name, TaskKind.WORKFLOW, stats=False)
    times = [moment(info, "last_access_time") for info in answer.pollers]
    return max(filter(None, times), default=None)


@dataclass(frozen=True, slots=True)
class _Described:
    kind: TaskKind
    pollers: tuple[Poller, ...]
    backlog: Backlog


async def _described(frontend: Frontend, name: str) -> list[_Described]:
    """Both kinds of tasks of a queue, over all its partitions.

    The root partition knows the backlog of all, but of the pollers only those whose poll came to it
    or was forwarded: a worker that polls another one is missing there (seen on server 1.32).
    """
    partitions = await _partitions(frontend, name)
    return await asyncio.gather(
        *(_described_kind(frontend, name, kind, partitions[kind]) for kind in TaskKind)
    )


async def _described_kind(
    frontend: Frontend, name: str, kind: TaskKind, partitions: Sequence[str]
) -> _Described:
    root, *others = await asyncio.gather(
        _describe(frontend, name, kind, stats=True),
        *(_describe(frontend, partition, kind, stats=False) for partition in partitions),
    )
    routing = root.versioning_info
    newest: dict[str, Poller] = {}
    for poller in (
        _poller(kind, info, routing) for answer in (root, *others) for info in answer.pollers
    ):
        known = newest.get(poller.identity)
        if known is None or _last_access(known) < _last_access(poller):
            newest[poller.identity] = poller
    return _Described(kind, tuple(newest.values()), _backlog(root.stats))


def _last_access(poller: Poller) -> float:
    return poller.last_access_time.timestamp() if poller.last_access_time else 0.0


async def _partitions(frontend: Frontend, name: str) -> dict[TaskKind, list[str]]:
    """The partitions of a queue but for the root, which has the queue's name."""
    request = ListTaskQueuePartitionsRequest(
        namespace=frontend.namespace, task_queue=TaskQueue(name=name)
    )
    try:
        answer = await frontend.call(frontend.service.list_task_queue_partitions, request)
    except RPCError as error:
        if error.status in _NOT_FOR_US:
            return {kind: [] for kind in TaskKind}
        raise frontend.translate(error, f"list the partitions of task queue {name}") from error
    listed = {
        TaskKind.ACTIVITY: answer.activity_task_queue_partitions,
        TaskKind.WORKFLOW: answer.workflow_task_queue_partitions,
    }
    return {
        kind: [partition.key for partition in partitions if partition.key != name]
        for kind, partitions in listed.items()
    }


async def _describe(
    frontend: Frontend, name: str, kind: TaskKind, *, stats: bool
) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=frontend.namespace,
        task_queue=TaskQueue(name=name),
        task_queue_type=_TYPES[kind],
        report_stats=stats,
    )
    try:
        return await frontend.call(frontend.service.describe_task_queue, request)
    except RPCError as error:
        raise frontend.translate(error, f"describe task queue {name}") from error


def _poller(kind: TaskKind, info: PollerInfo, routing: TaskQueueVersioningInfo) -> Poller:
    options, capabilities = info.deployment_options, info.worker_version_capabilities
    return Poller(
        identity=info.identity,
        kind=kind,
        last_access_time=moment(info, "last_access_time"),
        rate_per_second=info.rate_per_second,
        deployment_name=options.deployment_name or capabilities.deployment_series_name,
        build_id=options.build_id or capabilities.build_id,
        current=_is_current(info, routing),
    )


def _is_current(poller: PollerInfo, routing: TaskQueueVersioningInfo) -> bool:
    """Whether new tasks may come to this poller.

    The current deployment version gets them, and a share goes to the ramping one. Where no version
    is current, unversioned workers are.
    """
    options = poller.deployment_options
    versioned = (
        options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    )
    if not versioned:
        return not routing.HasField("current_deployment_version")
    version = WorkerDeploymentVersion(
        deployment_name=options.deployment_name, build_id=options.build_id
    )
    return version in (routing.current_deployment_version, routing.ramping_deployment_version)


def _backlog(stats: TaskQueueStats) -> Backlog:
    return Backlog(
        count=stats.approximate_backlog_count,
        age=span(stats, "approximate_backlog_age"),
        add_rate=stats.tasks_add_rate,
        dispatch_rate=stats.tasks_dispatch_rate,
    )


async def _heartbeats(
    frontend: Frontend, queues: Collection[str]
) -> tuple[WorkerHeartbeat, ...] | None:
    has = (await frontend.describe_namespace()).namespace_info.capabilities
    if not has.worker_heartbeats:
        return None
    try:
        listed = [worker for worker in await _list(frontend) if worker.task_queue in queues]
    except RPCError as error:
        if error.status in _NOT_FOR_US:
            return None
        raise frontend.translate(error, "list workers") from error
    return tuple(await asyncio.gather(*(_heartbeat(frontend, worker) for worker in listed)))


async def _list(frontend: Frontend) -> list[WorkerListInfo]:
    # The query could name the queue, but a name with quotes in it would find nothing.
    request = ListWorkersRequest(namespace=frontend.namespace, page_size=WORKERS_PAGE)
    workers: list[WorkerListInfo] = []
    while True:
        page = await frontend.call(frontend.service.list_workers, request)
        workers += page.workers
        if not page.next_page_token:
            return workers
        request.next_page_token = page.next_page_token


async def _heartbeat(frontend: Frontend, worker: WorkerListInfo) -> WorkerHeartbeat:
    """One worker, with its slots where they can be had: the list does not hold them."""
    request = DescribeWorkerRequest(
        namespace=frontend.namespace, worker_instance_key=worker.worker_instance_key
    )
    try:
        answer = await frontend.call(frontend.service.describe_worker, request)
    except RPCError as error:
        if error.status not in _NOT_FOR_US:
            raise frontend.translate(error, f"describe worker {worker.worker_identity}") from error
        beat = HeartbeatMessage()
    else:
        beat = answer.worker_info.worker_heartbeat
    return WorkerHeartbeat(
        instance_key=worker.worker_instance_key,
        identity=worker.worker_identity,
        task_queue=worker.task_queue,
        status=WorkerStatus.Name(worker.status).removeprefix("WORKER_STATUS_"),
        host=worker.host_name,
        process_id=worker.process_id,
        sdk_name=worker.sdk_name,
        sdk_version=worker.sdk_version,
        start_time=moment(worker, "start_time"),
        heartbeat_time=moment(beat, "heartbeat_time"),
        deployment_name=worker.deployment_version.deployment_name,
        build_id=worker.deployment_version.build_id,
        activity_slots=_slots(beat, "activity_task_slots_info"),
        workflow_slots=_slots(beat, "workflow_task_slots_info"),
        polls=_polls(beat),
    )


def _polls(beat: HeartbeatMessage) -> frozenset[TaskKind]:
    counts = {
        TaskKind.ACTIVITY: beat.activity_poller_info.current_pollers,
        TaskKind.WORKFLOW: beat.workflow_poller_info.current_pollers,
    }
    return frozenset(kind for kind, count in counts.items() if count)


def _slots(beat: HeartbeatMessage, field: str) -> Slots | None:
    info: WorkerSlotsInfo = getattr(beat, field)
    used, available = info.current_used_slots, info.current_available_slots
    if not used and not available:
        return None
    # Only a fixed number of slots can be exhausted; other suppliers do not know how many are left.
    known = available or info.slot_supplier_kind == "Fixed"
    return Slots(used=used, available=available if known else None)
