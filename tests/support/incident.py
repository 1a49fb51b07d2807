"""Reports of incidents made by hand, for tests of how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from stigmer_ops.audit import AuditRecord, Intent, Outcome, RecordedOperation, Result, Target
from stigmer_ops.diagnosis.steps import RunKey
from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.case import Confidence, Diagnosis, Evidence
from stigmer_ops.handshake.execution import (
    Claim,
    ExecutionKind,
    StigmerExecution,
    TokenState,
)
from stigmer_ops.handshake.summary import Summary
from stigmer_ops.handshake.timeline import ExecutionSteps
from stigmer_ops.handshake.verdicts import CALLBACK_FAILED, Verdict
from stigmer_ops.monitoring.loaded_rules import ActiveAlert
from stigmer_ops.procedures.checks.check import CheckResult
from stigmer_ops.procedures.checks.check import Result as CheckOutcome
from stigmer_ops.procedures.checks.registry import CHECKS
from stigmer_ops.procedures.escalation.situation import Situation
from stigmer_ops.procedures.incident.actions import Actions, Trail
from stigmer_ops.procedures.incident.report import IncidentReport, groups_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR


def execution(
    text: str = "aex-1", *, status: str = "FAILED", began: timedelta = HOUR
) -> StigmerExecution:
    start = NOW - began
    kind = ExecutionKind.AGENT
    return StigmerExecution(
        execution_id=text,
        kind=kind,
        workflow_id=kind.workflow_id(text),
        run_id=f"run-of-{text}",
        status=status,
        task_queue="agent_execution_stigmer",
        claim=Claim(TokenState.WHOLE, workflow_id="order-1", attempt=1, scheduled_event_id=5),
        start_time=start,
        close_time=None if status == "RUNNING" else start + timedelta(minutes=2),
    )


def diagnosis(
    verdict: Verdict = CALLBACK_FAILED,
    text: str = "order-1",
    *,
    age: timedelta = 2 * HOUR,
    executions: Sequence[StigmerExecution] = (),
    fact: str = "",
    **more: Any,
) -> Diagnosis:
    activity = PendingActivity(
        namespace="orders",
        workflow_id=text,
        run_id="run-1",
        activity_id="5",
        **{
            "activity_type": "CallAgentActivity",
            "state": ActivityState.STARTED,
            "attempt": 1,
            "scheduled_time": NOW - age,
            "last_started_time": NOW - age,
            "timeouts": Timeouts(start_to_close=DAY),
            **more,
        },
    )
    evidence = (Evidence(fact or f"it failed: {text}", text, "run-1", 7, NOW - age),)
    return Diagnosis(activity, verdict, Confidence.PROVED, evidence, executions=tuple(executions))


def operation(text: str = "INC-1", *, proof: int | None = 9) -> RecordedOperation:
    intent = Intent(
        command="activity redeliver",
        operator="alice",
        host="bastion",
        identity="stigmer-ops:alice@bastion INC-1",
        reason=text,
        namespace="orders",
        server_address="temporal:7233",
        target=Target(workflow_id=text, run_id="run-1", activity_id="5", attempt=1),
    )
    outcome = None if proof is None else Outcome(result=Result.DONE, proof_event_id=proof)
    record = AuditRecord(
        sequence=1,
        time=NOW - HOUR,
        operation_id=UUID(int=1),
        intent=intent,
        outcome=outcome,
        previous="0" * 64,
    )
    return RecordedOperation(record, replace(record, outcome=None))


def alert(text: str = "StigmerExternalActivityStuck") -> ActiveAlert:
    labels = {"severity": "critical"}
    return ActiveAlert(text, "firing", NOW - HOUR, 1.0, labels, {"summary": text})


def check(text: str = "nobody listens") -> CheckResult:
    return CheckResult(CHECKS[0], CheckOutcome.FAILED, text, "do this", "check-failed")


def incident(
    diagnoses: Sequence[Diagnosis] = (),
    *,
    steps: Mapping[RunKey, ExecutionSteps] | None = None,
    checks: Sequence[CheckResult] = (),
    alerts: tuple[ActiveAlert, ...] | None = (),
    operations: Sequence[RecordedOperation] = (),
    gaps: Sequence[str] = (),
    namespace: str = "orders",
    each: int = 5,
    **more: Any,
) -> IncidentReport:
    """A report of these."""
    groups = groups_of(diagnoses, steps or {}, NOW, each=each)
    ages, stuck = Summary(NOW), Summary(NOW)
    for one in diagnoses:
        ages.add(one.activity)
        if one.verdict.stuck:
            stuck.add(one.activity)
    situation = Situation(
        NOW,
        namespace,
        failed=tuple(checks),
        diagnoses=tuple(diagnoses),
        alerts=alerts,
        gaps=tuple(gaps),
    )
    return IncidentReport(
        situation=situation,
        checks=tuple(checks),
        groups=groups,
        healthy=len(diagnoses) - sum(group.count for group in groups),
        ages=ages,
        stuck_ages=stuck,
        actions=Actions(
            NOW - DAY, tuple(operations), trails=(Trail(Path("/audit.jsonl"), head="ab" * 32),)
        ),
        **{"address": "temporal:7233", "prometheus": "http://prometheus:9090", **more},
    )
