"""What the Stigmer service says of an execution becomes a result, or is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stigmer_ops.errors import RefusedError
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Edition, ExecutionKind, StigmerExecution
from stigmer_ops.procedures.redelivery import completed
from stigmer_ops.stigmer.api import workflowexecution_pb2
from stigmer_ops.stigmer.service import ExecutionStatus
from support.task_tokens import SECOND_ATTEMPT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EXECUTION = StigmerExecution(
    execution_id="wex_1",
    kind=ExecutionKind.WORKFLOW,
    workflow_id="stigmer/workflow-execution/invoke/wex_1",
    run_id="run-1",
    status="COMPLETED",
    task_queue="workflow_execution_stigmer",
    claim=claim_of(SECOND_ATTEMPT),
    start_time=NOW,
    close_time=NOW,
    runner_task_queue="",
    run_timeout=None,
)


def said(number: float) -> ExecutionStatus:
    message = workflowexecution_pb2.WorkflowExecution()
    message.spec.callback_token = SECOND_ATTEMPT
    message.status.output.fields["answer"].number_value = number
    return ExecutionStatus("EXECUTION_COMPLETED", "", "", "", message)


@pytest.mark.parametrize("edition", [Edition.GO, Edition.JAVA, None])
def test_result_is_shown_without_the_token(edition: Edition | None) -> None:
    text = completed(EXECUTION, edition, said(42.0)).text
    assert json.loads(text)["status"]["output"] == {"answer": 42.0}
    assert "(task token)" in text


@pytest.mark.parametrize("edition", [Edition.GO, Edition.JAVA, None])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_number_that_json_does_not_have_is_refused(edition: Edition | None, number: float) -> None:
    with pytest.raises(RefusedError, match="wex_1 has a result that JSON cannot hold"):
        completed(EXECUTION, edition, said(number))
