"""Which steps of the escalation path are to be taken, and what the message holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stigmer_ops.handshake.activity import ActivityState, PendingActivity
from stigmer_ops.handshake.case import Confidence, Diagnosis, Evidence
from stigmer_ops.handshake.verdicts import CALLBACK_FAILED, RUNNING, TOKEN_NOT_PASSED, Verdict
from stigmer_ops.monitoring.loaded_rules import ActiveAlert
from stigmer_ops.procedures.checks.check import CheckResult, Result
from stigmer_ops.procedures.checks.registry import CHECKS
from stigmer_ops.procedures.escalation.path import STEPS, Decision, Incident
from stigmer_ops.procedures.escalation.situation import Situation
from stigmer_ops.render.escalate import LONGEST, message
from stigmer_ops.settings import Escalation, Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WELL = Situation(NOW, "orders", alerts=())
SECRET = "hvs.a-secret-in-a-failure"


def diagnosis(verdict: Verdict, hours: float = 1, workflow_id: str = "order-1") -> Diagnosis:
    activity = PendingActivity(
        namespace="orders",
        workflow_id=workflow_id,
        run_id="run-1",
        activity_id="5",
        activity_type="CallAgentActivity",
        state=ActivityState.STARTED,
        attempt=1,
        scheduled_time=NOW - hours * HOUR,
    )
    return Diagnosis(activity, verdict, Confidence.PROVED, (Evidence(f"it failed: {SECRET}"),))


def alert(severity: str = "critical", minutes: float = 1, name: str = "StigmerX") -> ActiveAlert:
    since = NOW - timedelta(minutes=minutes)
    return ActiveAlert(name, "firing", since, 1.0, {"severity": severity}, {})


def failed(number: int = 0, detail: str = "nobody listens") -> CheckResult:
    return CheckResult(CHECKS[number], Result.FAILED, detail, "do this", "check-failed")


def decisions(
    situation: Situation, lasting: timedelta | None = None, **settings: Any
) -> dict[str, Decision]:
    incident = Incident(situation, Settings(**settings), lasting)
    return {step.id: step.decide(incident) for step in STEPS}


def taken(situation: Situation, lasting: timedelta | None = None) -> list[str]:
    return [id for id, decision in decisions(situation, lasting).items() if decision.now]


def test_path_is_that_of_the_written_runbook() -> None:
    assert [step.id for step in STEPS] == [
        "runbook",
        "logs",
        "temporal-ui",
        "channel",
        "pager",
        "lead",
    ]
    incident = Incident(WELL, Settings())
    where = {step.id: step.where(incident) for step in STEPS}
    assert where["channel"] == ("#stigmer-oncall",)
    assert where["pager"] == ("PagerDuty",)
    assert where["lead"] == ("the engineering lead",)


def test_nothing_is_to_be_done_where_nothing_is_wrong() -> None:
    running = replace(WELL, diagnoses=(diagnosis(RUNNING, 30),))
    assert taken(running) == []
    assert taken(running, lasting=5 * HOUR) == []


@pytest.mark.parametrize(
    ("situation", "steps"),
    [
        (replace(WELL, failed=(failed(),)), ["runbook", "channel"]),
        (replace(WELL, failed=(failed(),), alerts=None), ["runbook", "channel", "pager"]),
        (replace(WELL, alerts=(alert("warning"),)), ["runbook", "channel"]),
        (replace(WELL, alerts=(alert(),)), ["runbook", "channel", "pager"]),
        (replace(WELL, alerts=(alert(minutes=60),)), ["runbook", "channel", "pager", "lead"]),
        (
            replace(WELL, diagnoses=(diagnosis(CALLBACK_FAILED),)),
            ["runbook", "logs", "temporal-ui", "channel"],
        ),
        (
            replace(WELL, diagnoses=(diagnosis(CALLBACK_FAILED, 5),)),
            ["runbook", "logs", "temporal-ui", "channel", "lead"],
        ),
    ],
)
def test_steps_that_are_to_be_taken(situation: Situation, steps: list[str]) -> None:
    assert taken(situation) == steps


def test_a_person_who_knows_better_calls_the_lead() -> None:
    situation = replace(WELL, failed=(failed(),))
    assert not decisions(situation, 59 * HOUR / 60)["lead"].now
    decision = decisions(situation, HOUR)["lead"]
    assert decision == Decision(True, "it has lasted for 1h (you say so)")


def test_what_could_not_be_read_is_unknown_and_not_well() -> None:
    blind = replace(
        WELL, alerts=None, diagnosed=False, whole=False, gaps=("nothing was diagnosed: down",)
    )
    found = decisions(blind)
    unknown = [id for id, decision in found.items() if not decision.known]
    assert unknown == ["runbook", "logs", "temporal-ui", "channel", "pager"]
    assert "no activity" not in found["temporal-ui"].why
    partly = decisions(replace(WELL, whole=False, gaps=("not every workflow could be read",)))
    assert partly["temporal-ui"] == Decision(
        False, "no activity is stuck of those that could be read", known=False
    )
    assert all(decision.known for decision in decisions(WELL).values())


def test_every_step_says_why_or_why_not() -> None:
    for situation in (WELL, replace(WELL, alerts=None), replace(WELL, alerts=(alert(),))):
        assert all(decision.why for decision in decisions(situation).values())
    assert decisions(replace(WELL, alerts=(alert(),)))["pager"].why == (
        "critical alerts fire: StigmerX"
    )


def test_addresses_are_filled_with_the_first_that_is_stuck() -> None:
    situation = replace(
        WELL, diagnoses=(diagnosis(CALLBACK_FAILED, 5), diagnosis(TOKEN_NOT_PASSED, 1, "order-2"))
    )
    there = Escalation(
        logs="https://logs/?q={workflow_id}",
        temporal_ui="https://ui/{namespace}/{workflow_id}/{run_id}",
    )
    incident = Incident(situation, Settings(escalation=there))
    where = {step.id: step.where(incident) for step in STEPS}
    assert where["temporal-ui"] == ("https://ui/orders/order-1/run-1",)
    assert where["logs"][0] == "https://logs/?q=order-1"
    assert where["logs"][1] == "stigmer-ops logs correlate FILE... --workflow-id order-1"
    assert "stigmer-ops runbook show callback-failed" in where["runbook"]


def test_message_tells_what_is_wrong_and_no_failure_text() -> None:
    situation = replace(
        WELL,
        diagnoses=(diagnosis(CALLBACK_FAILED, 5), diagnosis(RUNNING)),
        failed=(failed(detail="cannot reach http://ops:hunter2@prometheus:9090\nmore"),),
        alerts=(alert(minutes=12),),
        gaps=("not every workflow could be read",),
    )
    assert message(situation).splitlines() == [
        "**Stigmer, namespace `orders`, 2026-11-24 12:00 UTC**",
        "- external activities that wait: 2, of them stuck: 1",
        "- alert StigmerX (critical) fires, since 12m",
        "- 1 x callback-failed: The callback failed on all its attempts; "
        "the oldest: workflow `order-1` activity `5`, 5h",
        f"- check {CHECKS[0].id} failed: cannot reach http://prometheus:9090",
        "- not every workflow could be read",
        "More: `stigmer-ops diagnose -n orders`, `stigmer-ops check`",
    ]
    assert SECRET not in message(situation)


def test_foreign_ids_neither_mention_anybody_nor_break_out() -> None:
    hostile = "`@channel` \x1b[31m<!here>"
    situation = replace(
        WELL,
        diagnoses=(diagnosis(CALLBACK_FAILED, workflow_id=hostile),),
        failed=(failed(detail="@channel <!here> *x* `y` \\<!all> [z](javascript:a)"),),
        alerts=(alert(severity="<!here>\x1b[2J"),),
    )
    text = message(situation)
    assert "workflow `'@channel' \\x1b[31m<!here>`" in text
    assert "\\@channel \\<!here\\> \\*x\\* \\`y\\`" in text
    # A backslash of theirs before ours would make markup of what follows.
    assert "\\\\\\<!all\\> \\[z\\](javascript:a)" in text
    assert "alert StigmerX (\\<!here\\>\\\\x1b\\[2J) fires" in text


def test_foreign_ids_stay_where_an_address_and_a_command_have_room_for_them() -> None:
    hostile = "a/../?x=1#y {run_id}\n$(touch planted)"
    situation = replace(WELL, diagnoses=(diagnosis(CALLBACK_FAILED, workflow_id=hostile),))
    there = Escalation(temporal_ui="https://ui/{workflow_id}/{run_id}")
    incident = Incident(situation, Settings(escalation=there))
    where = {step.id: step.where(incident) for step in STEPS}
    encoded = "a%2F..%2F%3Fx%3D1%23y%20%7Brun_id%7D%0A%24%28touch%20planted%29"
    assert where["temporal-ui"] == (f"https://ui/{encoded}/run-1",)
    word = r"$'a/../?x=1#y {run_id}\x0a$(touch planted)'"
    assert where["logs"] == (f"stigmer-ops logs correlate FILE... --workflow-id {word}",)


def test_message_is_short_whatever_is_wrong() -> None:
    situation = replace(
        WELL,
        diagnoses=tuple(diagnosis(CALLBACK_FAILED, 5, "x" * 900) for _ in range(300)),
        failed=tuple(failed(number, "y" * 500) for number in range(len(CHECKS))),
        alerts=tuple(alert(name=f"Stigmer{number}") for number in range(40)),
    )
    text = message(situation)
    assert len(text) <= LONGEST
    assert "and 35 more" in text
    assert text.splitlines()[-1].startswith("More: ")


def test_message_says_nothing_of_numbers_that_could_not_be_read() -> None:
    unread = replace(WELL, diagnosed=False, failed=(failed(),), gaps=("nothing was diagnosed",))
    assert "that wait" not in message(unread)
    assert message(WELL).endswith("Nothing is wrong as far as is known.")
