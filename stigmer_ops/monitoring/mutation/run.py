"""Mutants, run against the tests: who is noticed, and who survives."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stigmer_ops.errors import InputError, UsageError
from stigmer_ops.monitoring.mutation.bench import TESTS, Bench, Trial
from stigmer_ops.monitoring.mutation.mutants import Mutant, mutants
from stigmer_ops.monitoring.promtool import Promtool
from stigmer_ops.monitoring.rule_tests.suite import Rule, RuleTestFile

_BATCH = 8
"""Tests a promtool process: starting one costs as much as a short test."""


@dataclass(frozen=True, slots=True)
class Score:
    """How many mutants of a rule its tests notice.

    Attributes:
        rule: The rule.
        mutants: How many there are.
        survivors: Those that nobody noticed.
    """

    rule: Rule
    mutants: int
    survivors: tuple[Mutant, ...]

    @property
    def killed(self) -> int:
        """How many were noticed."""
        return self.mutants - len(self.survivors)


@dataclass(slots=True)
class _Job:
    rule: Rule
    mutant: Mutant | None
    """None: the rule as it is, whose tests must pass for the others to mean anything."""
    trials: list[Trial]
    """Still to be run, the most promising last."""
    passed: bool = True


class Mutation:
    """The mutants of rules, and the tests that may notice them.

    Args:
        promtool: Runs the tests.
        files: Tests that pass.
        names: Only these rules; all if empty.

    Raises:
        UsageError: The tests load no rule of such a name.
        InputError: An expression is no PromQL that can be mutated.
    """

    def __init__(
        self, promtool: Promtool, files: Sequence[RuleTestFile], names: Sequence[str] = ()
    ) -> None:
        self._runner = _Runner(promtool)
        self._rules = _rules(files, names)
        self._jobs = [job for rule in self._rules for job in _jobs(rule, files)]

    @property
    def total(self) -> int:
        """How many mutants there are, and rules without mutation to compare with."""
        return len(self._jobs)

    @property
    def done(self) -> int:
        """How many of them are decided."""
        return sum(not job.trials or not job.passed for job in self._jobs)

    def run(self) -> list[Score]:
        """The score of each rule, in their order.

        Raises:
            InputError: The tests of a rule fail by themselves.
            UnavailableError: promtool cannot be run.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            # In rounds: most mutants are noticed by the first test.
            while waiting := [job for job in self._jobs if job.passed and job.trials]:
                list(pool.map(self._runner.run, _batches(waiting)))
        return [_score(rule, [j for j in self._jobs if j.rule == rule]) for rule in self._rules]


def _rules(files: Sequence[RuleTestFile], names: Sequence[str]) -> list[Rule]:
    every = dict.fromkeys(_key(rule) for file in files for rule in file.rules)
    by_key = {_key(rule): rule for file in files for rule in file.rules}
    rules = [by_key[key] for key in every]
    unknown = set(names) - {rule.name for rule in rules}
    if unknown:
        raise UsageError(f"the tests load no rule {', '.join(sorted(unknown))}")
    return [rule for rule in rules if not names or rule.name in names]


def _key(rule: Rule) -> tuple[Path, str, int]:
    return rule.file, rule.group, rule.number


def _jobs(rule: Rule, files: Sequence[RuleTestFile]) -> list[_Job]:
    loading = (file for file in files if any(rule == loaded for loaded in file.rules))
    trials = [trial for file in loading for trial in Bench(rule, file).trials]
    trials.sort(key=lambda trial: trial.promise)
    return [_Job(rule, mutant, list(trials)) for mutant in (None, *_mutants(rule))]


def _mutants(rule: Rule) -> list[Mutant]:
    try:
        return list(mutants(rule.name, rule.source))
    except ValueError as error:
        raise InputError(f"{rule.file}: {rule.name}: {error}") from error


def _batches(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    waiting = iter(jobs)
    while batch := list(islice(waiting, _BATCH)):
        yield batch


class _Runner:
    """Runs trials, each content once: rules without mutation are often the same for a test."""

    def __init__(self, promtool: Promtool) -> None:
        self._promtool = promtool
        self._passed: dict[str, bool] = {}

    def run(self, jobs: Sequence[_Job]) -> None:
        """Run the next trial of each job."""
        files = [job.trials.pop().files(job.mutant) for job in jobs]
        contents = ["\0".join(texts.values()) for texts in files]
        new = {
            content: texts
            for content, texts in zip(contents, files, strict=True)
            if content not in self._passed
        }
        self._passed |= dict(zip(new, self._tested(list(new.values())), strict=True))
        for job, content in zip(jobs, contents, strict=True):
            job.passed = self._passed[content]

    def _tested(self, files: Sequence[Mapping[str, str]]) -> list[bool]:
        with tempfile.TemporaryDirectory(prefix="stigmer-ops-mutants-") as folder:
            paths = []
            for number, texts in enumerate(files):
                place = Path(folder, str(number))
                place.mkdir()
                for name, text in texts.items():
                    (place / name).write_text(text, encoding="utf-8")
                paths.append(place / TESTS)
            return [not tested.failures for tested in self._promtool.test_rules(paths)]


def _score(rule: Rule, jobs: Sequence[_Job]) -> Score:
    itself, *others = jobs
    if not itself.passed:
        raise InputError(
            f"{rule.file}: the tests of {rule.name} fail without any mutation",
            next_step="stigmer-ops alerts test",
        )
    return Score(
        rule, len(others), tuple(job.mutant for job in others if job.mutant and job.passed)
    )
