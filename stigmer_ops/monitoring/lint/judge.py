"""Who decides on syntax: promtool, where it is installed, on files and on single expressions.

promtool works while the files are read and checked here; it is only waited for at the end.
Expressions that are in no rule file of Prometheus' own (those of panels, pages and PrometheusRule
resources) are put to it as recording rules in a file of our own.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.expression import Expression
from stigmer_ops.monitoring.lint.sources.rule_files import RuleFile
from stigmer_ops.monitoring.promtool import Promtool, RuleProblem

EXPRESSION_REFUSED = "could not parse expression: "
_POSITION = re.compile(r"(?:(\d+):(\d+): )?(?:parse error: )?(.*)", re.DOTALL)
_FILES_AT_ONCE = 500
"""The system limits the length of a command line."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What promtool says of an expression: why it refuses it, or nothing."""

    refused: str = ""
    place: Place | None = None


class Judge:
    """promtool at work on everything that was read; without it, nobody.

    Args:
        promtool: None where there is none.
        files: Every rule file.
        others: Expressions that are in no rule file that promtool can read.
    """

    def __init__(
        self, promtool: Promtool | None, files: Sequence[RuleFile], others: Iterable[Expression]
    ) -> None:
        self.promtool = promtool
        self._native = [file for file in files if file.native]
        self._others = list(others)
        self._in_files: Future[list[RuleProblem]] | None = None
        self._alone: Future[list[RuleProblem]] | None = None
        if promtool is not None:
            pool = ThreadPoolExecutor(3, thread_name_prefix="promtool")
            self._in_files = pool.submit(self._check_files, promtool)
            self._alone = pool.submit(self._check_others, promtool)
            self._version = pool.submit(lambda: promtool.version)
            pool.shutdown(wait=False)

    @property
    def name(self) -> str:
        """Who decided, with the version."""
        if self.promtool is None:
            return "promql-parser, because promtool is not on PATH"
        return f"promtool {self._version.result()}"

    def verdict(self, expression: Expression) -> Verdict | None:
        """What promtool says of an expression; None if it could not be asked.

        Raises:
            UnavailableError: promtool cannot be run.
        """
        if self.promtool is None:
            return None
        if id(expression) in self._verdicts_alone:
            return self._verdicts_alone[id(expression)]
        if expression.path not in self._read_in_full:
            return None
        return self._verdicts_in_files.get(id(expression), Verdict())

    def problems_of(self, path: str) -> Sequence[RuleProblem]:
        """What promtool finds in one rule file."""
        return self._problems.get(path, ())

    def place_of(self, file: RuleFile, problem: RuleProblem) -> tuple[Place, tuple[int, int]]:
        """Where a problem is, and the lines of the rule or file that it is in."""
        for group in file.groups:
            for rule in group.rules:
                if group.key == problem.group and rule.number == problem.rule:
                    return Place(
                        problem.line, problem.column or 1
                    ) if problem.line else rule.place, rule.span
        return Place(problem.line or 1, problem.column or 1), file.span

    def _check_files(self, promtool: Promtool) -> list[RuleProblem]:
        paths = [Path(file.path) for file in self._native]
        found: list[RuleProblem] = []
        for start in range(0, len(paths), _FILES_AT_ONCE):
            found += promtool.check_rules(paths[start : start + _FILES_AT_ONCE])
        return found

    def _check_others(self, promtool: Promtool) -> list[RuleProblem]:
        if not self._others:
            return []
        import yaml  # noqa: PLC0415 - only where there are such expressions

        rules = [{"record": "a:b:c", "expr": other.text} for other in self._others]
        text = yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}, allow_unicode=True)
        with tempfile.TemporaryDirectory(prefix="stigmer-ops-lint-") as directory:
            path = Path(directory, "expressions.yaml")
            path.write_text(text, encoding="utf-8")
            return promtool.check_rules([path])

    @cached_property
    def _problems(self) -> Mapping[str, list[RuleProblem]]:
        found: dict[str, list[RuleProblem]] = defaultdict(list)
        for problem in self._in_files.result() if self._in_files else ():
            found[problem.path].append(problem)
        return found

    @cached_property
    def _read_in_full(self) -> set[str]:
        """The files of which promtool has seen every expression: it stops at what is no rule."""
        return {
            file.path
            for file in self._native
            if all(problem.rule is not None for problem in self.problems_of(file.path))
        }

    @cached_property
    def _verdicts_in_files(self) -> Mapping[int, Verdict]:
        found = {}
        for file in self._native:
            expressions = (
                {
                    (group.key, rule.number): rule.expression
                    for group in file.groups
                    for rule in group.rules
                }
                if self.problems_of(file.path)
                else {}
            )
            for problem in self.problems_of(file.path):
                expression = expressions.get((problem.group, problem.rule or 0))
                if expression and problem.message.startswith(EXPRESSION_REFUSED):
                    found[id(expression)] = _refusal(problem, expression)
        return found

    @cached_property
    def _verdicts_alone(self) -> Mapping[int, Verdict]:
        problems = self._alone.result() if self._alone else []
        if any(problem.rule is None for problem in problems):
            return {}  # a text that no file can hold
        refused = {problem.rule: problem for problem in problems}
        return {
            id(other): _refusal(refused[number], other) if number in refused else Verdict()
            for number, other in enumerate(self._others, 1)
        }


def _refusal(problem: RuleProblem, expression: Expression) -> Verdict:
    match = _POSITION.fullmatch(problem.message.removeprefix(EXPRESSION_REFUSED))
    assert match is not None
    if match[1] is None:
        return Verdict(match[3])
    return Verdict(match[3], expression.place_at(int(match[1]), int(match[2])))
