"""What a maintenance window is: its kind, its times, what is done for it, and whom that needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from stigmer_ops.audit import AuditTrail
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.monitoring.alertmanager import Alertmanager
from stigmer_ops.procedures.apply.run import Operator
from stigmer_ops.procedures.kubectl import Kubectl
from stigmer_ops.settings import Settings


class Kind(StrEnum):
    """What is maintained."""

    STIGMER = "stigmer"
    TEMPORAL = "temporal"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class KindOfWindow:
    """What is special about maintaining something.

    Attributes:
        kind: What.
        effect: What it does to activities that wait, in a sentence.
        scales_to_zero: Whether Stigmer is scaled to zero unless that is declined.
    """

    kind: Kind
    effect: str
    scales_to_zero: bool = False


KINDS = {
    each.kind: each
    for each in (
        KindOfWindow(
            Kind.STIGMER,
            "Stigmer is restarted or replaced: activities go on waiting, callbacks come later",
        ),
        KindOfWindow(
            Kind.TEMPORAL,
            "Temporal is restarted: callbacks are retried, and their error rate rises meanwhile",
        ),
        KindOfWindow(
            Kind.EXTENDED,
            "Stigmer is down for long: nothing is completed until it is back",
            scales_to_zero=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Window:
    """One maintenance window, as it was asked for.

    Attributes:
        kind: What is maintained.
        begin: From when.
        end: Until when at the latest.
        margin: How long after its end no activity of the snapshot may time out yet.
        throttle: Tasks a second that the throttled queues hand out at most; None for no throttle.
        throttled_queues: Names of those queues.
        scale_to_zero: Whether the deployments are scaled to zero.
        reason: Why, in the operator's words.
    """

    kind: Kind
    begin: datetime
    end: datetime
    margin: timedelta
    throttle: float | None = None
    throttled_queues: tuple[str, ...] = ()
    scale_to_zero: bool = False
    reason: str = ""

    @property
    def until(self) -> datetime:
        """Before this moment no activity of the snapshot may time out."""
        return self.end + self.margin

    def as_record(self) -> dict[str, Any]:
        """The window as a journal keeps it."""
        return {
            "kind": self.kind.value,
            "begin": timestamp(self.begin),
            "end": timestamp(self.end),
            "margin_seconds": self.margin.total_seconds(),
            "throttle": self.throttle,
            "throttled_queues": list(self.throttled_queues),
            "scale_to_zero": self.scale_to_zero,
            "reason": self.reason,
        }

    def differs_from(self, other: Window) -> list[str]:
        """In what another command line asked for another window; its times count by length."""
        mine, theirs = self._asked(), other._asked()
        return [name for name, value in mine.items() if value != theirs[name]]

    def _asked(self) -> dict[str, Any]:
        return {
            "--kind": self.kind,
            "--for": self.end - self.begin,
            "--margin": self.margin,
            "--throttle": self.throttle,
            "--throttle-queue": self.throttled_queues,
            "--scale-to-zero": self.scale_to_zero,
        }


def window_of(record: dict[str, Any]) -> Window:
    """The window that a journal keeps."""
    return Window(
        kind=Kind(record["kind"]),
        begin=datetime.fromisoformat(record["begin"]),
        end=datetime.fromisoformat(record["end"]),
        margin=timedelta(seconds=record["margin_seconds"]),
        throttle=record["throttle"],
        throttled_queues=tuple(record["throttled_queues"]),
        scale_to_zero=record["scale_to_zero"],
        reason=record["reason"],
    )


@dataclass(frozen=True)
class World:
    """Whom and what the steps of a window need.

    Attributes:
        window: The window.
        systems: Both sides of the handshake.
        settings: For queues, types and thresholds.
        selection: Which pending activities are external.
        operator: Who, and why.
        trail: The audit.
        now: The clock.
        alertmanager: Where alerts are silenced; None where none is configured.
        kubectl: For the deployments.
        patience: How long `end` waits for workers to poll again.
    """

    window: Window
    systems: Systems
    settings: Settings
    selection: Selection
    operator: Operator
    trail: AuditTrail
    now: Callable[[], datetime]
    alertmanager: Alertmanager | None
    kubectl: Kubectl
    patience: timedelta = timedelta(minutes=5)
