from __future__ import annotations

import json

from stigmer_ops.sandbox.callback import callback_input
from stigmer_ops.stigmer.api.agentexecution_pb2 import (
    EXECUTION_PENDING,
    AgentExecution,
    AgentExecutionSpec,
    AgentExecutionStatus,
)


def test_success_carries_the_execution_as_plain_json_of_go() -> None:
    execution = AgentExecution(
        spec=AgentExecutionSpec(agent_id="agt_1", callback_token=b"\x01\x02"),
        status=AgentExecutionStatus(phase=EXECUTION_PENDING),
    )

    given = callback_input(b"\xff\xfe", result=execution)

    assert json.loads(json.dumps(given)) == {
        "CallbackToken": "//4=",
        "Result": {"spec": {"agent_id": "agt_1", "callback_token": "AQI="}, "status": {"phase": 1}},
        "Error": None,
    }


def test_failure_carries_nothing_of_the_error() -> None:
    assert callback_input(b"\x00", failed=True) == {
        "CallbackToken": "AA==",
        "Result": None,
        "Error": {},
    }
