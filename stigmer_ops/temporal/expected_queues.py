"""Which task queues there shall be, and what their workers shall have, by the settings."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.workers import ExpectedQueue, TaskKind
from stigmer_ops.settings import Settings, TaskQueue

EXTERNAL_ROLES = frozenset({"zigflow_execution"})
"""Roles whose queue is in the namespace of the external workflows; the others are Stigmer's."""


def expected_queues(
    settings: Settings,
    namespace: str,
    *,
    roles: Collection[str] = (),
    names: Sequence[str] = (),
    activity_types: Sequence[str] = (),
) -> list[ExpectedQueue]:
    """The queues that are asked for; all of the settings where none is named.

    Args:
        settings: What is expected of which queue.
        namespace: Of the external workflows, and of queues that the settings do not know.
        roles: Roles of queues, as in `task_queues` of the settings.
        names: Names of queues. One that the settings know is expected to have what they say; of any
            other it is only expected that somebody polls it.
        activity_types: What the workers of the chosen queues shall have instead.

    Raises:
        UsageError: There is no such role, or types are given and no queue.
    """
    if activity_types and not (roles or names):
        raise UsageError(
            "--activity-type says what the workers of certain queues shall have",
            next_step="add --task-queue or --role",
        )
    _check_roles(settings, roles)
    known = [
        _of_role(settings, namespace, role, queue)
        for role, queue in settings.task_queues.by_role().items()
        if not (roles or names) or role in roles or queue.name in names
    ]
    found = {queue.name for queue in known}
    strangers = [ExpectedQueue(name, namespace) for name in names if name not in found]
    chosen = _merged([*known, *strangers])
    return [_with_types(queue, activity_types) for queue in chosen] if activity_types else chosen


def _check_roles(settings: Settings, roles: Collection[str]) -> None:
    known = settings.task_queues.by_role()
    for role in roles:
        if role not in known:
            near = difflib.get_close_matches(role, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"{role!r} is not a role of a task queue{hint}",
                next_step=f"one of {', '.join(known)}; or --task-queue for any other queue",
            )


def _of_role(settings: Settings, namespace: str, role: str, queue: TaskQueue) -> ExpectedQueue:
    stigmer = settings.stigmer.namespace or namespace
    kinds = {TaskKind.WORKFLOW} if queue.workflows else set()
    if queue.activity_types or not queue.workflows:
        kinds.add(TaskKind.ACTIVITY)
    return ExpectedQueue(
        name=queue.name,
        namespace=namespace if role in EXTERNAL_ROLES else stigmer,
        roles=(role,),
        activity_types=queue.activity_types,
        kinds=frozenset(kinds),
    )


def _merged(queues: Sequence[ExpectedQueue]) -> list[ExpectedQueue]:
    """One entry a queue: two roles may share one, whose workers then shall have what both want."""
    merged: dict[tuple[str, str], ExpectedQueue] = {}
    for queue in queues:
        key = (queue.namespace, queue.name)
        merged[key] = _both(merged[key], queue) if key in merged else queue
    return list(merged.values())


def _both(one: ExpectedQueue, other: ExpectedQueue) -> ExpectedQueue:
    return ExpectedQueue(
        name=one.name,
        namespace=one.namespace,
        roles=tuple(_unique(one.roles + other.roles)),
        activity_types=tuple(_unique(one.activity_types + other.activity_types)),
        kinds=one.kinds | other.kinds,
    )


def _with_types(queue: ExpectedQueue, activity_types: Sequence[str]) -> ExpectedQueue:
    return ExpectedQueue(
        name=queue.name,
        namespace=queue.namespace,
        roles=queue.roles,
        activity_types=tuple(_unique(activity_types)),
        kinds=queue.kinds | {TaskKind.ACTIVITY},
    )


def _unique(names: Sequence[str]) -> Iterator[str]:
    return iter(dict.fromkeys(names))
