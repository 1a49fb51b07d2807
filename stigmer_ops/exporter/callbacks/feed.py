"""Workflows in the order of a time of theirs, each once: what comes after a watermark.

Only times of the server are compared with each other, so that our own clock does not matter. A
workflow may appear in the visibility store later than others with a later time: the store is
eventually consistent, and the hosts of a cluster have a clock each. So each reading goes back
behind the watermark by an overlap, and remembers the run ids within it that were already read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from temporalio.api.workflow.v1 import WorkflowExecutionInfo

from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import (
    all_of,
    closed_since,
    is_any_of,
    list_workflows,
    not_after,
    not_before,
)

OVERLAP = timedelta(minutes=5)
"""How far behind the watermark each reading begins.

A workflow that becomes visible later than this after one with a later time is missed.
"""

BATCH = 1000
"""Workflows that are read before the state is saved, unless more of them are close together."""

Attribute = Literal["StartTime", "CloseTime"]

_SINCE: Mapping[Attribute, Callable[[datetime], str]] = {
    "StartTime": partial(not_before, "StartTime"),
    "CloseTime": closed_since,
}


@dataclass(slots=True)
class Watermark:
    """How far workflows were read.

    Attributes:
        time: Up to when, by the server's clock, UTC.
        seen: Run ids that were read, with their times: those within the overlap, and those of the
            batch under way. Their number is bounded by what happens within the overlap.
    """

    time: datetime
    seen: dict[str, datetime] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the inverse."""
        return {
            "time": self.time.isoformat(),
            "seen": {run_id: time.isoformat() for run_id, time in self.seen.items()},
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Watermark:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is something else (KeyError, TypeError and AttributeError likewise).
        """
        return cls(
            _aware(plain["time"]),
            {str(run_id): _aware(time) for run_id, time in plain["seen"].items()},
        )


def _aware(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time


@dataclass(frozen=True, slots=True)
class Listed:
    """A workflow as the visibility store has it; `time` is its `attribute`."""

    workflow_id: str
    run_id: str
    attribute: Attribute
    time: datetime

    @property
    def reading(self) -> tuple[str, Attribute]:
        """What is read: a run is read once when it started, and once when it has closed."""
        return self.run_id, self.attribute


@dataclass(frozen=True, slots=True)
class Batch:
    """Workflows that were not read yet.

    Attributes:
        workflows: In no order.
        up_to: The time up to which these are all there are; None if these are all.
        newest: The latest time among what was listed.
    """

    workflows: list[Listed]
    up_to: datetime | None
    newest: datetime | None


class Feed:
    """Lists the Stigmer workflows that come after a watermark, and moves it.

    Args:
        frontend: Stigmer's namespace.
        attribute: Which time.
        watermark: Where to begin; it is changed in place.
        overlap: See `OVERLAP`.
        batch: See `BATCH`.
    """

    def __init__(
        self,
        frontend: Frontend,
        attribute: Attribute,
        watermark: Watermark,
        *,
        overlap: timedelta = OVERLAP,
        batch: int = BATCH,
    ) -> None:
        self.watermark = watermark
        self._frontend = frontend
        self._attribute = attribute
        self._field = {"StartTime": "start_time", "CloseTime": "close_time"}[attribute]
        self._overlap = overlap
        self._batch = batch

    async def next_batch(self) -> Batch:
        """The oldest workflows after the watermark that were not read yet.

        If there are more than a batch, the span of time is halved until there are not, or it is
        hardly longer than the overlap. So a backlog is read in pieces, whatever the order of lists.

        Raises:
            StigmerOpsError: They could not be listed.
        """
        lower = self.watermark.time - self._overlap
        up_to: datetime | None = None
        limit: int | None = self._batch
        while True:
            found = await self._list(lower, up_to, limit)
            if limit is None or len(found.workflows) <= limit:
                return found
            assert found.newest is not None
            up_to = up_to or found.newest
            width = (up_to - lower) / 2
            if width <= self._overlap:
                limit = None  # no narrower, or the watermark could not move
            else:
                up_to = lower + width

    async def _list(self, lower: datetime, up_to: datetime | None, limit: int | None) -> Batch:
        query = all_of(
            is_any_of("WorkflowType", KIND_BY_WORKFLOW_TYPE),
            _SINCE[self._attribute](lower),
            None if up_to is None else not_after(self._attribute, up_to),
        )
        workflows: list[Listed] = []
        newest: datetime | None = None
        async for info in list_workflows(self._frontend, query):
            listed = self._listed(info)
            newest = max(newest or listed.time, listed.time)
            if listed.run_id not in self.watermark.seen:
                workflows.append(listed)
            if limit is not None and len(workflows) > limit:
                break
        return Batch(workflows, up_to, newest)

    def _listed(self, info: WorkflowExecutionInfo) -> Listed:
        time = moment(info, self._field)
        assert time is not None  # the query asks for it
        return Listed(info.execution.workflow_id, info.execution.run_id, self._attribute, time)

    def done(self, workflow: Listed) -> None:
        """Remember that a workflow was read, so that it is not listed again."""
        self.watermark.seen[workflow.run_id] = workflow.time

    def settle(self, batch: Batch, unread: Iterable[Listed]) -> None:
        """Move the watermark behind a batch.

        Args:
            batch: What was listed; all of it is done, but for `unread`.
            unread: What is to be listed again: it stays within the overlap.
        """
        mark = self.watermark
        reached = batch.up_to or batch.newest or mark.time
        held = min((workflow.time + self._overlap for workflow in unread), default=reached)
        mark.time = max(mark.time, min(reached, held))
        oldest = mark.time - self._overlap
        mark.seen = {run_id: time for run_id, time in mark.seen.items() if time >= oldest}
