"""A plan: what to do to which attempt of which activity, with no secret in it.

A plan is a header and rows; docs/plan.md describes the file. A row is a fence: it names run,
activity, scheduled event and attempt, and is refused if that attempt is no longer pending.

The digest of a plan is over what it does and where, not over how its file is written: JSON Lines
and YAML of the same content have the same digest.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.remedies import extension_of
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.handshake.verdicts import Action, Severity
from stigmer_ops.untrusted.json_text import harmless_json

SCHEMA_VERSION = 1
DEFAULT_FAILURE_TYPE = "ManualFailure"
"""`ApplicationFailureInfo.type` of a `fail` row that names none."""

DEFAULT_RESULT = '{"status":"completed","message":"manually completed"}'
"""The result of a `complete` row that gives none."""

_MARK_DIGITS = 12
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


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
        result: For complete: the result as JSON text; empty for `DEFAULT_RESULT`.
        message: For fail: the failure's message.
        failure_type: For fail: what the workflow may match; empty for `DEFAULT_FAILURE_TYPE`.
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
    result: str = field(default="", repr=False)
    message: str = field(default="", repr=False)
    failure_type: str = ""
    extend_by_seconds: float = 0.0
    execution_id: str = ""

    @property
    def key(self) -> ActivityKey:
        """The activity that is meant; a plan has one row for it at most."""
        return ActivityKey(self.workflow_id, self.run_id, self.activity_id)

    def as_record(self) -> dict[str, Any]:
        """The row as it stands in the file: what does not apply is left out."""
        record: dict[str, Any] = {"kind": "PlanRow"}
        for name in _ROW_FIELDS:
            if value := getattr(self, name):
                record[name] = json.loads(value) if name == "result" else value
        return record

    def canonical(self) -> bytes:
        """The row as it enters the digest: one form for everything that means the same."""
        return _CANONICAL.encode(self.as_record()).encode() + b"\n"


_ROW_FIELDS = tuple(member.name for member in fields(PlanRow))


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """For which namespace of which server the plan was made, when, and how much it will do.

    Attributes:
        namespace: Its name; the plan is refused elsewhere.
        namespace_id: Its UUID; where it is given, the plan is refused elsewhere.
        address: The frontend that was asked; for the reader only, since one server has many.
        created_time: When; None in plans that were written by hand.
        sha256: Digest of the content when the plan was made; empty if it was written by hand.
    """

    namespace: str
    namespace_id: str = ""
    address: str = ""
    created_time: datetime | None = None
    sha256: str = ""

    def as_record(self, tally: PlanTally) -> dict[str, Any]:
        """The header line, with the digest and the number of rows of each action."""
        time = self.created_time
        record = {
            "schema_version": SCHEMA_VERSION,
            "kind": "Plan",
            "namespace": self.namespace,
            "namespace_id": self.namespace_id,
            "address": self.address,
            "created_time": time and timestamp(time, "seconds"),
            "sha256": tally.sha256,
            "counts": tally.counts,
        }
        return {name: value for name, value in record.items() if value}


class PlanTally:
    """Counts rows and computes the digest of a plan, row by row.

    Attributes:
        rows: How many there were.
        by_action: How many of each action.
        by_cause: How many of each action for each verdict, as the rows name it.
    """

    def __init__(self, header: PlanHeader) -> None:
        self.rows = 0
        self.by_action: Counter[Action] = Counter()
        self.by_cause: Counter[tuple[Action, str]] = Counter()
        where = [SCHEMA_VERSION, header.namespace, header.namespace_id]
        self._digest = hashlib.sha256(json.dumps(where).encode() + b"\n")

    def add(self, row: PlanRow, canonical: bytes | None = None) -> None:
        """Count the next row."""
        self.rows += 1
        self.by_action[row.action] += 1
        self.by_cause[row.action, row.verdict] += 1
        self._digest.update(row.canonical() if canonical is None else canonical)

    @property
    def sha256(self) -> str:
        """The digest of what was counted so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def by_verdict(self) -> Counter[str]:
        """How many of each verdict."""
        counted: Counter[str] = Counter()
        for (_, verdict), count in self.by_cause.items():
            counted[verdict] += count
        return counted

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows of every action, zeros included."""
        return {action.value: self.by_action[action] for action in Action}


def mark_of(sha256: str) -> str:
    """What the identity of every write of a plan ends in, so that histories tell the plan."""
    return f" plan:{sha256[:_MARK_DIGITS]}"


def planned(diagnoses: Iterable[Diagnosis]) -> Iterator[PlanRow]:
    """A row for every activity whose verdict asks for attention; `skip` rows are for the reader."""
    for diagnosis in diagnoses:
        verdict, activity = diagnosis.verdict, diagnosis.activity
        if verdict.severity is Severity.OK:
            continue
        action = diagnosis.action
        yield PlanRow(
            action=action,
            workflow_id=activity.workflow_id,
            run_id=activity.run_id,
            activity_id=activity.activity_id,
            attempt=activity.attempt,
            scheduled_event_id=diagnosis.scheduled_event_id,
            verdict=verdict.id,
            message=verdict.title if action is Action.FAIL else "",
            extend_by_seconds=extension_of(activity).total_seconds()
            if action is Action.EXTEND
            else 0.0,
            execution_id=_execution_id(diagnosis) if action is Action.REDELIVER else "",
        )


def _execution_id(diagnosis: Diagnosis) -> str:
    execution = diagnosis.deliverable or next(iter(diagnosis.executions), None)
    return execution.execution_id if execution else ""


def plan_lines(header: PlanHeader, rows: Sequence[PlanRow]) -> Iterator[str]:
    """The file as JSON Lines, line by line."""
    tally = PlanTally(header)
    for row in rows:
        tally.add(row)
    yield line_of(header.as_record(tally))
    for row in rows:
        yield line_of(row.as_record())


def line_of(record: dict[str, Any]) -> str:
    """A record as a line of the file, in which nothing is left that a terminal would obey."""
    return harmless_json(json.dumps(record, ensure_ascii=False)) + "\n"
