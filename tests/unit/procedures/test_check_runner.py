from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from stigmer_ops.errors import UnavailableError
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.procedures.checks import runner
from stigmer_ops.procedures.checks.check import (
    Category,
    Check,
    CheckResult,
    Fail,
    Need,
    Ok,
    Outcome,
    Result,
    Skip,
    Warn,
)
from stigmer_ops.procedures.checks.runner import CheckRun, run_checks, select

BASE = Category("base", "Base")
UPPER = Category("upper", "Upper", after=(BASE.id,))
EXTRA = Category("extra", "Extra", after=(BASE.id,), opt_in=True)

TEMPORAL = frozenset({Need.TEMPORAL})


@dataclass
class Context:
    """What the checks of these tests ask: a script of outcomes, and how often all was forgotten."""

    forgotten: int = 0
    tries: list[str] = field(default_factory=list)

    def forget(self) -> None:
        self.forgotten += 1


Run = Callable[[Context], Awaitable[Outcome]]


def says(*outcomes: Outcome | Exception) -> Run:
    """A check that ends so at each try, and stays with the last."""
    left = list(outcomes)

    async def run(context: Context) -> Outcome:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return run


def check(id: str, outcome: Outcome | Exception | Run, **changes: Any) -> Check[Context]:
    run = outcome if callable(outcome) else says(outcome)
    fields: dict[str, Any] = {
        "category": BASE,
        "sentence": f"{id} holds",
        "needs": frozenset(),
        "hint": f"mend {id}",
        **changes,
    }
    return Check(id=id, run=run, **fields)


