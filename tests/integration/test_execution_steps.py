"""What workflows of executions did, read from a real server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stigmer_ops.diagnosis import steps as reading
from stigmer_ops.diagnosis.executions import stigmer_executions
from stigmer_ops.diagnosis.steps import read_steps
from stigmer_ops.handshake.execution import StigmerExecution
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE
from stigmer_ops.temporal.frontend import Frontend
from support.frontends import frontend_of


async def only_execution(sandbox: Sandbox, fault: str) -> tuple[Frontend, StigmerExecution]:
    await sandbox.populate({fault: 1})
    frontend = await frontend_of(sandbox.stigmer_client)
    (found,) = [one async for one in stigmer_executions(frontend, started_since=None)]
    return frontend, found


async def test_closed_execution_of_go(isolated_sandbox: Sandbox) -> None:
    frontend, execution = await only_execution(isolated_sandbox, "callback-fails")
    (found,) = (await read_steps(frontend, [execution], CALLBACK_ACTIVITY_TYPE)).values()
    assert [step.activity_type for step in found.steps][:2] == ["EnsureThread", "ExecuteGraphton"]
    callback = found.steps[-1]
    assert (callback.callback, callback.outcome, callback.attempts) == (True, "FAILED", 3)
    assert callback.failure is not None
    assert callback.end_event_id > callback.scheduled_event_id > 0
    assert callback.started is not None
    assert callback.ended is not None
    assert callback.scheduled < callback.started <= callback.ended
    assert found.end is not None
    assert found.end >= callback.ended
    assert (found.cut, found.unreadable) == (False, "")


async def test_closed_execution_of_java(isolated_sandbox: Sandbox) -> None:
    frontend, execution = await only_execution(isolated_sandbox, "callback-fails-java")
    (found,) = (await read_steps(frontend, [execution], CALLBACK_ACTIVITY_TYPE)).values()
    callbacks = [step for step in found.steps if step.callback]
    assert callbacks[-1].outcome == "FAILED"
    assert callbacks[-1].failure is not None


async def test_open_execution_tells_the_attempt_that_is_pending(isolated_sandbox: Sandbox) -> None:
    frontend, execution = await only_execution(isolated_sandbox, "callback-retrying")
    (found,) = (await read_steps(frontend, [execution], CALLBACK_ACTIVITY_TYPE)).values()
    callback = found.steps[-1]
    assert callback.callback
    assert callback.outcome == ""
    assert callback.attempts > 1
    assert callback.failure is not None
    assert (found.end, found.execution.status) == (None, "RUNNING")


async def test_long_history_is_read_from_its_end(
    isolated_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend, execution = await only_execution(isolated_sandbox, "callback-fails")
    monkeypatch.setattr(reading, "MOST_EVENTS", 12)
    (found,) = (await read_steps(frontend, [execution], CALLBACK_ACTIVITY_TYPE)).values()
    assert found.cut
    assert [step.activity_type for step in found.steps][-1] == CALLBACK_ACTIVITY_TYPE
    assert "EnsureThread" not in [step.activity_type for step in found.steps]


async def test_history_that_is_gone_says_so(isolated_sandbox: Sandbox) -> None:
    frontend, execution = await only_execution(isolated_sandbox, "callback-fails")
    gone = replace(execution, workflow_id="stigmer/agent-execution/invoke/gone")
    found = await read_steps(frontend, [gone, execution], CALLBACK_ACTIVITY_TYPE)
    assert found[gone.workflow_id, gone.run_id].unreadable
    assert found[gone.workflow_id, gone.run_id].steps == ()
    assert found[execution.workflow_id, execution.run_id].steps
