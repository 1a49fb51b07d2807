"""What changed from one scan of a namespace to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.scan_report import Unreadable

Snapshot = Mapping[ActivityKey, PendingActivity]

_COMPARED = tuple(
    field.name
    for field in fields(PendingActivity)
    # Heartbeats come all the time; that they stopped shows in the deadline.
    if field.name != "last_heartbeat_time"
)


class ChangeKind(StrEnum):
    """What became of an activity."""

    APPEARED = "appeared"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One activity that is not as it was.

    Attributes:
        kind: What became of it.
        activity: As it is now; as it last was, if it is gone.
        fields: For a change, the names of the fields that differ.
    """

    kind: ChangeKind
    activity: PendingActivity
    fields: tuple[str, ...] = ()


def changes(before: Snapshot, after: Snapshot) -> list[Change]:
    """The difference of two scans, in the order of `after`, with what is gone at the end."""
    found = []
    for key, activity in after.items():
        if key not in before:
            found.append(Change(ChangeKind.APPEARED, activity))
        elif differing := _differing(before[key], activity):
            found.append(Change(ChangeKind.CHANGED, activity, differing))
    gone = (activity for key, activity in before.items() if key not in after)
    return [*found, *(Change(ChangeKind.GONE, activity) for activity in gone)]


def _differing(before: PendingActivity, after: PendingActivity) -> tuple[str, ...]:
    if before == after:
        return ()
    return tuple(name for name in _COMPARED if getattr(before, name) != getattr(after, name))


@dataclass(frozen=True, slots=True)
class Cycle:
    """One refresh of a watch.

    Attributes:
        number: From 1.
        now: When its scan began.
        activities: What is known to be pending.
        changes: Against the cycle before; in the first, everything appeared.
        unreadable: What could not be read, and is shown as it was.
        error: Why the scan broke off, or could not begin; what is shown may be old then.
    """

    number: int
    now: datetime
    activities: Snapshot
    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...] = ()
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything was read."""
        return not self.unreadable and not self.error

    def count(self, kind: ChangeKind) -> int:
        """How many activities changed in this way."""
        return sum(1 for change in self.changes if change.kind is kind)


def next_cycle(
    before: Cycle | None,
    found: Snapshot,
    *,
    now: datetime,
    unreadable: Iterable[Unreadable] = (),
    error: str = "",
) -> Cycle:
    """The cycle after `before`, given what a scan found.

    What was not read is not known to be gone: the activities of workflows that could not be read
    stay as they were, and so does everything that a broken-off scan did not reach.
    """
    known: Snapshot = {} if before is None else before.activities
    unread = tuple(unreadable)
    runs = {(item.workflow_id, item.run_id) for item in unread}
    kept = {
        key: activity
        for key, activity in known.items()
        if error or (key.workflow_id, key.run_id) in runs
    }
    activities = {**kept, **found}
    return Cycle(
        number=1 if before is None else before.number + 1,
        now=now,
        activities=activities,
        changes=tuple(changes(known, activities)),
        unreadable=unread,
        error=error,
    )
