"""Plans carried out on a real server: what each row becomes, and what the histories then show."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from stigmer_ops.audit import AuditRecord, read_operations
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.errors import ExitCode, InputError
from stigmer_ops.handshake.plan import PlanHeader, PlanRow
from stigmer_ops.handshake.plan_outcome import RowState, exit_code
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.procedures.apply.journal import journal_path, read_journal
from stigmer_ops.procedures.apply.report import counted
from stigmer_ops.procedures.apply.verification import verify_plan
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.frontend import Frontend
from support.audit import records
from support.awaiting import Awaiting, names
from support.hand_worker import HandWorker, unique
from support.plans import Applied, applied, written_plan

DONE, ALREADY, REFUSED, FAILED = (
    RowState.DONE,
    RowState.ALREADY_DONE,
    RowState.REFUSED,
    RowState.FAILED,
)
SKIPPED, NOT_TRIED, WOULD = RowState.SKIPPED, RowState.NOT_TRIED, RowState.WOULD_BE_DONE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.jsonl"


async def events(client: Client, workflow_id: str, kind: str) -> list[Any]:
    """Attributes of the events of one kind in a history."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    name = f"{kind}_event_attributes"
    return [getattr(event, name) for event in history.events if event.HasField(name)]  # type: ignore[arg-type] # the field's own name


def audited(path: Path) -> list[AuditRecord]:
    return records(path.with_name("audit.jsonl"))


def journaled(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal_path(path).read_text().splitlines()]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


