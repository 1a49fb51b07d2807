"""Runs checks in order, whatever becomes of each, and tells an observer as they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, Protocol

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.procedures.checks.check import (
    Category,
    Check,
    CheckResult,
    ContextT,
    Fail,
    Ok,
    Outcome,
    Result,
    Skip,
    Warn,
)

RETRY_SECONDS = 1.0
"""Between two tries of a check that `--wait` tries again."""

CRASHED = "check-crashed"
"""Reference of a check that raised something other than a person's error."""


class Observer(Protocol):
    """Told what happens while it happens."""

    def begins(self, check: Check[Any]) -> None:
        """A check is about to run."""

    def waits(self, result: CheckResult) -> None:
        """A check did not hold and will be tried again."""

    def ended(self, result: CheckResult) -> None:
        """A check has its result."""


@dataclass(frozen=True, slots=True)
class Selected(Generic[ContextT]):
    """A check that was chosen, with the reason not to run it if there is one."""

    check: Check[ContextT]
    skip: str = ""


def select(
    checks: Sequence[Check[ContextT]],
    *,
    categories: frozenset[str] = frozenset(),
    opted_in: frozenset[str] = frozenset(),
    offline: bool = False,
) -> list[Selected[ContextT]]:
    """Choose the checks to run, in the registry's order.

    Args:
        checks: The registry.
        categories: Ids of those wanted; none for all that are not opt-in. The fatal checks of the
            categories on which they depend come along: they say why the others cannot run.
        opted_in: Ids of opt-in categories that are wanted besides.
        offline: Whether to leave out what needs a system; it is kept, to be shown as skipped.
    """

    def wanted(category: Category) -> bool:
        if category.id in categories | opted_in:
            return True
        return not categories and not category.opt_in

    needed = {
        before for check in checks if wanted(check.category) for before in check.category.after
    }
    return [
        Selected(check, _offline_reason(check) if offline else "")
        for check in checks
        if wanted(check.category) or (check.fatal and check.category.id in needed)
    ]


def _offline_reason(check: Check[Any]) -> str:
    return f"needs {' and '.join(sorted(check.needs))} (--offline)" if check.needs else ""


@dataclass(slots=True)
class CheckRun:
    """The results so far, in order."""

    results: list[CheckResult] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether no check failed."""
        return not self.count(Result.FAILED)

    def count(self, result: Result) -> int:
        """How many checks ended so."""
        return sum(1 for found in self.results if found.result is result)

    def by_category(self) -> Iterator[tuple[Category, list[CheckResult]]]:
        """The results of each category, in order."""
        for category in dict.fromkeys(found.check.category for found in self.results):
            yield category, [found for found in self.results if found.check.category == category]


async def run_checks(
    selected: Sequence[Selected[ContextT]],
    context: ContextT,
    *,
    wait: timedelta = timedelta(0),
    observer: Observer,
) -> CheckRun:
    """Run the selected checks.

    Args:
        selected: What to run.
        context: Whom the checks ask.
        wait: How long all retryable checks together may wait until they hold.
        observer: Told of everything.

    Returns:
        All results; no check can end the run.
    """
    run = CheckRun()
    deadline = time.monotonic() + wait.total_seconds()
    stopped_by: dict[str, Check[Any]] = {}
    for one in selected:
        stopper = _stopper(one.check.category, stopped_by)
        reason = one.skip or (f"{stopper.id} failed" if stopper else "")
        if reason:
            result = CheckResult(one.check, Result.SKIPPED, reason)
        else:
            observer.begins(one.check)
            result = await _settled(one.check, context, deadline, observer)
        if one.check.fatal and result.result is Result.FAILED:
            stopped_by[one.check.category.id] = one.check
        run.results.append(result)
        observer.ended(result)
    return run


def _stopper(category: Category, stopped_by: dict[str, Check[Any]]) -> Check[Any] | None:
    """The failed fatal check that makes a category's checks pointless."""
    return next((stopped_by[id] for id in (*category.after, category.id) if id in stopped_by), None)


async def _settled(
    check: Check[ContextT], context: ContextT, deadline: float, observer: Observer
) -> CheckResult:
    began = time.monotonic()
    while True:
        result = replace(await _tried(check, context), seconds=time.monotonic() - began)
        left = deadline - time.monotonic()
        if not (check.retry and _may_still_hold(result)) or left <= 0:
            return result
        observer.waits(result)
        context.forget()
        await asyncio.sleep(min(RETRY_SECONDS, left))


def _may_still_hold(result: CheckResult) -> bool:
    return result.result in (Result.WARNING, Result.FAILED) and result.crash is None


async def _tried(check: Check[ContextT], context: ContextT) -> CheckResult:
    try:
        return _result(check, await check.run(context))
    except StigmerOpsError as error:
        return CheckResult(
            check, Result.FAILED, error.happened, error.next_step or check.hint, error.reference
        )
    except Exception as error:  # noqa: BLE001 - the other checks are still worth running
        return CheckResult(
            check,
            Result.FAILED,
            f"the check itself crashed: {type(error).__name__}",
            "run it again with --debug and report the traceback",
            CRASHED,
            crash=error,
        )


def _result(check: Check[Any], outcome: Outcome) -> CheckResult:
    match outcome:
        case Ok(detail):
            return CheckResult(check, Result.OK, detail)
        case Skip(reason):
            return CheckResult(check, Result.SKIPPED, reason)
        case Warn(message, hint):
            return CheckResult(check, Result.WARNING, message, hint or check.hint)
        case Fail(message, hint, reference):
            urgent = check.severity is Severity.CRITICAL
            return CheckResult(
                check,
                Result.FAILED if urgent else Result.WARNING,
                message,
                hint or check.hint,
                reference if urgent else "",
            )
