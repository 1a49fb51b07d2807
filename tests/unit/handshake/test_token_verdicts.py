from __future__ import annotations

import base64
import re
import shlex
import string
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stigmer_ops.handshake import token_verdicts as verdicts
from stigmer_ops.handshake.activity import ActivityState, PendingActivity
from stigmer_ops.handshake.token import DamageKind, TaskToken, damage_of, decode
from stigmer_ops.handshake.token.damage import NOT_PENDING
from stigmer_ops.handshake.token_validation import (
    EndedActivity,
    Observation,
    RunState,
    Succession,
    concluded,
    double_encoded,
    facts_of,
    fenced,
    malformed,
)
from stigmer_ops.handshake.token_verdicts import TOKEN_VERDICTS, TokenVerdict
from stigmer_ops.handshake.verdicts import Severity
from support.commands import parse
from support.task_tokens import FIRST_ATTEMPT, STANDALONE

TIME = datetime(2026, 11, 24, 3, 12, 9, tzinfo=UTC)
TOKEN = decode(FIRST_ATTEMPT)
WAITING = PendingActivity(
    "orders", "external-2", TOKEN.run_id, "1", "CallAgentActivity", ActivityState.STARTED, 2
)
SEEN = Observation(
    namespace="orders",
    token_namespace="other orders",
    run=RunState(TOKEN.run_id, "TERMINATED", TIME, "bob", "maintenance"),
    current_run=RunState("run-2", "RUNNING"),
    succession=Succession.RESET,
    scheduled_event_id=5,
    scheduled_time=TIME,
    pending=WAITING,
    current_pending=replace(WAITING, run_id="run-2", attempt=1),
    ended=EndedActivity("COMPLETED", TIME, 7, "alice"),
)
SEEN_STANDALONE = Observation(
    namespace="orders",
    token_namespace="orders",
    pending=replace(WAITING, workflow_id="", activity_id="standalone-1", standalone=True),
    ended=EndedActivity("COMPLETED", TIME, identity="alice"),
)
OF_WHOLE_TOKENS = [
    each for each in TOKEN_VERDICTS if each not in (verdicts.MALFORMED, verdicts.DOUBLE_ENCODED)
]


def by_id(verdict: TokenVerdict) -> str:
    return verdict.id


def test_ids_are_unique_and_kebab_case() -> None:
    ids = [each.id for each in TOKEN_VERDICTS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in ids)


def test_every_verdict_of_the_module_is_in_the_registry() -> None:
    declared = [each for each in vars(verdicts).values() if isinstance(each, TokenVerdict)]
    assert {each.id for each in declared} == {each.id for each in TOKEN_VERDICTS}


@pytest.mark.parametrize("verdict", TOKEN_VERDICTS, ids=by_id)
def test_titles_are_sentences_without_a_period(verdict: TokenVerdict) -> None:
    assert verdict.title[0].isupper()
    assert not verdict.title.endswith(".")


def test_only_current_is_ok_and_accepted_and_fenced() -> None:
    assert [each for each in TOKEN_VERDICTS if each.severity is Severity.OK] == [verdicts.CURRENT]
    accepted = [each for each in TOKEN_VERDICTS if each.answer.code == "OK"]
    assert accepted == [verdicts.CURRENT, verdicts.UNFENCED]


@pytest.mark.parametrize("token", [TOKEN, decode(STANDALONE)], ids=["workflow", "standalone"])
@pytest.mark.parametrize("verdict", OF_WHOLE_TOKENS, ids=by_id)
def test_sentences_have_every_fact_that_they_name(verdict: TokenVerdict, token: TaskToken) -> None:
    result = concluded(verdict, token, SEEN)
    facts = facts_of(token, SEEN)
    for _, name, _, _ in string.Formatter().parse(verdict.finding):
        assert name is None or facts[name] in result.finding
    assert result.server_answer is not None
    for text in (result.finding, result.server_answer.message, result.next_step):
        assert "{" not in text


@pytest.mark.parametrize("verdict", OF_WHOLE_TOKENS, ids=by_id)
def test_next_step_is_one_shell_command_that_only_reads(verdict: TokenVerdict) -> None:
    hostile = replace(TOKEN, workflow_id="a; rm -rf ~ $(id) 'b' {x}")
    words = shlex.split(concluded(verdict, hostile, SEEN).next_step)
    assert words[0] in ("stigmer-ops", "temporal")
    assert "--workflow-id" not in words or hostile.workflow_id in words
    if words[1:3] == ["activity", "complete"]:
        assert "--dry-run" in words


