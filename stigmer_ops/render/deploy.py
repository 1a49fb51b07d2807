"""How a deployment looks before, while it is watched, and when it is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stigmer_ops.procedures.checks.check import Result
from stigmer_ops.render.output import Record, write_line, write_text
from stigmer_ops.render.tables import Cell, Column, FittedTable, table_of
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from stigmer_ops.procedures.checks.runner import CheckRun
    from stigmer_ops.procedures.deployment.sample import Measure, Sample
    from stigmer_ops.procedures.deployment.snapshot import Snapshot
    from stigmer_ops.procedures.deployment.watched import Standing, Verification

Show = Callable[["Sample", "Verification"], None]

NO_DATA = "no data"
"""What a person reads of a limit that holds for want of anything by which to judge it."""

STYLES = {"holds": "green", "broken": "bold red", "unknown": "yellow", NO_DATA: "yellow"}


# --- Before ---------------------------------------------------------------------------------------


def preflight_record(run: CheckRun, snapshot: Snapshot | None) -> Record:
    """Go or no-go, ready for JSON."""
    return {
        "go": run.success,
        "reasons": _reasons(run, Result.FAILED),
        "warnings": _reasons(run, Result.WARNING),
        "snapshot": None if snapshot is None else snapshot.record(),
    }


def _reasons(run: CheckRun, result: Result) -> list[str]:
    """What did not hold, each with its first cause."""
    found = [one for one in run.results if one.result is result]
    return [f"{one.check.id}: {one.detail.partition(chr(10))[0]}" for one in found]


def preflight_lines(console: Console, run: CheckRun, snapshot: Snapshot | None) -> None:
    """Go or no-go, and why, below the checks."""
    from rich.text import Text  # noqa: PLC0415 - JSON output does without Rich

    console.print()
    console.print(Text("GO", "bold green") if run.success else Text("NO-GO", "bold red"))
    for reason in _reasons(run, Result.FAILED):
        console.print(Text(f"  {visible(reason)}"))
    for warning in _reasons(run, Result.WARNING):
        console.print(Text(f"  for you to judge: {visible(warning)}", "yellow"))
    if snapshot is not None:
        told = f"  pending: {snapshot.pending}"
        told += "".join(f", {name} at revision {at}" for name, at in snapshot.revisions.items())
        console.print(Text(visible(told), "dim"))


# --- While it is watched --------------------------------------------------------------------------


def sample_record(sample: Sample, verification: Verification) -> Record:
    """One sample and what it means, ready for JSON."""
    handshakes = sample.handshakes
    return {
        "time": rfc3339(sample.time),
        "ended": _value(handshakes.ended),
        "error_ratio": _value(handshakes.error_ratio),
        "failure_ratio": _value(handshakes.failure_ratio),
        "completion_p99_seconds": _value(handshakes.completion_p99),
        "pending": _value(sample.pending),
        "critical_alerts": None if sample.alerts is None else list(sample.alerts),
        "limits": [
            standing_record(one, verification, sample.time) for one in verification.standings
        ],
    }


def _value(measure: Measure) -> float | None:
    return None if measure.value is None else round(measure.value, 6)


def standing_record(standing: Standing, verification: Verification, now: datetime) -> Record:
    """One limit, ready for JSON."""
    watched = standing.watched
    return {
        "id": watched.id,
        "sentence": watched.sentence(verification.terms),
        "rolls_back": watched.trigger,
        "state": standing.judged.state.value,
        "measured": standing.judged.informed,
        "seen": standing.judged.seen,
        "broken_seconds": seconds(standing.broken_for(now)),
        "patience_seconds": seconds(watched.patience(verification.terms)),
        "exhausted": standing.exhausted,
    }


@contextmanager
def json_lines() -> Iterator[Show]:
    """A line of JSON for each sample."""

    def show(sample: Sample, verification: Verification) -> None:
        write_line("DeploymentSample", sample_record(sample, verification))

    yield show


@contextmanager
def silent() -> Iterator[Show]:
    """Nothing before the end."""
    yield lambda _sample, _verification: None


@contextmanager
def plain_lines() -> Iterator[Show]:
    """A line for each sample, for a pipe or a log."""

    def show(sample: Sample, verification: Verification) -> None:
        write_text(f"{rfc3339(sample.time)} {sample_text(sample, verification)}\n")

    yield show


def sample_text(sample: Sample, verification: Verification) -> str:
    """What is broken or not known, or else the numbers."""
    told = []
    for standing in verification.standings:
        state = standing.judged.state.value
        if state == "holds" and standing.watched.trigger:
            continue
        lasting = short_duration(standing.broken_for(sample.time))
        what = f" BROKEN for {lasting}" if state == "broken" else " unknown"
        mark = "" if state == "holds" else what
        told.append(f"{standing.watched.id}{mark}: {visible(standing.judged.seen)}")
    return ", ".join(told)


@contextmanager
def screen(until: datetime) -> Iterator[Show]:
    """The limits in a table that is drawn over itself."""
    from rich.console import Group  # noqa: PLC0415 - JSON output does without Rich
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from stigmer_ops.render.output import console  # noqa: PLC0415

    with Live(console=console(), auto_refresh=False, vertical_overflow="visible") as live:

        def show(sample: Sample, verification: Verification) -> None:
            left = short_duration(max(until - sample.time, timedelta(0)))
            head = Text(f"{left} left", "bold")
            head.append(f"  {rfc3339(sample.time)}, Ctrl-C ends", style="not bold dim")
            live.update(Group(head, limits_table(verification, sample.time)), refresh=True)

        yield show


def limits_table(verification: Verification, now: datetime) -> FittedTable:
    """Every limit: whether it holds, and what was seen."""
    rows: list[list[Cell]] = []
    for standing in verification.standings:
        judged, watched = standing.judged, standing.watched
        state = judged.state.value if judged.measured else NO_DATA
        lasting = standing.broken_for(now)
        patience = short_duration(watched.patience(verification.terms))
        broken = f"{short_duration(lasting)} of {patience}" if standing.since else ""
        rows.append(
            [
                (state, STYLES[state]),
                [(watched.sentence(verification.terms), ""), (judged.seen, "dim")],
                (broken, "bold red" if standing.exhausted else ""),
                ("rolls back" if watched.trigger else "fails", "dim"),
            ]
        )
    columns = [Column("STATE", fold=False), Column("WHAT, AND WHAT IS SEEN")]
    return table_of([*columns, Column("BROKEN FOR"), Column("ELSE", fold=False)], rows)


# --- When it is decided ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a verification ended.

    Attributes:
        verification: Every limit as it stands.
        started: When the watch began.
        ended: When it ended.
        source: Who said how the handshakes ended.
        smoke: What the canary found; None where none was sent.
        smoke_failure: Why it did not come through; empty if it did.
        sample: The last one; None where none was taken.
        rollback: The commands of the rollback, where there is one to be made.
        steps: The steps of the rollback, where it was run.
        may_be_quiet: Whether limits of which nothing was measured are passed over.
    """

    verification: Verification
    started: datetime
    ended: datetime
    source: str
    smoke: Record | None
    smoke_failure: str
    sample: Sample | None
    rollback: Sequence[str] = ()
    steps: Sequence[Record] = ()
    may_be_quiet: bool = False

    @property
    def passed(self) -> bool:
        """Whether everything held, and is known to."""
        return not (self.bad or self.verification.unknown or self.unjudged)

    @property
    def bad(self) -> bool:
        """Whether anything did not hold."""
        found = self.verification
        return bool(self.smoke_failure or found.triggered or found.broken)

    @property
    def unjudged(self) -> tuple[Standing, ...]:
        """The limits of which nothing was measured, where that matters."""
        quiet = self.may_be_quiet or self.sample is None
        return () if quiet else self.verification.unjudged

    @property
    def reasons(self) -> list[str]:
        """Why not, a clause each."""
        found = self.verification
        told = [f"smoke test: {self.smoke_failure}"] if self.smoke_failure else []
        told += [_reason(one, "rolls back") for one in found.triggered]
        told += [_reason(one, "does not hold") for one in found.broken]
        if self.sample is not None:
            told += [_reason(one, "is not known") for one in found.unknown]
        if not self.bad:
            told += [_reason(one, "was not judged") for one in self.unjudged]
        return told