async def test_rows_are_done_proved_and_recorded(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    done, failed, skipped = await population.start(names(3))
    rows = [
        population.row(done, result='{"answer":42}'),
        population.row(failed, Action.FAIL, failure_type="AgentGone"),
        population.row(skipped, Action.SKIP),
    ]
    mark = await written_plan(path, frontend, rows)

    finished = await applied(path, frontend)

    assert finished.states == [DONE, DONE, SKIPPED]
    assert await population.client.get_workflow_handle(done).result() == {"answer": 42}
    (completed,) = await events(population.client, done, "activity_task_completed")
    assert completed.identity == f"stigmer-ops:alice@bastion-1 INC-7{mark}"
    (failure,) = await events(population.client, failed, "activity_task_failed")
    assert failure.failure.application_failure_info.type == "AgentGone"
    assert failure.failure.application_failure_info.non_retryable
    assert await events(population.client, skipped, "activity_task_completed") == []
    outcomes = [record.outcome.result for record in audited(path) if record.outcome]
    assert outcomes == ["done", "done"]
    assert {record.intent.parameters.plan_sha256 for record in audited(path)} == {
        finished_sha256(path)
    }


def finished_sha256(path: Path) -> str:
    with open_plan(path) as plan:
        return plan.sha256


async def test_what_is_not_as_planned_is_refused_and_told(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    retried, finished, terminated, gone = await population.start(names(4))
    rows = [population.row(name) for name in (retried, finished, terminated, gone)]
    rows[3] = population.row(gone, run_id="01936c5e-1a53-7000-8000-000000000001")
    await written_plan(path, frontend, rows)
    await population.retry(retried)
    handle = population.client.get_async_activity_handle(task_token=population.tokens[finished, 1])
    await handle.complete("by the agent")
    await population.client.get_workflow_handle(terminated).terminate("maintenance")

    result = await applied(path, frontend)

    assert result.states == [REFUSED, ALREADY, REFUSED, REFUSED]
    said = result.outcomes
    assert "the activity is now at attempt 2 (STARTED)" in said[0].detail
    assert (said[1].detail, said[1].event_id > 0) == ("the activity is COMPLETED", True)
    assert said[1].by == population.client.identity
    assert said[1].time is not None
    assert "TERMINATED" in said[2].detail
    assert "there is no run" in said[3].detail
    assert result.standing.errors == 3
    assert await events(population.client, retried, "activity_task_completed") == []


async def test_activity_that_was_not_started_is_done_when_it_has(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    worker = HandWorker(population.client)
    await worker.start_workflow()
    await worker.schedule()
    row = PlanRow(Action.COMPLETE, worker.workflow_id, worker.run_id, "1", 1, 5)
    await written_plan(path, frontend, [row])

    early = await applied(path, frontend, limits=Limits(canary=0))
    await worker.take()
    later = await applied(path, frontend, limits=Limits(canary=0))

    assert early.states == [FAILED]
    assert "never started" in early.outcomes[0].detail
    assert later.states == [DONE]


async def test_run_resumes_where_it_stopped(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    started = await population.start(names(6))
    await written_plan(path, frontend, map(population.row, started))

    first = await applied(path, frontend, limits=Limits(maximum=2))
    calls = frontend.calls.copy()
    second = await applied(path, frontend)
    third = await applied(path, frontend)

    assert (first.standing.tried, first.states.count(NOT_TRIED)) == (2, 4)
    assert "--max" in first.standing.stopped
    assert second.standing.tried == 4
    completions = frontend.calls["respond_activity_task_completed"]
    assert completions - calls["respond_activity_task_completed"] == 4
    assert third.standing.tried == 0
    assert third.states == [DONE] * 6


async def test_row_in_doubt_is_looked_at_before_it_is_sent_again(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    started = await population.start(names(2))
    await written_plan(path, frontend, map(population.row, started))
    await applied(path, frontend, limits=Limits(maximum=1))
    intents = [line for line in journaled(path) if line["kind"] == "RowIntent"]
    unsent = {**intents[0], "row": 2, "operation_id": "00000000-0000-4000-8000-000000000002"}
    kept = [line for line in journaled(path) if "outcome" not in line]
    write_lines(journal_path(path), [*kept, unsent])
    calls = frontend.calls["respond_activity_task_completed"]

    resumed = await applied(path, frontend)

    assert resumed.states == [DONE, DONE]
    assert frontend.calls["respond_activity_task_completed"] - calls == 1
    assert resumed.outcomes[0].event_id > 0
    operations = {str(record.operation_id) for record in audited(path)}
    assert operations == {intents[0]["operation_id"], unsent["operation_id"]}
    for name in started:
        assert len(await events(population.client, name, "activity_task_completed")) == 1


async def test_too_many_errors_stop_the_run(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    (name,) = await population.start(names(1))
    rows = [
        population.row(name, workflow_id=f"{name}-{number}", scheduled_event_id=5)
        for number in range(60)
    ]
    await written_plan(path, frontend, rows)

    stopped = await applied(path, frontend, limits=Limits(concurrency=2))

    assert "were refused or failed: more than 20 %" in stopped.standing.stopped
    assert 20 <= stopped.states.count(REFUSED) <= 30
    assert stopped.states.count(NOT_TRIED) >= 30


async def test_dry_run_reads_everything_and_sends_nothing(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    pending, retried = await population.start(names(2))
    await population.retry(retried)
    await written_plan(path, frontend, map(population.row, (pending, retried)))

    dry = await applied(path, frontend, dry_run=True)

    assert dry.states == [WOULD, REFUSED]
    assert not [call for call in frontend.calls if call.startswith("respond")]
    assert not journal_path(path).exists()
    assert not path.with_name("audit.jsonl").exists()
    again = await applied(path, frontend)
    assert again.states == [DONE, REFUSED]


async def test_scheduled_event_of_an_edited_plan_is_checked(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    first, second = await population.start(names(2))
    header = PlanHeader(frontend.namespace, await frontend.namespace_id())
    rows = [population.row(first, scheduled_event_id=9), population.row(second)]
    lines = [{"schema_version": 1, "kind": "Plan", "namespace": header.namespace}]
    lines += [row.as_record() for row in rows]
    del lines[2]["scheduled_event_id"]
    write_lines(path, lines)

    result = await applied(path, frontend)

    assert result.states == [REFUSED, DONE]
    assert "event 9 is not the one that scheduled activity 5" in result.outcomes[0].detail


async def test_extension_is_made_once_however_often_it_is_applied(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    (name,) = await population.start(names(1))
    row = population.row(name, Action.EXTEND, extend_by_seconds=3600.0, scheduled_event_id=0)
    await written_plan(path, frontend, [row])

    first = await applied(path, frontend)
    write_lines(journal_path(path), [each for each in journaled(path) if "outcome" not in each])
    second = await applied(path, frontend)

    assert (first.states, second.states) == ([DONE], [DONE])
    workflow = await describe_workflow(frontend, name, "")
    assert workflow.pending[0].timeouts.start_to_close == timedelta(hours=25)
    assert frontend.calls["update_activity_options"] == 1
    (operation,) = read_operations(path.with_name("audit.jsonl"), wanted=lambda _: True).operations
    asked = operation.asked.intent.parameters
    assert asked.start_to_close_timeout_before == timedelta(hours=24)
    assert asked.start_to_close_timeout == timedelta(hours=25)


async def test_extension_costs_three_calls_and_of_a_later_attempt_its_history(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    started = await population.start(names(4))
    limited = await population.start(names(1), schedule_to_close=3600.0)
    await population.retry(limited[0])
    rows = [
        population.row(name, Action.EXTEND, extend_by_seconds=3600.0, scheduled_event_id=0)
        for name in (*started, *limited)
    ]
    rows[-1] = replace(rows[-1], attempt=2)
    await written_plan(path, frontend, rows[:-1])
    await applied(path, frontend)
    first = frontend.calls.copy()
    last = path.with_name("last.jsonl")
    await written_plan(last, frontend, rows[-1:])
    finished = await applied(last, frontend)

    assert first["update_activity_options"] == 4
    assert first["describe_workflow_execution"] == 8
    assert not [call for call in first if "history" in call]
    assert finished.states == [DONE]
    workflow = await describe_workflow(frontend, limited[0], "")
    assert workflow.pending[0].timeouts.schedule_to_close == timedelta(hours=2)


async def test_extension_of_an_attempt_without_a_deadline_has_an_outcome_of_its_own(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    extendable = await population.start(names(1))
    unlimited = HandWorker(population.client)
    await unlimited.start_workflow()
    await unlimited.schedule()  # not taken, so that nothing but its workflow could time it out
    row = population.row(
        extendable[0], Action.EXTEND, extend_by_seconds=3600.0, scheduled_event_id=0
    )
    hopeless = replace(
        row, workflow_id=unlimited.workflow_id, run_id=unlimited.run_id, activity_id="1"
    )
    rows = [hopeless, row]
    await written_plan(path, frontend, rows)

    dry = await applied(path, frontend, dry_run=True)
    real = await applied(path, frontend)

    assert dry.states == [RowState.NOT_EXTENDABLE, WOULD]
    assert real.states == [RowState.NOT_EXTENDABLE, DONE]
    assert "no timeout runs for it" in real.outcomes[0].detail
    assert real.standing.errors == 0
    assert (await applied(path, frontend)).standing.tried == 0
    with open_plan(path) as plan, read_journal(plan) as journal:
        assert exit_code(counted(plan, journal)) is ExitCode.REFUSED
        checks = [each async for each in verify_plan(plan, journal, Systems(frontend, frontend))]
    findings = {check.numbered.number: check.finding for check in checks}
    assert findings[1].startswith("not done: no timeout runs for it")
    assert findings[2] == ""


async def test_standalone_activity_is_completed(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    worker = HandWorker(population.client)
    worker.workflow_id = unique("standalone")
    await worker.start_standalone(worker.workflow_id)
    await worker.take()
    row = PlanRow(Action.COMPLETE, "", worker.run_id, worker.workflow_id, 1)
    await written_plan(path, frontend, [row])

    result: Applied = await applied(path, frontend)

    assert result.states == [DONE]
    assert (await applied(path, frontend)).standing.tried == 0


async def test_result_that_the_namespace_does_not_take_is_an_error_with_its_line(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    (name,) = await population.start(names(1))
    await written_plan(path, frontend, [population.row(name, result=json.dumps("x" * 3000))])

    with (
        pytest.raises(InputError, match=r"plan.jsonl:2: result has 3002 bytes"),
        open_plan(path, result_limit=2048),
    ):
        pytest.fail("it was opened")


async def test_clock_that_jumps_changes_nothing(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    started = await population.start(names(4))
    await written_plan(path, frontend, map(population.row, started))
    jumps = iter([timedelta(days=-400), timedelta(days=400)] * 100)

    result = await applied(path, frontend, now=lambda: datetime.now(UTC) + next(jumps))

    assert result.states == [DONE] * 4
    assert (await applied(path, frontend)).standing.tried == 0
