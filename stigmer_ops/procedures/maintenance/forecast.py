"""What a window would do to an activity that waits: pure, from what was read of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.procedures.maintenance.window import Window

_LATEST = timedelta(seconds=1)
"""How long before the end of its workflow an activity may time out at the latest: timeouts are
whole seconds, and one that reached beyond the workflow would not be what it says."""


class Fate(StrEnum):
    """What becomes of an activity if nobody does anything."""

    SAFE = "safe"
    """Its deadline is after the window and its margin, or it has none."""
    EXPIRES = "expires"
    """It would time out within the window or its margin."""
    PAUSED_EXPIRES = "paused-expires"
    """It is paused, and would time out as soon as it is unpaused after its deadline, which lies
    within the window or its margin: while an activity is paused, its timers are only put off."""
    PAUSED_OVERDUE = "paused-overdue"
    """It is paused, its deadline is past, and it times out the moment it is unpaused."""
    WORKFLOW_ENDS = "workflow-ends"
    """Its workflow itself times out within the window, and a run timeout cannot be changed."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would become of an activity, and what helps.

    Attributes:
        activity: The activity.
        fate: What becomes of it.
        deadline: When it times out as it is; None if never.
        extend_to: To when its deadline is to be moved; None if that is not needed, or no use.
    """

    activity: PendingActivity
    fate: Fate
    deadline: datetime | None = None
    extend_to: datetime | None = None


def forecast(activity: PendingActivity, window: Window, now: datetime) -> Forecast:
    """What becomes of `activity` in `window`."""
    deadline = activity.deadline
    ends = activity.workflow_expiration_time
    target = window.until if ends is None else min(window.until, ends - _LATEST)
    time = None if deadline is None else deadline.time
    extend_to = target if time is not None and time < target else None
    if ends is not None and ends <= window.end:
        fate = Fate.WORKFLOW_ENDS
    elif extend_to is None:
        fate = Fate.SAFE
    elif not activity.paused:
        fate = Fate.EXPIRES
    else:
        fate = Fate.PAUSED_OVERDUE if time is not None and time <= now else Fate.PAUSED_EXPIRES
    return Forecast(activity, fate, time, extend_to)


@dataclass(slots=True)
class Outlook:
    """The forecasts of all activities, counted; those that are not safe are kept.

    Attributes:
        fates: How many there are of each.
        to_extend: How many deadlines are to be moved.
        endangered: The forecasts of those that are not safe, as they were found.
    """

    fates: Counter[Fate] = field(default_factory=Counter)
    to_extend: int = 0
    endangered: list[Forecast] = field(default_factory=list)

    def add(self, found: Forecast) -> None:
        """Count one."""
        self.fates[found.fate] += 1
        self.to_extend += found.extend_to is not None
        if found.fate is not Fate.SAFE:
            self.endangered.append(found)

    @property
    def activities(self) -> int:
        """How many there are."""
        return self.fates.total()

    @property
    def obstacles(self) -> list[str]:
        """What speaks against the window, since `begin` cannot help it."""
        lost = self.fates[Fate.WORKFLOW_ENDS]
        if not lost:
            return []
        they = "activity's workflow times" if lost == 1 else "activities' workflows time"
        return [f"{lost:,} {they} out within the window, which nothing can put off"]
