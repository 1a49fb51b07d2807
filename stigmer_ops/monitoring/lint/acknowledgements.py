"""Findings that somebody has looked at and accepted, for a time and a reason.

    # ack counter-without-rate until=2027-03-01 reason=it is reset by the job itself

A comment holds for what it stands in or directly above: a rule, a group, or at the head of the file
all of it. Without a date, or after it, and without a reason, it holds for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from stigmer_ops.monitoring.lint.model import (
    Finding,
    LintRule,
    Place,
    Problem,
    Severity,
    Subject,
)
from stigmer_ops.monitoring.lint.project import Project
from stigmer_ops.monitoring.lint.sources.files import FileKind, SourceFile

_COMMENT = re.compile(r"(?:^|[ \t])(?:#|<!--)[ \t]{0,9}ack[ \t]+([^\n]*)$", re.MULTILINE)
_FORM = re.compile(
    r"(?P<ids>[\w,-]+)(?:[ \t]+until=(?P<until>\S+))?(?:[ \t]+reason=(?P<reason>.+))?"
)
FORM = "# ack ID until=YYYY-MM-DD reason=why it is right here"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A comment that accepts findings.

    Attributes:
        path: The file.
        place: Of the comment.
        ids: The lint rules.
        span: The lines that it holds for.
        error: Why it does not hold; empty if it does.
        expired: Whether its time is over.
    """

    path: str
    place: Place
    ids: frozenset[str]
    span: tuple[int, int]
    error: str = ""
    expired: bool = False

    @property
    def name(self) -> str:
        """A comment has no name."""
        return ""

    def covers(self, finding: Finding) -> bool:
        """Whether it accepts a finding."""
        return (
            not self.error
            and not self.expired
            and finding.path == self.path
            and finding.rule in self.ids
            and self.span[0] <= finding.line <= self.span[1]
        )


def acknowledgements(project: Project, known: Iterable[str], today: date) -> list[Acknowledgement]:
    """Every acknowledgement in the files that were read."""
    ids = frozenset(known)
    spans = _spans(project)
    return [
        found
        for source in project.sources
        if source.kind is not FileKind.OTHER and "ack" in source.text
        for found in _in_file(source, spans.get(source.path, []), ids, today)
    ]


def _in_file(
    source: SourceFile, spans: list[tuple[int, int]], known: frozenset[str], today: date
) -> Iterator[Acknowledgement]:
    for match in _COMMENT.finditer(source.text):
        line = source.text.count("\n", 0, match.start(1)) + 1
        column = match.start(1) - source.text.rfind("\n", 0, match.start(1))
        form = _FORM.fullmatch(match[1].rstrip().removesuffix("-->").strip())
        ids = frozenset(form["ids"].split(",")) if form else frozenset()
        error = _error(form, ids, known)
        until = None if error or form is None else date.fromisoformat(form["until"])
        yield Acknowledgement(
            source.path,
            Place(line, column),
            ids,
            _held(source, spans, line),
            error,
            expired=until is not None and until < today,
        )


def _error(form: re.Match[str] | None, ids: frozenset[str], known: frozenset[str]) -> str:
    if form is None:
        return "it is not of the form"
    unknown = sorted(ids - known)
    if unknown:
        return f"there is no lint rule {', '.join(unknown)}"
    if not form["until"]:
        return "it has no end: until="
    if not form["reason"]:
        return "it has no reason: reason="
    try:
        date.fromisoformat(form["until"])
    except ValueError:
        return f"{form['until']} is no date"
    return ""


def _spans(project: Project) -> Mapping[str, list[tuple[int, int]]]:
    """By file, the lines of each rule, group and panel, the smallest first."""
    found: dict[str, list[tuple[int, int]]] = {}
    subjects: list[Subject] = [
        *(group for file in project.rule_files for group in file.groups),
        *project.rules,
        *(panel for dashboard in project.dashboards for panel in dashboard.panels),
    ]
    for subject in subjects:
        found.setdefault(subject.path, []).append(subject.span)
    return {
        path: sorted(spans, key=lambda span: span[1] - span[0]) for path, spans in found.items()
    }


def _held(source: SourceFile, spans: list[tuple[int, int]], line: int) -> tuple[int, int]:
    """What a comment on this line holds for."""
    lines = source.text.split("\n")
    following = line
    if lines[line - 1].lstrip().startswith(("#", "<!--")):
        while following < len(lines) and lines[following - 1].lstrip().startswith(("#", "<!--")):
            following += 1
    starting = [span for span in spans if span[0] == following]
    if starting and following != line:
        return max(starting, key=lambda span: span[1] - span[0])
    holding = [span for span in spans if span[0] <= line <= span[1]]
    return holding[0] if holding else source.span


def applied(
    findings: Iterable[Finding], found: list[Acknowledgement]
) -> tuple[list[Finding], list[Finding], set[Acknowledgement]]:
    """Findings that stay, those that are acknowledged, and which acknowledgements did it."""
    stay: list[Finding] = []
    accepted: list[Finding] = []
    used: set[Acknowledgement] = set()
    for finding in findings:
        holding = [ack for ack in found if ack.covers(finding)]
        (accepted if holding else stay).append(finding)
        used.update(holding)
    return stay, accepted, used


def on_themselves(
    found: list[Acknowledgement], used: set[Acknowledgement], finding: Callable[..., Finding]
) -> Iterator[Finding]:
    """What is wrong with acknowledgements: invalid, expired, or of no use."""
    for ack in found:
        ids = ", ".join(sorted(ack.ids))
        if ack.error:
            yield finding(
                INVALID, ack, Problem(f"{ack.error}, so that it holds for nothing", ack.place, FORM)
            )
        elif ack.expired:
            message = f"the acknowledgement of {ids} has ended: look at it again"
            yield finding(EXPIRED, ack, Problem(message, ack.place))
        elif ack not in used:
            message = f"there is nothing to acknowledge: {ids} finds nothing here"
            yield finding(UNUSED, ack, Problem(message, ack.place, "remove the comment"))


def _nothing(_subject: Acknowledgement, _context: object) -> Iterator[Problem]:
    return iter(())


INVALID = LintRule(
    "ack-invalid",
    Severity.ERROR,
    "An acknowledgement holds for nothing.",
    f"It is written as `{FORM}`; several ids are separated by commas. The date and the reason are "
    "not optional: what is accepted for ever and without a reason is forgotten.",
    Acknowledgement,
    _nothing,
)
EXPIRED = replace(
    INVALID,
    id="ack-expired",
    severity=Severity.WARNING,
    title="An acknowledgement has ended.",
    explanation="Its date is past: what it accepted is reported again. Look at it, and mend it or "
    "set a new date.",
)
UNUSED = replace(
    INVALID,
    id="ack-unused",
    severity=Severity.INFO,
    title="An acknowledgement accepts what is not there.",
    explanation="The finding is gone, or the comment is in the wrong place: it holds for the rule, "
    "group or file that it stands in or directly above.",
)
