"""One run: every rule on every subject, then what is acknowledged or known before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from stigmer_ops.errors import UsageError
from stigmer_ops.monitoring.lint.acknowledgements import (
    acknowledgements,
    applied,
    on_themselves,
)
from stigmer_ops.monitoring.lint.baseline import split
from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.judge import Judge
from stigmer_ops.monitoring.lint.known import NOTHING, Known
from stigmer_ops.monitoring.lint.model import (
    AnyRule,
    Finding,
    Problem,
    Report,
    Severity,
    Subject,
)
from stigmer_ops.monitoring.lint.project import Project
from stigmer_ops.monitoring.lint.registry import RULES, rule_named
from stigmer_ops.monitoring.lint.sources.expression import Expression
from stigmer_ops.monitoring.promtool import Promtool

if TYPE_CHECKING:
    from stigmer_ops.monitoring.lint.live import Live

PAGE = "docs/lint.md"
_REFUSED_BY_PROMTOOL = frozenset(
    {
        *("file-syntax", "repeated-key", "unknown-field", "malformed-file", "malformed-rule"),
        *("reserved-label", "template-syntax", "promql-syntax"),
    }
)
"""What promtool says again, in its own words."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is told.

    Attributes:
        today: For acknowledgements that end.
        known: What is known of metrics.
        scrape_interval: How often targets are scraped.
        select: Ids, or beginnings of them, of the rules to run; empty: all.
        ignore: Ids, or beginnings of them, of rules to leave out.
        promtool: The judge of syntax, if there is one.
        baseline: Fingerprints of findings that are known before.
        generated: File name to the text of files that we generate.
        live: A running Prometheus to ask too.
    """

    today: date
    known: Known = NOTHING
    scrape_interval: timedelta = timedelta(seconds=15)
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    promtool: Promtool | None = None
    baseline: Counter[str] | None = None
    generated: Mapping[str, str] = field(default_factory=dict)
    live: Live | None = None


def lint(project: Project, options: Options) -> Report:
    """Run the rules on everything that was read.

    Raises:
        UsageError: A rule that is selected or ignored does not exist.
        UnavailableError: promtool, or Prometheus, cannot be asked.
    """
    rules = chosen(options)
    judge = Judge(options.promtool, project.rule_files, _outside_rule_files(project))
    context = Context(
        project,
        options.known,
        options.scrape_interval,
        options.today,
        judge,
        options.generated,
        options.live,
    )
    subjects = _subjects(project)
    findings: list[Finding] = []
    for judged in (False, True):
        for finding in _found((r for r in rules if r.judged is judged), subjects, context):
            findings.append(finding)
            if finding.rule in _REFUSED_BY_PROMTOOL:
                context.errors.setdefault(finding.path, set()).add(finding.line)
    return _reported(project, options, findings, judge)


def chosen(options: Options) -> list[AnyRule]:
    """The rules that are selected and not ignored.

    Raises:
        UsageError: None begins with what was given.
    """
    for wanted in (*options.select, *options.ignore):
        if not any(_is_meant(rule.id, wanted) for rule in RULES):
            rule_named(wanted)  # says what it may have been
    return [
        rule
        for rule in RULES
        if _is_chosen(rule.id, options) and (options.live is not None or not rule.online)
    ]


def _is_chosen(id: str, options: Options) -> bool:
    selected = not options.select or any(_is_meant(id, wanted) for wanted in options.select)
    return selected and not any(_is_meant(id, unwanted) for unwanted in options.ignore)


def _is_meant(id: str, wanted: str) -> bool:
    return id == wanted or id.startswith(f"{wanted}-")


def _outside_rule_files(project: Project) -> Iterator[Expression]:
    """Expressions that promtool does not see in a rule file."""
    native = {file.path for file in project.rule_files if file.native}
    return (found for found in project.expressions if found.path not in native and found.text)


def _subjects(project: Project) -> Mapping[type, Sequence[Subject]]:
    """Everything that rules look at, by its type."""
    found: dict[type, list[Any]] = defaultdict(list)
    every: Iterable[Any] = (
        *project.sources,
        *project.rule_files,
        *(group for file in project.rule_files for group in file.groups),
        *project.rules,
        *project.expressions,
        *project.test_files,
        *project.dashboards,
        *(panel for dashboard in project.dashboards for panel in dashboard.panels),
        *(target for dashboard in project.dashboards for target in dashboard.targets),
        *project.pages,
    )
    for subject in every:
        found[type(subject)].append(subject)
    return found


def _found(
    rules: Iterable[AnyRule], subjects: Mapping[type, Sequence[Subject]], context: Context
) -> Iterator[Finding]:
    for rule in rules:
        for subject in subjects.get(rule.subject, ()):
            for problem in _checked(rule, subject, context):
                yield finding_of(rule, subject, problem)


def _checked(rule: AnyRule, subject: Subject, context: Context) -> list[Problem]:
    try:
        return list(rule.check(subject, context))
    except RecursionError:
        # Recordings on recordings on recordings: each is shallow, all together are not.
        return [
            Problem(
                f"{rule.id} gave up: too much is nested in it",
                subject.place,
                severity=Severity.INFO,
            )
        ]


def finding_of(rule: AnyRule, subject: Subject, problem: Problem) -> Finding:
    """A problem of a subject as a finding of a rule."""
    return Finding(
        rule.id,
        problem.severity or rule.severity,
        subject.path,
        problem.place.line,
        problem.place.column,
        problem.message,
        problem.hint,
        f"{PAGE}#{rule.id}",
        subject.name,
    )


def _reported(project: Project, options: Options, findings: list[Finding], judge: Judge) -> Report:
    acks = acknowledgements(project, [rule.id for rule in RULES], options.today)
    stay, accepted, used = applied(dict.fromkeys(findings), acks)
    # Who runs a few rules only has not looked for what the others would find.
    own = [
        replace(finding, object="")
        for finding in on_themselves(acks, used, finding_of)
        if _is_chosen(finding.rule, options)
        and not (finding.rule == "ack-unused" and (options.select or options.ignore))
    ]
    stay, known = split([*stay, *own], baseline := Counter(options.baseline or ()))
    order = sorted(stay, key=lambda f: (f.path, f.line, f.column, f.rule, f.message))
    return Report(
        tuple(order),
        project.counts(),
        judge.name,
        tuple(accepted),
        tuple(known),
        sum(baseline.values()),
    )


__all__ = ["Options", "UsageError", "chosen", "finding_of", "lint"]