def _reason(standing: Standing, how: str) -> str:
    return f"{standing.watched.id} {how}: {standing.judged.seen}"


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """How it ended, ready for JSON."""
    found = outcome.verification
    return {
        "passed": outcome.passed,
        "reasons": outcome.reasons,
        "unjudged": [one.watched.id for one in outcome.unjudged],
        "triggered": [one.watched.id for one in found.triggered],
        "started": rfc3339(outcome.started),
        "ended": rfc3339(outcome.ended),
        "source": outcome.source,
        "samples": found.samples,
        "before": found.terms.before.record(),
        "smoke": outcome.smoke,
        "last": None if outcome.sample is None else sample_record(outcome.sample, found),
        "rollback": {
            "wanted": bool(found.triggered),
            "commands": list(outcome.rollback),
            "executed": bool(outcome.steps),
            "steps": list(outcome.steps),
        },
    }


def outcome_page(console: Console, outcome: Outcome, *, table: bool) -> None:
    """How it ended, for people; with the table of limits where it was not on the screen before."""
    from rich.text import Text  # noqa: PLC0415 - JSON output does without Rich

    found = outcome.verification
    if table and outcome.sample is not None:
        console.print(limits_table(found, outcome.sample.time))
        console.print()
    if outcome.passed:
        lasted = short_duration(outcome.ended - outcome.started)
        console.print(Text(f"the deployment is well: watched for {lasted}", "bold green"))
        return
    console.print(_head(outcome))
    for reason in outcome.reasons:
        console.print(Text(f"  {visible(reason)}"))
    if not outcome.bad and outcome.unjudged:
        console.print("  watch for longer (--for), or take it for well with --may-be-quiet")
    if outcome.rollback and not outcome.steps:
        console.print("  to roll back:" if found.triggered else "  if you decide to roll back:")
        for line in outcome.rollback:
            console.print(Text(f"    {visible(line)}"), soft_wrap=True)


def _head(outcome: Outcome) -> Text:
    from rich.text import Text  # noqa: PLC0415 - JSON output does without Rich

    if outcome.verification.triggered:
        return Text("ROLL BACK", "bold red")
    if outcome.bad or not outcome.unjudged:
        return Text("the deployment is not well", "bold red")
    lasted = short_duration(outcome.ended - outcome.started)
    return Text(f"nothing was seen by which to judge: watched for {lasted}", "bold yellow")
