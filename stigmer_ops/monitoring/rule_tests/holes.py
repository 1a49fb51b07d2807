"""What promtool passes over in silence: tests of nothing, and alerts that nothing tests.

promtool 2.42 only warns of a rule file that does not exist, and finds that an alert which does not
exist does not fire, as expected. Both exit 0.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stigmer_ops.monitoring.rule_tests.suite import Document, RuleTestFile


@dataclass(frozen=True, slots=True)
class Hole:
    """A test that proves nothing.

    Attributes:
        kind: Kebab-case: rule-file-missing, alert-unknown, group-unknown or no-tests.
        path: The test file.
        message: What is wrong.
    """

    kind: str
    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether the tests show both sides of an alert.

    Attributes:
        alert: Its name.
        file: Where its rule is.
        fires: A test has it fire.
        quiet: A test has it not fire.
    """

    alert: str
    file: Path
    fires: bool
    quiet: bool

    @property
    def complete(self) -> bool:
        """Whether both are tested."""
        return self.fires and self.quiet


def holes(file: RuleTestFile) -> Iterator[Hole]:
    """What promtool passes over in one file."""
    for pattern, found in file.rule_files.items():
        if not found:
            yield Hole("rule-file-missing", file.path, f"rule_files: {pattern} does not exist")
    if not any(_expectations(test) or test.get("promql_expr_test") for test in file.tests):
        yield Hole("no-tests", file.path, "it tests nothing")
    yield from _unknown_groups(file)
    yield from _unknown_alerts(file)


def coverage(files: Sequence[RuleTestFile]) -> list[Coverage]:
    """Every alert of the rules that the files load, by name and file."""
    fires: set[str] = set()
    quiet: set[str] = set()
    for test in (test for file in files for test in file.tests):
        for expected in _expectations(test):
            (fires if expected.get("exp_alerts") else quiet).add(str(expected.get("alertname")))
    alerts = {(rule.name, rule.file) for file in files for rule in file.rules if rule.is_alert}
    return [
        Coverage(name, file, name in fires, name in quiet)
        for name, file in sorted(alerts, key=lambda alert: (str(alert[1]), alert[0]))
    ]


def _expectations(test: Document) -> Sequence[Document]:
    found = test.get("alert_rule_test")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _unknown_groups(file: RuleTestFile) -> Iterator[Hole]:
    known = {rule.group for rule in file.rules}
    for group in file.document.get("group_eval_order") or ():
        if group not in known:
            message = f"group_eval_order: there is no group {group}{_nearest(str(group), known)}"
            yield Hole("group-unknown", file.path, message)


def _unknown_alerts(file: RuleTestFile) -> Iterator[Hole]:
    known = {rule.name for rule in file.rules if rule.is_alert}
    named = (
        str(expected.get("alertname")) for test in file.tests for expected in _expectations(test)
    )
    for name in dict.fromkeys(named):
        if name not in known:
            message = f"alertname: there is no alert {name}{_nearest(name, known)}"
            yield Hole("alert-unknown", file.path, message)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