@dataclass
class Watcher:
    """Notes what it is told."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def begins(self, check: Check[Any]) -> None:
        self.seen.append(("begins", check.id))

    def waits(self, result: CheckResult) -> None:
        self.seen.append(("waits", result.check.id))

    def ended(self, result: CheckResult) -> None:
        self.seen.append((str(result.result), result.check.id))


async def run_all(
    *checks: Check[Context], wait: float = 0, watcher: Watcher | None = None, **how: Any
) -> CheckRun:
    return await run_checks(
        select(checks, **how),
        Context(),
        wait=timedelta(seconds=wait),
        observer=watcher or Watcher(),
    )


def results(run: CheckRun) -> dict[str, Result]:
    return {found.check.id: found.result for found in run.results}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.01)


async def test_outcomes_become_results_with_cause_and_hint() -> None:
    run = await run_all(
        check("fine", Ok("seen")),
        check("odd", Warn("hm")),
        check("broken", Fail("because", "do this", "own-kind")),
        check("left-out", Skip("no need")),
    )
    fine, odd, broken, left_out = run.results
    assert (fine.result, fine.detail, fine.hint) == (Result.OK, "seen", "")
    assert (odd.result, odd.detail, odd.hint) == (Result.WARNING, "hm", "mend odd")
    assert (broken.detail, broken.hint, broken.reference) == ("because", "do this", "own-kind")
    assert (left_out.result, left_out.detail, left_out.hint) == (Result.SKIPPED, "no need", "")
    assert not run.success


async def test_warnings_and_skips_leave_the_run_a_success() -> None:
    run = await run_all(check("odd", Warn("hm")), check("left-out", Skip("no need")))
    assert run.success
    assert (run.count(Result.WARNING), run.count(Result.SKIPPED)) == (1, 1)


async def test_failure_of_a_warning_check_is_a_warning() -> None:
    run = await run_all(check("slow", Fail("slow"), severity=Severity.WARNING))
    assert results(run) == {"slow": Result.WARNING}
    assert run.success


async def test_check_that_crashes_fails_without_its_words_and_the_run_goes_on() -> None:
    run = await run_all(check("crashes", KeyError("secret-token")), check("next", Ok()))
    crashed, following = run.results
    assert crashed.result is Result.FAILED
    assert crashed.reference == "check-crashed"
    assert "KeyError" in crashed.detail
    assert "secret-token" not in crashed.detail + crashed.hint
    assert isinstance(crashed.crash, KeyError)
    assert following.result is Result.OK


async def test_error_meant_for_a_person_is_the_cause() -> None:
    error = UnavailableError("nobody answers", next_step="call somebody")
    (failed,) = (await run_all(check("asks", error))).results
    assert (failed.detail, failed.hint, failed.reference) == (
        "nobody answers",
        "call somebody",
        "unavailable",
    )
    (failed,) = (await run_all(check("asks", UnavailableError("nobody answers")))).results
    assert failed.hint == "mend asks"


async def test_fatal_failure_skips_the_rest_and_what_depends_on_it() -> None:
    watcher = Watcher()
    run = await run_all(
        check("first", Ok(), fatal=True),
        check("second", Fail("no"), fatal=True),
        check("third", Ok()),
        check("above", Ok(), category=UPPER),
        check("apart", Ok(), category=Category("apart", "Apart")),
        watcher=watcher,
    )
    assert results(run) == {
        "first": Result.OK,
        "second": Result.FAILED,
        "third": Result.SKIPPED,
        "above": Result.SKIPPED,
        "apart": Result.OK,
    }
    assert run.results[2].detail == run.results[3].detail == "second failed"
    assert ("begins", "third") not in watcher.seen
    assert ("skipped", "third") in watcher.seen


async def test_failure_that_is_not_fatal_stops_nothing() -> None:
    run = await run_all(check("first", Fail("no")), check("second", Ok()))
    assert results(run) == {"first": Result.FAILED, "second": Result.OK}


async def test_offline_skips_by_need_and_says_so() -> None:
    both = frozenset({Need.TEMPORAL, Need.PROMETHEUS})
    run = await run_all(
        check("here", Ok()),
        check("there", Fail("no"), needs=TEMPORAL, fatal=True),
        check("both", Fail("no"), needs=both, category=UPPER),
        offline=True,
    )
    assert results(run) == {"here": Result.OK, "there": Result.SKIPPED, "both": Result.SKIPPED}
    assert run.results[1].detail == "needs Temporal (--offline)"
    assert run.results[2].detail == "needs Prometheus and Temporal (--offline)"
    assert run.success


async def test_category_brings_the_fatal_checks_that_it_depends_on() -> None:
    checks = (
        check("reachable", Ok(), fatal=True),
        check("pretty", Ok()),
        check("above", Ok(), category=UPPER),
        check("extra", Ok(), category=EXTRA),
    )
    assert list(results(await run_all(*checks))) == ["reachable", "pretty", "above"]
    upper = await run_all(*checks, categories=frozenset({"upper"}))
    assert list(results(upper)) == ["reachable", "above"]
    extra = await run_all(*checks, categories=frozenset({"upper"}), opted_in=frozenset({"extra"}))
    assert list(results(extra)) == ["reachable", "above", "extra"]
    named = await run_all(*checks, categories=frozenset({"extra"}))
    assert list(results(named)) == ["reachable", "extra"]


async def test_retryable_check_is_tried_until_it_holds_with_fresh_readings() -> None:
    watcher, context = Watcher(), Context()
    selected = select([check("up", says(Fail("no"), Warn("half"), Ok()), retry=True)])
    run = await run_checks(selected, context, wait=timedelta(seconds=30), observer=watcher)
    assert results(run) == {"up": Result.OK}
    assert context.forgotten == 2
    assert [event for event, _ in watcher.seen] == ["begins", "waits", "waits", "ok"]


async def test_retryable_checks_share_one_deadline() -> None:
    began = time.monotonic()
    run = await run_all(*(check(f"down-{n}", Fail("no"), retry=True) for n in range(5)), wait=0.5)
    assert time.monotonic() - began < 2.0
    assert set(results(run).values()) == {Result.FAILED}
    assert run.results[0].seconds >= 0.5
    assert all(found.seconds < 0.4 for found in run.results[1:])


@pytest.mark.parametrize(
    ("outcome", "retry"),
    [(Fail("no"), False), (Skip("no"), True), (KeyError("x"), True)],
    ids=["not-retryable", "skipped", "crashed"],
)
async def test_nothing_else_is_tried_again(outcome: Outcome | Exception, retry: bool) -> None:
    watcher = Watcher()
    await run_all(check("once", outcome, retry=retry), wait=5, watcher=watcher)
    assert "waits" not in [event for event, _ in watcher.seen]
