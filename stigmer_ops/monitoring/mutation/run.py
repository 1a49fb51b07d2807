"""Mutants, run against the tests: who is noticed, and who survives."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.mutation.bench import Bench, Trial
from stigmer_ops.monitoring.mutation.mutants import Mutant, mutants
from stigmer_ops.monitoring.promtool import Promtool
from stigmer_ops.monitoring.rule_tests.suite import Rule, RuleTestFile

_BATCH = 8
"""Test files a promtool process: starting one costs as much as testing a mutant."""


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
    """Still to be run, the cheapest last."""
    passed: bool = True


def score(
    promtool: Promtool,
    files: Sequence[RuleTestFile],
    *,
    names: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Score]:
    """The score of each rule that the files load, in their order.

    Args:
        promtool: Runs the tests.
        files: Tests that pass.
        names: Only these rules; all if empty.
        progress: Told how many mutants were run, and of how many.

    Raises:
        InputError: An expression is no PromQL that can be mutated, or the tests of a rule fail by
            themselves.
        UnavailableError: promtool cannot be run.
    """
    rules = _rules(files, names)
    jobs = [job for rule in rules for job in _jobs(rule, files)]
    with (
        tempfile.TemporaryDirectory(prefix="stigmer-ops-mutants-") as folder,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        # In rounds, the cheap tests first: most mutants are noticed by the first one.
        while waiting := [job for job in jobs if job.passed and job.trials]:
            for _ in pool.map(lambda batch: _run(promtool, Path(folder), batch), _batches(waiting)):
                progress(sum(not job.trials or not job.passed for job in jobs), len(jobs))
    return [_score(rule, [job for job in jobs if job.rule == rule]) for rule in rules]


def _rules(files: Sequence[RuleTestFile], names: Sequence[str]) -> list[Rule]:
    every = dict.fromkeys(_key(rule) for file in files for rule in file.rules)
    by_key = {_key(rule): rule for file in files for rule in file.rules}
    rules = [by_key[key] for key in every]
    unknown = set(names) - {rule.name for rule in rules}
    if unknown:
        raise InputError(f"the tests load no rule {', '.join(sorted(unknown))}")
    return [rule for rule in rules if not names or rule.name in names]


def _key(rule: Rule) -> tuple[Path, str, int]:
    return rule.file, rule.group, rule.number


def _jobs(rule: Rule, files: Sequence[RuleTestFile]) -> list[_Job]:
    loading = (file for file in files if any(rule == loaded for loaded in file.rules))
    trials = [trial for file in loading for trial in Bench(rule, file).trials]
    trials.sort(key=lambda trial: -trial.evaluations)
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


def _run(promtool: Promtool, folder: Path, jobs: Sequence[_Job]) -> None:
    """Run the next trial of each job."""
    paths = [job.trials.pop().write(folder / str(id(job)), job.mutant) for job in jobs]
    for job, tested in zip(jobs, promtool.test_rules(paths), strict=True):
        job.passed = not tested.failures


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
