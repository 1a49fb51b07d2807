"""Activities and executions as values, for tests of what is concluded from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.case import Expectations
from stigmer_ops.handshake.execution import (
    Claim,
    ExecutionKind,
    StigmerExecution,
    TokenState,
)

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMESPACE_ID = "0fb1e9ae-9a3f-4d5c-8f2b-3f8c1c1f2a77"
RUN_ID = "6a1d6e2e-4c6b-4b9e-9b61-0d0a6f0c7a11"
EXPECTED = Expectations(now=NOW, namespace_id=NAMESPACE_ID)


def pending(**changes: Any) -> PendingActivity:
    """A safely configured external activity that started two hours ago."""
    started = NOW - 2 * HOUR
    activity = PendingActivity(
        namespace="default",
        workflow_id="order-42",
        run_id=RUN_ID,
        activity_id="5",
        activity_type="CallAgentActivity",
        state=ActivityState.STARTED,
        attempt=1,
        task_queue="zigflow_execution",
        scheduled_time=started,
        last_started_time=started,
        timeouts=Timeouts(start_to_close=24 * HOUR),
        maximum_attempts=1,
    )
    return replace(activity, **changes)


def claim(**changes: Any) -> Claim:
    """A whole token of the current attempt of `pending()`."""
    whole = Claim(
        TokenState.WHOLE,
        fingerprint="sha256:0123456789abcdef",
        namespace_id=NAMESPACE_ID,
        workflow_id="order-42",
        run_id=RUN_ID,
        activity_id="5",
        scheduled_event_id=5,
        attempt=1,
    )
    return replace(whole, **changes)


def execution(**changes: Any) -> StigmerExecution:
    """A running agent execution that holds `claim()`."""
    running = StigmerExecution(
        execution_id="aex-1",
        kind=ExecutionKind.AGENT,
        workflow_id=ExecutionKind.AGENT.workflow_id("aex-1"),
        run_id="11111111-1111-4111-8111-111111111111",
        status="RUNNING",
        task_queue="agent_execution_stigmer",
        claim=claim(),
        start_time=NOW - 2 * HOUR + timedelta(seconds=1),
        runner_task_queue="agent_execution_runner",
    )
    return replace(running, **changes)
