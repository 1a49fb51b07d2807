"""How checks look: each printed as it ends, for people; and their records, for programs."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from stigmer_ops.procedures.checks.check import Category, Check, CheckResult, Result
from stigmer_ops.procedures.checks.runner import CheckRun
from stigmer_ops.render.output import console, write_line
from stigmer_ops.render.text import visible

MARKS = {
    Result.OK: "√",
    Result.WARNING: "‼",
    Result.FAILED: "×",  # noqa: RUF001 - the sign is meant
    Result.SKIPPED: "-",
}
INDENT = "   "
ASCII_MARKS = {Result.OK: "ok", Result.WARNING: "!!", Result.FAILED: "x", Result.SKIPPED: "-"}
STYLES = {
    Result.OK: "green",
    Result.WARNING: "yellow",
    Result.FAILED: "bold red",
    Result.SKIPPED: "dim",
}


def run_record(run: CheckRun) -> dict[str, Any]:
    """The whole run, ready for JSON."""
    return {
        "success": run.success,
        "counts": {str(result): run.count(result) for result in Result},
        "categories": [
            {"id": category.id, "checks": [result_record(result) for result in results]}
            for category, results in run.by_category()
        ],
    }


def result_record(result: CheckResult) -> dict[str, Any]:
    """One check, ready for JSON. `detail` is what was seen, the cause, or why it was skipped."""
    check = result.check
    return {
        "id": check.id,
        "sentence": check.sentence,
        "result": str(result.result),
        "detail": result.detail or None,
        "hint": result.hint or None,
        "reference": result.reference or None,
        "page": check.page,
        "seconds": round(result.seconds, 3),
    }


class Silent:
    """Watches a run of which only the end is told."""

    def begins(self, check: Check[Any]) -> None:
        """Say nothing."""

    def waits(self, result: CheckResult) -> None:
        """Say nothing."""

    def ended(self, result: CheckResult) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing is left on the screen."""


class Counting(Silent):
    """Counts checks as they end, for a progress bar."""

    def __init__(self) -> None:
        self.count = 0

    def ended(self, result: CheckResult) -> None:  # noqa: ARG002 - as Observer has it
        """Count it."""
        self.count += 1


class Lines(Silent):
    """Writes each check as a line of JSON as it ends."""

    def ended(self, result: CheckResult) -> None:
        """Write it."""
        write_line("Check", {"category": result.check.category.id, **result_record(result)})


class Page:
    """Prints each check as it ends; what runs meanwhile shows on standard error.

    Args:
        stream: Where to print.
        progress: Whether to show what is running.
    """

    def __init__(self, stream: TextIO | None = None, *, progress: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._console = console(self._stream)
        self._marks = MARKS if self._shows("".join(MARKS.values())) else ASCII_MARKS
        self._category: Category | None = None
        self._skipped: list[CheckResult] = []
        self._status = Status("", console=Console(stderr=True)) if progress else None

    def begins(self, check: Check[Any]) -> None:
        """Show what is being checked."""
        self._show(f"checking: {check.sentence}")

    def waits(self, result: CheckResult) -> None:
        """Show what is being waited for."""
        cause = result.detail.partition("\n")[0]
        self._show(f"waiting: {result.check.sentence} ({cause})")

    def ended(self, result: CheckResult) -> None:
        """Print a check, under its category's heading if it is the first of it.

        Those that are skipped wait for the next: many of a category may be for the same reason.
        """
        if self._skipped and not _skipped_alike(self._skipped[0], result):
            self._print_skipped()
        if result.result is Result.SKIPPED:
            self._skipped.append(result)
        else:
            self._print(result)

    def close(self) -> None:
        """Leave the screen as it was found, also where a run breaks off."""
        self._print_skipped()
        self._stop_status()

    def summary(self, run: CheckRun) -> None:
        """Print how it went as a whole."""
        self._print_skipped()
        counts = [(run.count(result), result) for result in Result]
        said = ", ".join(f"{count} {result}" for count, result in counts if count)
        worst = Result.OK if run.success else Result.FAILED
        text = f"{len(run.results)} checks: {said}"
        self._console.print()
        self._line(self._marks[worst], text, STYLES[worst])

    def _head(self, category: Category) -> None:
        if self._category is not None:
            self._console.print()
        self._category = category
        self._console.print(Text(category.title, style="bold"))
        self._console.print(Text("-" * len(category.title), style="dim"))

    def _print_skipped(self) -> None:
        """Print the checks that are skipped for one reason: as one, with their ids below."""
        skipped, self._skipped = self._skipped, []
        if len(skipped) == 1:
            self._print(skipped[0])
        elif skipped:
            self._begin(skipped[0])
            reason = f"{len(skipped)} checks are skipped: {skipped[0].detail}"
            self._line(self._marks[Result.SKIPPED], reason, STYLES[Result.SKIPPED])
            self._line(INDENT, ", ".join(result.check.id for result in skipped), "dim")
            self._stream.flush()

    def _print(self, result: CheckResult) -> None:
        self._begin(result)
        quiet = result.result in (Result.OK, Result.SKIPPED)
        said = result.check.sentence
        if quiet and result.detail:
            reason = "skipped: " if result.result is Result.SKIPPED else ""
            said += f" ({reason}{result.detail})"
        self._line(self._marks[result.result], said, STYLES[result.result])
        if not quiet:
            self._print_trouble(result)
        self._stream.flush()

    def _print_trouble(self, result: CheckResult) -> None:
        for line in result.detail.splitlines():
            self._line(INDENT, line)
        if result.hint:
            self._line(INDENT, f"next: {result.hint}")
        self._line(INDENT, f"help: stigmer-ops runbook show {result.check.id}")

    def _begin(self, result: CheckResult) -> None:
        self._stop_status()
        if result.check.category != self._category:
            self._head(result.check.category)

    def _line(self, mark: str, text: str, style: str = "") -> None:
        """Print the mark, and beside it the text, whose further lines begin below its first."""
        body = self._text(text, style if style == "dim" else "")
        width = self._console.width - len(mark) - 1
        for number, part in enumerate(body.wrap(self._console, width, overflow="fold")):
            before = Text(" " * len(mark)) if number else Text(mark, style)
            self._console.print(Text.assemble(before, " ", part))

    def _text(self, text: str, style: str = "") -> Text:
        shown = visible(text)
        if not self._shows(shown):
            encoding = self._stream.encoding or "ascii"
            shown = shown.encode(encoding, "backslashreplace").decode(encoding)
        return Text(shown, style=style, overflow="fold")

    def _shows(self, text: str) -> bool:
        """Whether the stream's encoding has all of a text's characters."""
        try:
            text.encode(self._stream.encoding or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def _stop_status(self) -> None:
        if self._status is not None:
            self._status.stop()

    def _show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(Text(visible(text), "dim", no_wrap=True, overflow="ellipsis"))
            self._status.start()


def _skipped_alike(one: CheckResult, other: CheckResult) -> bool:
    """Whether two checks are skipped for one reason, in the same category."""
    return (one.result, one.detail, one.check.category) == (
        other.result,
        other.detail,
        other.check.category,
    )
