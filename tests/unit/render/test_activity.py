from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from stigmer_ops.handshake.write_plan import Aftermath, Fencing, Proof, WritePlan
from stigmer_ops.render.activity import KINDS, plan_table, proof_table, write_record
from stigmer_ops.render.output import console
from support.activities import HOUR, NOW
from support.write_plans import EXTENSION, FAILURE, RESULT, plan

PLANS = [plan(RESULT), plan(FAILURE), plan(EXTENSION, fencing=Fencing.REREAD)]
COMPLETED = Proof(
    outcome="COMPLETED",
    event_id=7,
    time=NOW,
    identity="stigmer-ops:alice@bastion-1 INC-7",
    aftermath=Aftermath.RESUMED,
    aftermath_detail="event 10, workflow task completed",
)


def planned(plan: WritePlan, *, dry_run: bool = False, show_payloads: bool = False) -> str:
    stream = io.StringIO()
    plan_table(console(stream), plan, now=NOW, dry_run=dry_run, show_payloads=show_payloads)
    return stream.getvalue()


def proved(plan: WritePlan, proof: Proof) -> str:
    stream = io.StringIO()
    proof_table(console(stream), plan, proof)
    return stream.getvalue()


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.verb)
def test_plan_names_everything_that_pins_it(plan: WritePlan) -> None:
    text = planned(plan)

    assert text.startswith(f"{plan.verb} activity 5 of workflow order-42, attempt 1\n")
    for fact in (
        "default at 127.0.0.1:7233",
        "order-42 (OrderWorkflow)",
        plan.fence.run_id,
        "5 (CallAgentActivity), scheduled by event 5",
        "1, STARTED, waiting for 2h, 22h left",
        plan.effect,
        plan.identity,
        plan.reason,
    ):
        assert fact in text
    assert plan.verb in KINDS


def test_every_line_is_whole_and_ends_without_blanks() -> None:
    lines = planned(plan(RESULT, reason="INC-7" + " long" * 40)).splitlines()

    assert all(line == line.rstrip() for line in lines)
    assert len(lines) == 12


def test_payloads_are_shown_only_on_request() -> None:
    for each in PLANS[:2]:
        assert "s3cret" not in planned(each)
        assert "s3cret" in planned(each, show_payloads=True)
        assert "s3cret" not in json.dumps(write_record(each, None))
        assert "s3cret" in json.dumps(write_record(each, None, show_payloads=True))


def test_token_is_in_no_output() -> None:
    secret = plan(RESULT, worker_token=b"bearer-secret")

    shown = planned(secret) + json.dumps(write_record(secret, COMPLETED)) + repr(secret)

    assert "bearer-secret" not in shown


def test_dry_run_says_so() -> None:
    assert planned(PLANS[0], dry_run=True).endswith("dry run: nothing was sent\n")
    record = write_record(PLANS[0], None)
    assert (record["dry_run"], record["exit_reason"], record["proof"]) == (True, "dry-run", None)


def test_unfenced_plan_is_loud_about_it() -> None:
    assert "NONE: whichever attempt of this run is pending" in planned(
        plan(RESULT, fencing=Fencing.NONE)
    )


def test_foreign_text_cannot_steer_the_terminal() -> None:
    hostile = plan(RESULT, workflow_id="order-\x1b[2J[bold]\u202e", activity_type="[/x]")

    text = planned(hostile)

    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "[bold]" in text


def test_proof_names_the_event_and_what_the_workflow_did() -> None:
    text = proved(PLANS[0], COMPLETED)

    assert text.startswith("completed: activity 5 of workflow order-42, attempt 1\n")
    assert "7 in run" in text
    assert "2026-01-02T12:00:00.000Z" in text
    assert "resumed (event 10, workflow task completed)" in text


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (Proof(outcome="ACCEPTED"), "not written yet"),
        (Proof(outcome="RETRYING", attempt=2), "failed for a retry"),
        (replace(COMPLETED, answer_lost=True), "lost on its way"),
    ],
)
def test_proof_says_what_is_unusual(proof: Proof, said: str) -> None:
    assert said in proved(PLANS[1], proof)


def test_extension_shows_old_and_new() -> None:
    text = planned(PLANS[2])

    assert "1d -> 1d2h" in text
    assert "2026-01-03T10:00:00.000Z -> 2026-01-03T12:00:00.000Z" in text
    clamped = replace(EXTENSION, deadline=EXTENSION.deadline - HOUR)
    record = write_record(PLANS[2], Proof(outcome="EXTENDED", change=clamped))
    assert record["exit_reason"] == "clamped"
    assert record["timeouts"]["after"]["start_to_close_seconds"] == 93600.0
    assert record["proof"]["timeouts"]["deadline"] == "2026-01-03T11:00:00.000Z"


def test_record_is_json_with_the_fence_and_the_proof() -> None:
    record = json.loads(json.dumps(write_record(PLANS[0], COMPLETED, warnings=["odd"])))

    assert record["fence"] == {
        "by": "server",
        "namespace_id": PLANS[0].fence.namespace_id,
        "workflow_id": "order-42",
        "run_id": PLANS[0].fence.run_id,
        "activity_id": "5",
        "scheduled_event_id": 5,
        "attempt": 1,
    }
    assert (record["ticket"], record["exit_reason"]) == ("INC-7", "done")
    assert record["proof"]["event_id"] == 7
    assert record["warnings"] == ["odd"]
