"""Everything that was read in one run, and what belongs to what."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from stigmer_ops.monitoring.lint.model import Counts
from stigmer_ops.monitoring.lint.promql.inference import Recorded
from stigmer_ops.monitoring.lint.promql.syntax import Range
from stigmer_ops.monitoring.lint.sources.dashboards import Dashboard, dashboard
from stigmer_ops.monitoring.lint.sources.expression import Expression
from stigmer_ops.monitoring.lint.sources.files import FileKind, SourceFile, read_file
from stigmer_ops.monitoring.lint.sources.pages import Page
from stigmer_ops.monitoring.lint.sources.rule_files import Rule, RuleFile, rule_file
from stigmer_ops.monitoring.lint.sources.test_files import TestFile, test_file

_LAST_PART = re.compile(r"[#/]([^#/?]+?)(?:\.md|\.html)?/?(?:[?#].*)?$")


@dataclass
class Project:
    """What was read.

    Attributes:
        sources: Every file.
        rule_files: Those with rules.
        test_files: Those with rule tests.
        dashboards: Those with dashboards.
        pages: Runbook pages.
    """

    sources: list[SourceFile] = field(default_factory=list)
    rule_files: list[RuleFile] = field(default_factory=list)
    test_files: list[TestFile] = field(default_factory=list)
    dashboards: list[Dashboard] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def add(self, source: SourceFile) -> None:
        """Add a file."""
        self.sources.append(source)
        match source.kind:
            case FileKind.RULES if source.documents:
                self.rule_files.append(rule_file(source))
            case FileKind.TESTS:
                tests = test_file(source)
                self.test_files += [tests] if tests else []
            case FileKind.DASHBOARD:
                found = dashboard(source)
                self.dashboards += [found] if found else []
            case FileKind.PAGE:
                self.pages.append(Page(source))

    @property
    def rules(self) -> Iterator[Rule]:
        """Every rule."""
        return (rule for file in self.rule_files for rule in file.rules)

    @cached_property
    def alerts(self) -> Mapping[str, list[Rule]]:
        """Alert name to the rules that have it."""
        found: dict[str, list[Rule]] = defaultdict(list)
        for rule in self.rules:
            if rule.is_alert and rule.key:
                found[rule.key].append(rule)
        return found

    @cached_property
    def recordings(self) -> dict[str, tuple[Recorded, ...]]:
        """Recorded name to what records it."""
        found: dict[str, tuple[Recorded, ...]] = {}
        for rule in self.rules:
            if not rule.is_alert and rule.expression and rule.expression.root is not None:
                recorded = Recorded(rule.expression.root, rule.label_texts)
                found[rule.key] = (*found.get(rule.key, ()), recorded)
        return found

    @cached_property
    def recorded_by(self) -> Mapping[str, list[Rule]]:
        """Recorded name to the rules that record it."""
        found: dict[str, list[Rule]] = defaultdict(list)
        for rule in self.rules:
            if not rule.is_alert and rule.key:
                found[rule.key].append(rule)
        return found

    def same_name(self, rule: Rule) -> list[Rule]:
        """The rules before it of the same kind and name."""
        same = (self.alerts if rule.is_alert else self.recorded_by).get(rule.key, [])
        return same[: same.index(rule)] if rule in same else []

    @property
    def expressions(self) -> Iterator[Expression]:
        """Every expression, of rules, panels and pages."""
        for rule in self.rules:
            if rule.expression:
                yield rule.expression
        for found in self.dashboards:
            yield from (target.expression for target in found.targets if target.expression)
        for page in self.pages:
            yield from page.expressions

    @cached_property
    def ranges_of_alerts(self) -> frozenset[tuple[str, timedelta]]:
        """Metric and length of every range in an alert's expression."""
        return frozenset(
            (visited.node.selector.name, visited.node.length)
            for rule in self.rules
            if rule.is_alert and rule.expression
            for visited in rule.expression.nodes
            if isinstance(visited.node, Range)
        )

    @cached_property
    def pages_by_alert(self) -> Mapping[str, list[Page]]:
        """Alert name, in small letters, to the pages that are named after it."""
        found: dict[str, list[Page]] = defaultdict(list)
        names = {name.lower() for name in self.alerts}
        for page in self.pages:
            words = {page.stem.lower()} | {
                word.lower() for heading in page.headings for word in _words(heading.text)
            }
            for name in words & names:
                found[name].append(page)
        return found

    def pages_of(self, alert: Rule) -> list[Page]:
        """The pages that an alert's link, or its name, leads to."""
        url = alert.annotations.get("runbook_url")
        wanted = {alert.key.lower()}
        if url is not None and (match := _LAST_PART.search(url.text)):
            wanted.add(match[1].lower())
        by_stem = [page for page in self.pages if page.stem.lower() in wanted]
        return by_stem or self.pages_by_alert.get(alert.key.lower(), [])

    @cached_property
    def alert_page_folders(self) -> set[Path]:
        """The folders in which the pages are named after alerts."""
        names = {name.lower() for name in self.alerts}
        return {Path(p.path).parent for p in self.pages if p.stem.lower() in names}

    @cached_property
    def dashboards_by_uid(self) -> Mapping[str, Dashboard]:
        """Dashboard uid to the dashboard."""
        return {found.uid: found for found in self.dashboards if found.uid}

    @cached_property
    def tested(self) -> Mapping[str, set[bool]]:
        """Alert name to whether tests have it fire, stay quiet, or both."""
        found: dict[str, set[bool]] = defaultdict(set)
        for file in self.test_files:
            for expected in file.expectations:
                found[expected.alert].add(expected.fires)
        return found

    def rules_of(self, file: TestFile) -> list[Rule]:
        """The rules that a test file loads, read now if they were not given."""
        wanted = [path for _, paths in file.rule_files for path in paths]
        return [rule for path in wanted for rule in self._rules_at(path.resolve())]

    def _rules_at(self, path: Path) -> list[Rule]:
        if path not in self._rules_by_path:
            source = read_file(path, named=False)
            loaded = source.kind is FileKind.RULES and source.documents
            self._rules_by_path[path] = list(rule_file(source).rules) if loaded else []
        return self._rules_by_path[path]

    @cached_property
    def _rules_by_path(self) -> dict[Path, list[Rule]]:
        return {Path(file.path).resolve(): list(file.rules) for file in self.rule_files}

    def counts(self) -> Counts:
        """How much was read."""
        rules = list(self.rules)
        alerts = sum(rule.is_alert for rule in rules)
        return Counts(
            files=len(self.sources),
            rule_files=len(self.rule_files),
            groups=sum(len(file.groups) for file in self.rule_files),
            alerts=alerts,
            recordings=len(rules) - alerts,
            test_files=len(self.test_files),
            tests=sum(len(file.tests) for file in self.test_files),
            dashboards=len(self.dashboards),
            panels=sum(len(found.panels) for found in self.dashboards),
            pages=len(self.pages),
            other_files=sum(source.kind is FileKind.OTHER for source in self.sources),
        )


def project_of(sources: Iterable[SourceFile]) -> Project:
    """The project that the files make up."""
    found = Project()
    for source in sources:
        found.add(source)
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)
