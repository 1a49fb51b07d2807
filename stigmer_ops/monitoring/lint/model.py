"""What linting consists of: rules that look at one kind of subject, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from stigmer_ops.monitoring.lint.context import Context


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """It is wrong: it will not load, not fire, or say something false."""
    WARNING = "warning"
    """It works, but not as its author most likely wants."""
    INFO = "info"
    """A convention of the field that it does not keep."""

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return (Severity.INFO, Severity.WARNING, Severity.ERROR).index(self)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; both numbers count from 1."""

    line: int
    column: int = 1


class Subject(Protocol):
    """What a lint rule looks at."""

    @property
    def path(self) -> str:
        """The file it is in."""

    @property
    def name(self) -> str:
        """What it is called within the file, such as group/alert; empty for the file itself."""

    @property
    def place(self) -> Place:
        """Where it begins."""

    @property
    def span(self) -> tuple[int, int]:
        """Its first and last line: acknowledgements inside hold for all of it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a check finds in its subject.

    Attributes:
        message: What is wrong, with the witness: the numbers or names that prove it.
        place: Of the key or word at fault.
        hint: What to write instead.
        severity: Where this case is more or less bad than the rule usually is.
    """

    message: str
    place: Place
    hint: str = ""
    severity: Severity | None = None


class ExampleKind(StrEnum):
    """What the text of an example is."""

    EXPRESSION = "expression"
    """The expression of an alert that is otherwise as it should be."""
    ALERT = "alert"
    """Keys of an alert that is otherwise as it should be; they replace whole keys."""
    RULES = "rules"
    """A rule file."""
    TEST = "test"
    """A file of rule tests, beside rules.yaml with the one alert ExampleDown."""
    DASHBOARD = "dashboard"
    """Keys of a dashboard, as YAML for legibility; they replace whole keys."""
    PANEL = "panel"
    """Keys of a panel of a dashboard that is otherwise as it should be."""
    PAGE = "page"
    """A runbook page of the alert ExampleDown, which is in rules.yaml beside it."""
    FILES = "files"
    """Several files, each after a line `# file: NAME`."""


@dataclass(frozen=True, slots=True)
class Example:
    """Something that a rule objects to, or the same put right.

    Attributes:
        kind: What the text is.
        text: The text.
        facts: What is known of the metrics: a file for --catalogue.
    """

    kind: ExampleKind
    text: str
    facts: str = ""


S = TypeVar("S")
Check = Callable[[S, "Context"], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class LintRule(Generic[S]):
    """One thing that is looked for.

    Attributes:
        id: Kebab-case, never reused.
        severity: Of its findings, unless one says otherwise.
        title: What is wrong, as a sentence.
        explanation: Why it is wrong and what to do; for `alerts explain` and docs/lint.md.
        subject: What it looks at, one at a time.
        check: Finds it.
        bad: The least that it objects to; None where that cannot be shown in a file.
        good: The same, put right.
        online: Whether it asks a running Prometheus.
        judged: Whether it waits for promtool, and for what the others find.
    """

    id: str
    severity: Severity
    title: str
    explanation: str
    subject: type[S]
    check: Check[S]
    bad: Example | None = None
    good: Example | None = None
    online: bool = False
    judged: bool = False


AnyRule = LintRule[Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, as it is reported.

    Attributes:
        rule: Id of the lint rule.
        severity: How bad it is.
        path: The file, as it was given.
        line: From 1.
        column: From 1.
        message: What is wrong, with the witness.
        hint: What to write instead; may be empty.
        page: Where the rule is explained.
        object: What it is about: group/alert, dashboard/panel; empty for the file.
    """

    rule: str
    severity: Severity
    path: str
    line: int
    column: int
    message: str
    hint: str = ""
    page: str = ""
    object: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was read."""

    files: int = 0
    rule_files: int = 0
    groups: int = 0
    alerts: int = 0
    recordings: int = 0
    test_files: int = 0
    tests: int = 0
    dashboards: int = 0
    panels: int = 0
    pages: int = 0
    other_files: int = 0

    @property
    def rules(self) -> int:
        """Alerting and recording rules."""
        return self.alerts + self.recordings


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run.

    Attributes:
        findings: In the order of files and lines, without what is acknowledged or in the baseline.
        acknowledged: Findings that a comment acknowledges.
        known: Findings that the baseline file holds.
        fixed: Entries of the baseline file that nothing matches any more.
        counts: What was read.
        syntax_judge: What decided on PromQL syntax, with its version.
    """

    findings: tuple[Finding, ...]
    counts: Counts
    syntax_judge: str
    acknowledged: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    fixed: int = 0

    def worst(self) -> Severity | None:
        """The highest severity of a finding; None where there is none."""
        return max((f.severity for f in self.findings), key=lambda s: s.rank, default=None)

    def by_severity(self) -> Mapping[Severity, int]:
        """How many findings there are of each severity, the worst first."""
        return {
            severity: sum(finding.severity is severity for finding in self.findings)
            for severity in Severity
        }
