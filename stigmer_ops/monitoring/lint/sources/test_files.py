"""Files of promtool's rule tests."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.files import SourceFile
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Scalar


@dataclass(eq=False)
class Expectation:
    """An entry of alert_rule_test: whether an alert fires at a time."""

    node: Mapping

    @property
    def alert(self) -> str:
        """The name of the alert."""
        return self.node.text("alertname")

    @property
    def fires(self) -> bool:
        """Whether it is expected to fire."""
        return bool(self.node.items("exp_alerts"))


@dataclass(eq=False)
class RuleTest:
    """One test of a file."""

    node: Mapping

    @property
    def expectations(self) -> Iterator[Expectation]:
        """What it expects of alerts."""
        return map(Expectation, self.node.mappings("alert_rule_test"))


@dataclass(eq=False)
class TestFile:
    """A file of rule tests.

    Attributes:
        source: The file.
        root: Its keys.
        rule_files: Each entry of rule_files with the files that it names.
    """

    source: SourceFile
    root: Mapping
    rule_files: list[tuple[Scalar, list[Path]]] = field(default_factory=list)

    __test__ = False  # not a test of ours, whatever pytest makes of its name

    @property
    def path(self) -> str:
        """The file."""
        return self.source.path

    @property
    def name(self) -> str:
        """A file has no name within itself."""
        return ""

    @property
    def place(self) -> Place:
        """Its beginning."""
        return Place(1)

    @property
    def span(self) -> tuple[int, int]:
        """All of it."""
        return self.source.span

    @cached_property
    def tests(self) -> list[RuleTest]:
        """Its tests."""
        return [RuleTest(node) for node in self.root.mappings("tests")]

    @property
    def expectations(self) -> Iterator[Expectation]:
        """What all tests expect of alerts."""
        return (expected for test in self.tests for expected in test.expectations)


def test_file(source: SourceFile) -> TestFile | None:
    """The test file that `source` is; None if its document is no mapping."""
    root = next((node for node in source.documents if isinstance(node, Mapping)), None)
    if root is None:
        return None
    folder = Path(source.path).parent
    entries = [item for item in root.items("rule_files") if isinstance(item, Scalar)]
    return TestFile(source, root, [(entry, _matching(folder, entry.text)) for entry in entries])


test_file.__test__ = False  # type: ignore[attr-defined] # as above


def _matching(folder: Path, pattern: str) -> list[Path]:
    if not pattern or "\0" in pattern:
        return []
    found = glob.glob(str(folder / pattern))  # noqa: PTH207 - as promtool: absolute ones too
    return [Path(path) for path in sorted(found) if Path(path).is_file()]