@pytest.mark.parametrize("seen", [SEEN, SEEN_STANDALONE], ids=["workflow", "standalone"])
@pytest.mark.parametrize("verdict", OF_WHOLE_TOKENS, ids=by_id)
def test_next_step_is_a_command_that_there_is(verdict: TokenVerdict, seen: Observation) -> None:
    token = decode(STANDALONE) if seen is SEEN_STANDALONE else TOKEN
    step = concluded(verdict, token, seen).next_step
    if step.startswith("stigmer-ops "):
        assert step.startswith(f"stigmer-ops {parse(step.removeprefix('stigmer-ops '))}")


def test_answer_to_a_token_without_scheduled_event_names_the_activity_id() -> None:
    token = replace(TOKEN, scheduled_event_id=0)
    assert not fenced(token)
    answer = concluded(verdicts.ACTIVITY_COMPLETED, token, SEEN).server_answer
    assert answer is not None
    assert answer.message.startswith("cannot find pending activity with ActivityID 1,")


def test_answer_to_a_standalone_token_names_its_activity() -> None:
    answer = concluded(verdicts.STALE_ATTEMPT, decode(STANDALONE), SEEN_STANDALONE).server_answer
    assert answer == ("NOT_FOUND", "activity not found for ID: standalone-1")


def test_answer_about_a_missing_workflow_depends_on_the_run_id() -> None:
    with_run = concluded(verdicts.WORKFLOW_NOT_FOUND, TOKEN, SEEN).server_answer
    without = concluded(verdicts.WORKFLOW_NOT_FOUND, replace(TOKEN, run_id=""), SEEN).server_answer
    assert with_run is not None
    assert TOKEN.run_id in with_run.message
    assert without == ("NOT_FOUND", "workflow not found for ID: external-2")


def test_closed_workflow_tells_how_the_activity_had_ended() -> None:
    said = concluded(verdicts.WORKFLOW_CLOSED, TOKEN, replace(SEEN, current_run=None)).finding
    assert said == (
        "the workflow was closed (TERMINATED) at 2026-11-24T03:12:09Z by bob, because: maintenance;"
        " the activity had ended before: COMPLETED at event 7"
    )


def test_identities_and_times_that_the_server_does_not_tell_are_not_made_up() -> None:
    seen = replace(SEEN, ended=EndedActivity("COMPLETED", None))
    assert concluded(verdicts.ACTIVITY_COMPLETED, TOKEN, seen).finding == (
        "it completed at an unknown time"
    )


def test_malformed_takes_everything_from_the_damage() -> None:
    damage = damage_of(FIRST_ATTEMPT[:50])
    assert damage is not None
    result = malformed(damage)
    assert result.verdict is verdicts.MALFORMED
    assert damage.kind is DamageKind.TRUNCATED
    assert (result.finding, result.next_step) == (damage.reason, damage.next_step)
    assert result.server_answer == damage.server_answer
    assert result.token is None


def test_double_encoded_is_refused_though_the_token_inside_is_current() -> None:
    damage = damage_of(base64.b64encode(FIRST_ATTEMPT))
    assert damage is not None
    inside = concluded(verdicts.CURRENT, TOKEN, SEEN)
    result = double_encoded(damage, inside)
    assert result.verdict is verdicts.DOUBLE_ENCODED
    assert result.server_answer == ("INVALID_ARGUMENT", "Error deserializing task token.")
    assert inside.finding in result.finding
    assert result.next_step == inside.next_step
    assert result.inside is inside


def test_results_never_show_the_token_in_their_repr() -> None:
    result = concluded(verdicts.CURRENT, TOKEN, SEEN)
    assert "CiQwMW" not in repr(result)
    assert repr(FIRST_ATTEMPT)[2:-1] not in repr(result)
    assert result.server_answer != NOT_PENDING


def test_proof_of_a_standalone_activity_is_its_description() -> None:
    step = concluded(verdicts.ACTIVITY_COMPLETED, decode(STANDALONE), SEEN_STANDALONE).next_step
    assert step.startswith("temporal activity describe --run-id ")
    assert step.endswith(" --activity-id standalone-1 --namespace orders")


def test_superseded_run_leads_to_the_activity_in_the_current_one() -> None:
    step = concluded(verdicts.RUN_SUPERSEDED, TOKEN, SEEN).next_step
    assert step == (
        "stigmer-ops pending show --workflow-id external-2 --run-id run-2 --activity-id 1 "
        "--namespace orders"
    )


def test_activity_id_that_the_server_has_wins_over_the_tokens() -> None:
    token = replace(TOKEN, activity_id="made up")
    step = concluded(verdicts.CURRENT, token, SEEN).next_step
    assert "--activity-id 1 " in step
