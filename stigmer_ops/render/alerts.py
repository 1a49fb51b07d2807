"""How rule tests and mutation scores look to a person and to a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from stigmer_ops.render.tables import Cell, Column, table_of
from stigmer_ops.render.text import visible

if TYPE_CHECKING:
    from stigmer_ops.monitoring.mutation.reviews import Judged
    from stigmer_ops.monitoring.rule_tests.run import Report


def report_record(report: Report, judged: Judged | None) -> Mapping[str, Any]:
    """The whole report; `mutation` is null where nothing was mutated."""
    return {
        "passed": report.passed and (judged is None or judged.passed),
        "files": [
            {"path": file.path, "passed": not file.failures, "failures": list(file.failures)}
            for file in report.files
        ],
        "holes": [
            {"kind": hole.kind, "path": str(hole.path), "message": hole.message}
            for hole in report.holes
        ],
        "alerts": [
            {
                "alert": alert.alert,
                "file": str(alert.file),
                "tested_to_fire": alert.fires,
                "tested_to_be_quiet": alert.quiet,
            }
            for alert in report.coverage
        ],
        "mutation": None if judged is None else _mutation_record(judged),
    }


def _mutation_record(judged: Judged) -> Mapping[str, Any]:
    return {
        "passed": judged.passed,
        "mutants": sum(score.mutants for score in judged.scores),
        "killed": sum(score.killed for score in judged.scores),
        "rules": [
            {"rule": score.rule.name, "mutants": score.mutants, "killed": score.killed}
            for score in judged.scores
        ],
        "survivors": [
            {
                "rule": survivor.mutant.rule,
                "change": survivor.mutant.change,
                "reason": survivor.reason,
            }
            for survivor in judged.survivors
        ],
        "stale_reviews": [
            {"rule": review.rule, "change": review.change} for review in judged.stale
        ],
    }


def report_table(console: Console, report: Report, judged: Judged | None) -> None:
    """Files with their results, what failed, what is not tested, and the mutation scores."""
    rows: list[list[Cell]] = [
        [file.path, ("failed", "red") if file.failures else ("passed", "green")]
        for file in report.files
    ]
    console.print(table_of([Column("FILE"), Column("TESTS")], rows))
    for line in _problems(report):
        console.print(line, soft_wrap=True)
    tested = sum(alert.complete for alert in report.coverage)
    console.print(f"\n{tested} of {len(report.coverage)} alerts are tested to fire and to be quiet")
    if judged is not None:
        _mutation_table(console, judged)


def _problems(report: Report) -> Iterator[Text]:
    for file in report.files:
        for failure in file.failures:
            yield Text(f"\n{visible(file.path)}:", style="bold")
            yield from (Text(visible(line)) for line in failure.splitlines())
    for hole in report.holes:
        yield Text(f"{visible(str(hole.path))}: {visible(hole.message)} ({hole.kind})", style="red")
    for alert in report.coverage:
        if not alert.complete:
            side = "to fire" if not alert.fires else "to be quiet"
            yield Text(f"{visible(alert.alert)} is not tested {side}", style="red")


def _mutation_table(console: Console, judged: Judged) -> None:
    rows = [
        [
            score.rule.name,
            f"{score.killed}/{score.mutants}",
            f"{100 * score.killed / score.mutants:.0f}%" if score.mutants else "-",
        ]
        for score in judged.scores
    ]
    columns = [Column("RULE"), Column("NOTICED", "right", fold=False), Column("SCORE", "right")]
    console.print()
    console.print(table_of(columns, rows))
    mutants = sum(score.mutants for score in judged.scores)
    unexplained = [survivor for survivor in judged.survivors if survivor.reason is None]
    for survivor in unexplained:
        text = f"{survivor.mutant.rule}: {survivor.mutant.change}: no test notices"
        console.print(Text(visible(text), style="red"), soft_wrap=True)
    for review in judged.stale:
        text = f"{review.rule}: {review.change}: reviewed, but it is noticed or gone"
        console.print(Text(visible(text), style="red"), soft_wrap=True)
    console.print(
        f"\n{mutants - len(judged.survivors)} of {mutants} mutants are noticed, "
        f"{len(judged.survivors) - len(unexplained)} survivors are explained, "
        f"{len(unexplained)} are not"
    )
