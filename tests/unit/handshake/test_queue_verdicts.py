"""Every verdict on a queue: when it is the case, and what it says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.queue_verdicts import (
    HEALTHY,
    NOT_POLLED,
    NOT_PROBED,
    ONLY_STALE_POLLERS,
    QUEUE_VERDICTS,
    REGISTRATION_UNKNOWN,
    SOME_POLLERS_STALE,
    TAKES_ANY_TYPE,
    TYPES_MISSING,
    VERSION_NOT_CURRENT,
    WORKER_SILENT,
    WORKERS_DISAGREE,
    QueueCheck,
    QueueVerdict,
    exit_code,
    next_command,
)
from stigmer_ops.handshake.registration import (
    Answer,
    NotRegistered,
    ProbeAnswer,
    Registration,
)
from stigmer_ops.handshake.workers import (
    Backlog,
    ExpectedQueue,
    Poller,
    PollerState,
    QueueWorkers,
    Slots,
    TaskKind,
    WorkerHeartbeat,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACTIVITY, WORKFLOW = TaskKind.ACTIVITY, TaskKind.WORKFLOW


def poller(identity: str, kind: TaskKind = ACTIVITY, ago: float = 5, **more: Any) -> Poller:
    return Poller(identity, kind, NOW - timedelta(seconds=ago), **more)


def beat(identity: str, status: str = "RUNNING", ago: float = 1, **more: Any) -> WorkerHeartbeat:
    time = NOW - timedelta(seconds=ago)
    return WorkerHeartbeat(
        f"key-{identity}-{ago}", identity, "runner", status, heartbeat_time=time, **more
    )


def queue(
    *pollers: Poller,
    kinds: tuple[TaskKind, ...] = (ACTIVITY,),
    heartbeats: tuple[WorkerHeartbeat, ...] | None = None,
    backlog: Backlog | None = None,
    types: tuple[str, ...] = ("Run",),
    roles: tuple[str, ...] = ("agent_execution_runner",),
) -> QueueWorkers:
    return QueueWorkers(
        ExpectedQueue("runner", "default", roles, types, frozenset(kinds)),
        NOW,
        timedelta(seconds=60),
        pollers,
        ((ACTIVITY, backlog),) if backlog else (),
        heartbeats,
    )


def said(identity: str, *types: str) -> ProbeAnswer:
    return ProbeAnswer(Answer.REGISTERED_TYPES, identity, NotRegistered("probe", types))


def asked(*answers: ProbeAnswer, silent: tuple[str, ...] = (), unknown: str = "") -> Registration:
    return Registration(True, answers, silent, unknown)


def verdicts(workers: QueueWorkers, registration: Registration | None = None) -> dict[str, Any]:
    check = QueueCheck(workers, registration or Registration())
    return {finding.verdict.id: finding.evidence for finding in check.findings}


def test_polled_and_registered_is_healthy() -> None:
    assert verdicts(queue(poller("a")), asked(said("a", "Other", "Run"))) == {HEALTHY.id: ()}


def test_no_poller_is_not_polled_with_the_backlog() -> None:
    workers = queue(backlog=Backlog(12, timedelta(minutes=4)))
    assert verdicts(workers) == {
        NOT_POLLED.id: ("no poller of activity tasks; tasks that wait: 12, the oldest for 240 s",)
    }


def test_no_poller_of_one_of_two_kinds_is_not_polled() -> None:
    workers = queue(poller("a"), kinds=(ACTIVITY, WORKFLOW))
    assert verdicts(workers, asked(said("a", "Run"))) == {
        NOT_POLLED.id: ("no poller of workflow tasks",)
    }


def test_not_polled_names_workers_that_are_alive_and_full() -> None:
    full = beat("busy", activity_slots=Slots(100, 0))
    free = beat("free", activity_slots=Slots(1, 99))
    gone = beat("gone", "SHUTTING_DOWN", activity_slots=Slots(100, 0))
    assert verdicts(queue(heartbeats=(full, free, gone)))[NOT_POLLED.id] == (
        "no poller of activity tasks",
        "busy is alive, with every slot for activity tasks taken",
    )


@pytest.mark.parametrize("kind", TaskKind)
def test_queue_of_which_nothing_is_known_may_be_polled_for_either_kind(kind: TaskKind) -> None:
    assert verdicts(queue(poller("a", kind), kinds=(), types=())) == {HEALTHY.id: ()}


def test_queue_of_which_nothing_is_known_is_not_polled_without_any_poller() -> None:
    assert list(verdicts(queue(kinds=(), types=()))) == [NOT_POLLED.id]


def test_only_pollers_not_seen_are_stale() -> None:
    assert verdicts(queue(poller("a", ago=83), poller("b", ago=200))) == {
        ONLY_STALE_POLLERS.id: (
            "a last polled activity tasks 83 s ago",
            "b last polled activity tasks 200 s ago",
        )
    }


def test_only_pollers_that_shut_down_are_gone_before_they_are_stale() -> None:
    workers = queue(poller("a", ago=5), heartbeats=(beat("a", "SHUTTING_DOWN", ago=3),))
    assert verdicts(workers) == {ONLY_STALE_POLLERS.id: ("a has shut down (activity tasks)",)}


def test_stale_poller_beside_a_live_one_is_information() -> None:
    found = verdicts(queue(poller("a"), poller("old", ago=90)), asked(said("a", "Run")))
    assert found == {SOME_POLLERS_STALE.id: ("old last polled activity tasks 90 s ago",)}


def test_pollers_of_another_version_get_no_tasks() -> None:
    other = poller("a", deployment_name="stigmer", build_id="v2", current=False)
    assert verdicts(queue(other)) == {
        VERSION_NOT_CURRENT.id: ("a polls activity tasks as version stigmer:v2",)
    }


def test_missing_type_says_what_is_there_instead() -> None:
    found = verdicts(queue(poller("a")), asked(said("a", "Stop", "Wait")))
    assert found == {TYPES_MISSING.id: ("a lacks Run; it has Stop, Wait",)}


def test_missing_type_of_a_worker_with_many_types_names_some() -> None:
    many = [f"T{number:02}" for number in range(20)]
    (fact,) = verdicts(queue(poller("a")), asked(said("a", *many)))[TYPES_MISSING.id]
    assert fact.endswith("T10, T11 and 8 more")


def test_workers_with_different_types_disagree() -> None:
    found = verdicts(
        queue(poller("a"), poller("b")), asked(said("a", "Run"), said("b", "Run", "Stop"))
    )
    assert found == {WORKERS_DISAGREE.id: ("a has Run", "b has Run, Stop")}


def test_live_poller_without_an_answer_is_silent_and_perhaps_busy() -> None:
    workers = queue(poller("a"), poller("b"), heartbeats=(beat("b", activity_slots=Slots(100, 0)),))
    assert verdicts(workers, asked(said("a", "Run"), silent=("b",))) == {
        WORKER_SILENT.id: (
            "b last polled activity tasks 5 s ago and did not take the probe",
            "b is alive, with every slot for activity tasks taken",
        )
    }


def test_poller_that_took_the_probe_and_did_not_answer_is_silent_once() -> None:
    lost = ProbeAnswer(Answer.NO_ANSWER, "b")
    assert verdicts(queue(poller("b")), asked(lost, silent=("b",))) == {
        WORKER_SILENT.id: ("b took the probe and did not answer",)
    }


def test_probe_that_was_refused_leaves_the_registration_unknown() -> None:
    found = verdicts(queue(poller("a")), asked(unknown="the probe failed: PERMISSION_DENIED: no"))
    assert found == {REGISTRATION_UNKNOWN.id: ("the probe failed: PERMISSION_DENIED: no",)}


def test_text_without_types_leaves_the_registration_unknown() -> None:
    unreadable = ProbeAnswer(Answer.UNREADABLE, "a", detail="Encoded failure")
    assert verdicts(queue(poller("a")), asked(unreadable)) == {
        REGISTRATION_UNKNOWN.id: ("a answered without naming its types: Encoded failure",)
    }


def test_worker_that_runs_any_type_is_information() -> None:
    found = verdicts(queue(poller("a")), asked(ProbeAnswer(Answer.RAN, "a")))
    assert found == {TAKES_ANY_TYPE.id: ("a ran an activity of a type that nobody registers",)}


def test_passive_check_without_failures_says_that_nobody_was_asked() -> None:
    found = verdicts(queue(poller("a")), Registration(unknown="read-only mode; nothing read"))
    assert found == {NOT_PROBED.id: ("read-only mode; nothing read",)}


def test_passive_check_with_failures_finds_the_missing_type() -> None:
    failure = ProbeAnswer(Answer.REGISTERED_TYPES, "a", NotRegistered("Run", ("Stop",)))
    found = verdicts(queue(poller("a")), Registration(answers=(failure,)))
    assert found == {TYPES_MISSING.id: ("a lacks Run; it has Stop",)}


def test_findings_come_worst_first_and_the_first_is_the_verdict() -> None:
    check = QueueCheck(
        queue(poller("a"), poller("b"), poller("old", ago=99)),
        asked(said("a", "Stop"), said("b", "Run", "Stop")),
    )
    assert [finding.verdict for finding in check.findings] == [
        TYPES_MISSING,
        WORKERS_DISAGREE,
        SOME_POLLERS_STALE,
    ]
    assert check.verdict is TYPES_MISSING


HEALTHY_CHECK = QueueCheck(queue(poller("a")), asked(said("a", "Run")))
SILENT_CHECK = QueueCheck(queue(poller("a")), asked(silent=("a",)))
MISSING_CHECK = QueueCheck(queue(poller("a")), asked(said("a", "Stop")))


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ((), ExitCode.OK),
        ((HEALTHY_CHECK,), ExitCode.OK),
        ((HEALTHY_CHECK, SILENT_CHECK), ExitCode.UNAVAILABLE),
        ((SILENT_CHECK, MISSING_CHECK, HEALTHY_CHECK), ExitCode.FINDINGS),
    ],
)
def test_exit_code_is_that_of_the_worst(checks: tuple[QueueCheck, ...], code: ExitCode) -> None:
    assert exit_code(checks) is code


def test_next_command_of_a_stranger_repeats_what_was_expected() -> None:
    stranger = queue(poller("a"), types=("Charge Card",), roles=())
    check = QueueCheck(stranger, asked(said("a")))
    assert next_command(check, TYPES_MISSING) == (
        "stigmer-ops worker check --task-queue runner -n default --activity-type 'Charge Card'"
    )
    assert next_command(check, WORKER_SILENT) == (
        "stigmer-ops worker list --task-queue runner -n default"
    )


@pytest.mark.parametrize("verdict", QUEUE_VERDICTS, ids=lambda verdict: verdict.id)
def test_verdict_is_well_formed(verdict: QueueVerdict) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", verdict.id)
    assert not verdict.title.endswith(".")
    assert verdict.remedy.endswith(".")
    assert verdict.page.startswith("runbooks/")


def test_verdict_ids_are_unique() -> None:
    assert len({verdict.id for verdict in QUEUE_VERDICTS}) == len(QUEUE_VERDICTS)


# --- The state of a poller -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "state"),
    [(0, PollerState.LIVE), (60, PollerState.LIVE), (60.001, PollerState.STALE)],
)
def test_poller_is_stale_past_the_threshold(ago: float, state: PollerState) -> None:
    one = poller("a", ago=ago)
    assert queue(one).state(one) is state


def test_poller_that_was_never_seen_is_stale() -> None:
    one = Poller("a", ACTIVITY)
    assert queue(one).state(one) is PollerState.STALE


def test_poller_is_alive_if_one_of_the_workers_of_its_name_runs() -> None:
    one = poller("a")
    workers = queue(one, heartbeats=(beat("a", "SHUTTING_DOWN", ago=3), beat("a", ago=1)))
    assert workers.state(one) is PollerState.LIVE


@pytest.mark.parametrize(
    ("ago", "state"),
    [
        (2.5, PollerState.SHUT_DOWN),  # its own last poll
        (1.5, PollerState.LIVE),  # another process of the same name
    ],
)
def test_poller_that_polls_well_after_the_goodbye_lives(ago: float, state: PollerState) -> None:
    one = poller("a", ago=ago)
    workers = queue(one, heartbeats=(beat("a", "SHUTTING_DOWN", ago=3),))
    assert workers.state(one) is state
