"""Rule tests, run and judged."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stigmer_ops.errors import UsageError
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.promtool import Promtool, TestedFile
from stigmer_ops.monitoring.rule_tests.holes import Coverage, Hole, coverage, holes
from stigmer_ops.monitoring.rule_tests.starters import FOLDER, starter_files
from stigmer_ops.monitoring.rule_tests.suite import RuleTestFile, read_tests
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """How the tests went.

    Attributes:
        files: What promtool says of each file.
        holes: What it passed over.
        coverage: Every alert, and whether it is tested to fire and not to fire.
    """

    files: tuple[TestedFile, ...]
    holes: tuple[Hole, ...]
    coverage: tuple[Coverage, ...]

    @property
    def passed(self) -> bool:
        """Whether all is tested, and as expected."""
        return (
            not any(file.failures for file in self.files)
            and not self.holes
            and all(alert.complete for alert in self.coverage)
        )


def run(promtool: Promtool, files: Sequence[RuleTestFile]) -> Report:
    """Run the tests.

    Raises:
        InputError: A rule file cannot be read.
        UnavailableError: promtool cannot be run.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tested = pool.map(lambda file: promtool.test_rules([file.path]), files)
    return Report(
        tuple(result for results in tested for result in results),
        tuple(hole for file in files for hole in holes(file)),
        tuple(coverage(files)),
    )


def read_all(paths: Sequence[Path]) -> list[RuleTestFile]:
    """Test files, and those below folders, where the rules that they test may be, too.

    Raises:
        InputError: One cannot be read.
        UsageError: There are none.
    """
    read = [(path in paths, read_tests(path)) for path in _files(paths)]
    found = [tests for named, tests in read if named or not tests.is_rule_file]
    if not found:
        raise UsageError(
            f"there are no rule tests below {', '.join(map(str, paths))}",
            next_step="stigmer-ops alerts generate",
        )
    return found


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """What is named, and every YAML file below a folder that is."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
        else:
            yield path


@contextmanager
def generated(settings: Settings) -> Iterator[Path]:
    """A folder with the generated tests and, where they look for them, the rules."""
    everything = catalogue(settings)
    files = rule_files(everything, settings) | starter_files(everything, settings)
    with tempfile.TemporaryDirectory(prefix="stigmer-ops-rules-") as name:
        for file, text in files.items():
            path = Path(name, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        yield Path(name, FOLDER)
