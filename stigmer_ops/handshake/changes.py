"""What changed between two scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
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
    found = [
        Change(ChangeKind.APPEARED, activity)
        for key, activity in after.items()
        if key not in before
    ]
    for key, activity in after.items():
        differing = _differing(before[key], activity) if key in before else ()
        if differing:
            found.append(Change(ChangeKind.CHANGED, activity, differing))
    found += [
        Change(ChangeKind.GONE, activity) for key, activity in before.items() if key not in after
    ]
    return found


def kept_unread(
    before: Snapshot, after: Snapshot, unreadable: Iterable[Unreadable]
) -> dict[ActivityKey, PendingActivity]:
    """`after`, with what is known of the workflows that could not be read this time.

    What was not read is not known to be gone.
    """
    runs = {(item.workflow_id, item.run_id) for item in unreadable}
    unread = {
        key: activity for key, activity in before.items() if (key.workflow_id, key.run_id) in runs
    }
    return {**unread, **after}


def _differing(before: PendingActivity, after: PendingActivity) -> tuple[str, ...]:
    if before == after:
        return ()
    return tuple(name for name in _COMPARED if getattr(before, name) != getattr(after, name))
