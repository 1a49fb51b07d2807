"""What stands in the way of a deployment is found by its check, on a real server."""

from __future__ import annotations

from pathlib import Path

from stigmer_ops.cli.check import access_of
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common, Connection
from stigmer_ops.procedures.checks.check import CheckResult, Fail, Ok, Result, Skip
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.deployment import KNOWN_MESSAGES, judged_messages
from stigmer_ops.procedures.checks.registry import CHECKS
from stigmer_ops.procedures.checks.runner import run_checks, select
from stigmer_ops.render.check import Silent
from stigmer_ops.sandbox.sandbox import Sandbox


async def results(sandbox: Sandbox, folder: Path, **variables: str) -> dict[str, CheckResult]:
    environment = {
        **sandbox.environment(),
        "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
        **variables,
    }
    access = access_of(Invocation(Common(), environment), Connection())
    selected = select(CHECKS, categories=frozenset({"deployment"}))
    async with CheckContext.opened(access) as context:
        run = await run_checks(selected, context, observer=Silent())
    return {one.check.id: one for one in run.results if one.check.category.id == "deployment"}


async def test_nothing_is_in_the_way(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    found = await results(isolated_sandbox, tmp_path, STIGMER_OPS_KUBERNETES_ROLLOUT_TIMEOUT="10s")
    assert {id: one.result for id, one in found.items()} == {
        "callbacks-settled": Result.OK,
        "deadlines-after-rollout": Result.OK,
        "messages-known": Result.OK,
    }
    assert found["deadlines-after-rollout"].detail == "waiting: 2"
    assert found["messages-known"].detail == "ai.stigmer.agentic.agentexecution.v1.AgentExecution"


async def test_callback_that_is_tried_again_is_found(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    (handshake,) = await isolated_sandbox.populate({"callback-retrying": 1})
    found = await results(isolated_sandbox, tmp_path)
    callbacks = found["callbacks-settled"]
    assert callbacks.result is Result.FAILED
    assert callbacks.detail.startswith("callbacks that failed and are tried again: stigmer/agent")
    assert handshake.workflow_id not in callbacks.detail


async def test_deadline_within_the_rollout_is_found(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    (handshake,) = await isolated_sandbox.populate({"still-running": 1})
    # A day of the sandbox is 24 minutes.
    found = await results(isolated_sandbox, tmp_path, STIGMER_OPS_KUBERNETES_ROLLOUT_TIMEOUT="25m")
    deadlines = found["deadlines-after-rollout"]
    assert deadlines.result is Result.FAILED
    assert deadlines.detail == f"time out within 25m: {handshake.workflow_id}"


def test_messages_of_another_api_are_no_go() -> None:
    assert judged_messages(KNOWN_MESSAGES) == Ok(", ".join(sorted(KNOWN_MESSAGES)))
    assert isinstance(judged_messages(frozenset()), Skip)
    outcome = judged_messages(KNOWN_MESSAGES | {"ai.stigmer.agentic.agentexecution.v2.AgentRun"})
    assert outcome == Fail("executions hold ai.stigmer.agentic.agentexecution.v2.AgentRun")
