"""Plans of writes as values."""

from __future__ import annotations

from typing import Any

from stigmer_ops.handshake.activity import Timeouts
from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.shape import ResultShape
from stigmer_ops.handshake.write_plan import (
    FailureContent,
    Fencing,
    ResultContent,
    WritePlan,
)
from support.activities import HOUR, NAMESPACE_ID, NOW, RUN_ID, pending

RESULT = ResultContent(
    text='{"token": "s3cret"}',
    sha256="ab" * 32,
    size_bytes=19,
    encoded_bytes=44,
    shape=ResultShape("json/plain", "json/plain", json_type="object"),
)
FAILURE = FailureContent("s3cret: the agent is gone", "AgentGone", retryable=False)
EXTENSION = TimeoutChange(
    before=Timeouts(start_to_close=24 * HOUR),
    after=Timeouts(start_to_close=26 * HOUR),
    deadline_before=NOW + 22 * HOUR,
    deadline=NOW + 24 * HOUR,
)


def plan(
    change: ResultContent | FailureContent | TimeoutChange,
    *,
    fencing: Fencing = Fencing.SERVER,
    reason: str = "INC-7 the agent is gone",
    worker_token: bytes = b"",
    **activity: Any,
) -> WritePlan:
    """A write to `support.activities.pending`, with some of its fields changed."""
    written = pending(workflow_type="OrderWorkflow", **activity)
    return WritePlan(
        server_address="127.0.0.1:7233",
        namespace="default",
        activity=written,
        fence=AttemptFence(
            NAMESPACE_ID,
            written.workflow_id,
            RUN_ID,
            written.activity_id,
            scheduled_event_id=5 if written.workflow_id else 0,
            attempt=written.attempt,
            worker_token=worker_token,
        ),
        change=change,
        fencing=fencing,
        identity="stigmer-ops:alice@bastion-1 INC-7",
        reason=reason,
    )
