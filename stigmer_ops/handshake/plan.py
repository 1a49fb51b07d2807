"""A plan: what to do to which attempt of which activity, as JSON Lines, with no secret in it.

The first line is the header, every further line a row; the format is described by
docs/plan.schema.json. A row is a fence: it names run, activity, scheduled event and attempt, and is
refused if that attempt is no longer pending.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.verdicts import Action, Severity

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One activity and what to do to it.

    Attributes:
        action: complete, fail, redeliver, extend or skip.
        workflow_id: Empty for a standalone activity.
        run_id: The run that was looked at.
        activity_id: Within that run.
        scheduled_event_id: Of the ActivityTaskScheduled event; 0 if it is yet to be read.
        attempt: The attempt that was looked at.
        verdict: Why, as the id of a verdict; free for plans written by hand.
        message: For fail: the failure's message.
        extend_by_seconds: For extend.
        execution_id: For redeliver: whose result or failure to deliver.
    """

    action: Action
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    scheduled_event_id: int = 0
    verdict: str = ""
    message: str = ""
    extend_by_seconds: float = 0.0
    execution_id: str = ""

    def as_record(self) -> dict[str, Any]:
        """The row as it stands in the file: what does not apply is left out."""
        return {"kind": "PlanRow", **{name: value for name, value in asdict(self).items() if value}}


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """For which namespace of which server the plan was made, when, and how much it will do."""

    namespace: str
    namespace_id: str
    address: str
    created_time: datetime

    def as_record(self, rows: Sequence[PlanRow]) -> dict[str, Any]:
        """The header line, with the number of rows of each action."""
        counts = Counter(row.action.value for row in rows)
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "Plan",
            "namespace": self.namespace,
            "namespace_id": self.namespace_id,
            "address": self.address,
            "created_time": self.created_time.astimezone(UTC)
            .isoformat(timespec="seconds")
            .replace("+00:00", "Z"),
            "counts": {action.value: counts[action.value] for action in Action},
        }


def planned(diagnoses: Iterable[Diagnosis], *, extend_by_seconds: float) -> Iterator[PlanRow]:
    """A row for every activity whose verdict asks for attention; `skip` rows are for the reader."""
    for diagnosis in diagnoses:
        verdict, activity = diagnosis.verdict, diagnosis.activity
        if verdict.severity is Severity.OK:
            continue
        action = verdict.action
        yield PlanRow(
            action=action,
            workflow_id=activity.workflow_id,
            run_id=activity.run_id,
            activity_id=activity.activity_id,
            attempt=activity.attempt,
            scheduled_event_id=diagnosis.scheduled_event_id,
            verdict=verdict.id,
            message=verdict.title if action is Action.FAIL else "",
            extend_by_seconds=extend_by_seconds if action is Action.EXTEND else 0.0,
            execution_id=_execution_id(diagnosis) if action is Action.REDELIVER else "",
        )


def _execution_id(diagnosis: Diagnosis) -> str:
    return diagnosis.executions[0].execution_id if diagnosis.executions else ""


def plan_lines(header: PlanHeader, rows: Sequence[PlanRow]) -> Iterator[str]:
    """The file, line by line."""
    for record in (header.as_record(rows), *(row.as_record() for row in rows)):
        yield json.dumps(record, ensure_ascii=False) + "\n"
