"""Prometheus' own promtool: the judge of syntax, and the engine of rule tests.

Facts are those of promtool 2.42, and hold for later ones: errors go to standard error, `check`
names a line only for expressions and for YAML, and `test` passes files whose rule files or alerts
do not exist (prometheus#6075, #8462), so that callers must look for those themselves.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stigmer_ops.errors import CapabilityError, UnavailableError

_PROBLEM = re.compile(
    r"(?P<path>.*?): (?:(?P<line>\d+):(?P<column>\d+): )?"
    r'(?:group "(?P<group>.*?)", rule (?P<number>\d+), "(?P<name>.*?)": )?(?P<message>.*)',
    re.DOTALL,
)
_YAML_ERRORS = "yaml: unmarshal errors:"
_YAML_ERROR = re.compile(r"line (?P<line>\d+): (?P<message>.*)")
"""One of those that follow it, each on a line of its own."""
_TESTED = re.compile(r"^Unit Testing:  (.*)\n", re.MULTILINE)
_RESULT = re.compile(r"^  (SUCCESS|FAILED:)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """What promtool finds wrong in a rule file.

    Attributes:
        path: As it was given.
        message: promtool's words, without the place.
        line: In the file, from 1; None where promtool does not say, as for templates.
        column: On that line, from 1.
        group: The rule group; empty where the file as a whole is wrong.
        rule: The rule's place in its group, from 1.
        name: The rule's name.
    """

    path: str
    message: str
    line: int | None = None
    column: int | None = None
    group: str = ""
    rule: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class TestedFile:
    """How a file of rule tests went.

    Attributes:
        path: As it was given.
        failures: promtool's words on each failure, a block each; empty if all passed.
    """

    path: str
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Promtool:
    """An installed promtool."""

    executable: Path
    timeout_seconds: float = 300

    @classmethod
    def find(cls) -> Promtool | None:
        """The one on PATH; None where there is none."""
        found = shutil.which("promtool")
        return cls(Path(found)) if found else None

    @classmethod
    def require(cls) -> Promtool:
        """The one on PATH.

        Raises:
            CapabilityError: There is none.
        """
        found = cls.find()
        if found is None:
            raise CapabilityError(
                "promtool is not on PATH",
                not_done="no rule was tested",
                next_step="install Prometheus, for example: apt-get install prometheus",
            )
        return found

    @cached_property
    def version(self) -> str:
        """Its version, such as 2.42.0."""
        match = re.search(r"version (\d+\.\d+\.\d+)", self._run(["--version"]))
        return match[1] if match else "unknown"

    @property
    def excludes_range_start(self) -> bool:
        """Whether x[5m] leaves out a sample that is exactly five minutes old, as since 3.0."""
        return self.version != "unknown" and int(self.version.split(".")[0]) >= 3

    def check_rules(self, files: Sequence[Path]) -> list[RuleProblem]:
        """What is wrong with rule files that exist; promtool's lint is left out.

        Raises:
            UnavailableError: promtool cannot be run.
        """
        if not files:
            return []
        output = self._run(["check", "rules", "--lint=none", *map(str, files)])
        found = _problems(output, {str(file) for file in files})
        return list(dict.fromkeys(found))  # an error of the whole file is printed twice

    def test_rules(self, files: Sequence[Path], directory: Path | None = None) -> list[TestedFile]:
        """Run files of rule tests, as seen from `directory`, in one process.

        Raises:
            UnavailableError: promtool cannot be run.
        """
        if not files:
            return []
        output = self._run(["test", "rules", *map(str, files)], directory)
        _, *parts = _TESTED.split(output)
        tested = [
            TestedFile(path, _failures(text))
            for path, text in zip(parts[::2], parts[1::2], strict=True)
        ]
        if len(tested) != len(files):
            raise UnavailableError(
                f"promtool tested {len(tested)} of {len(files)} files: {output.strip()}",
                next_step="promtool test rules FILES",
            )
        return tested

    def _run(self, arguments: Sequence[str], directory: Path | None = None) -> str:
        try:
            finished = subprocess.run(
                [self.executable, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=directory,
                timeout=self.timeout_seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"cannot run promtool: {error}") from error
        return finished.stdout.decode(errors="replace")


def _problems(output: str, paths: Container[str]) -> Iterator[RuleProblem]:
    path = ""
    for line in output.splitlines():
        match = _PROBLEM.fullmatch(line.strip())
        if match is not None and match["path"] in paths:
            path = match["path"]
            if match["message"] != _YAML_ERRORS:
                yield _problem(match)
        elif path and (match := _YAML_ERROR.fullmatch(line.strip())):
            yield RuleProblem(path, match["message"], int(match["line"]))


def _problem(match: re.Match[str]) -> RuleProblem:
    line = match["line"] or _line_of_yaml(match["message"])
    return RuleProblem(
        path=match["path"],
        message=match["message"],
        line=int(line) if line else None,
        column=int(match["column"]) if match["column"] else None,
        group=match["group"] or "",
        rule=int(match["number"]) if match["number"] else None,
        name=match["name"] or "",
    )


def _line_of_yaml(message: str) -> str | None:
    match = re.match(r"yaml: line (\d+): ", message)
    return match[1] if match else None


def _failures(text: str) -> tuple[str, ...]:
    result = _RESULT.search(text)
    if result is not None and result[1] == "SUCCESS":
        return ()
    blocks = text[result.end() if result else 0 :].split("\n\n")
    return tuple(block.strip("\n") for block in blocks if block.strip()) or ("no result",)
