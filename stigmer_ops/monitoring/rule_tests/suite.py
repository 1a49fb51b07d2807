"""Files of rule tests with the rules that they load, for whatever promtool does not look at."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stigmer_ops.errors import InputError
from stigmer_ops.untrusted.yaml_text import QUICK, YamlProblem, yaml_value

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a file.

    Attributes:
        file: Where it is.
        group: Its group.
        number: Its place in the group, from 0.
        source: As the file has it.
    """

    file: Path
    group: str
    number: int
    source: Document

    @property
    def is_alert(self) -> bool:
        """Whether it is an alerting rule."""
        return "alert" in self.source

    @property
    def name(self) -> str:
        """The alert's name, or that of the recorded series."""
        return str(self.source.get("alert") or self.source.get("record") or "")

    @property
    def expr(self) -> str:
        """Its expression."""
        return str(self.source.get("expr", ""))


@dataclass(frozen=True)
class RuleTestFile:
    """A file of rule tests.

    Attributes:
        path: Where it is.
        document: What it holds; empty where it is no YAML mapping, which promtool reports.
    """

    path: Path
    document: Document

    @property
    def is_rule_file(self) -> bool:
        """Whether it holds rules instead: folders may have both."""
        return "groups" in self.document and "tests" not in self.document

    @property
    def tests(self) -> Sequence[Document]:
        """Its tests."""
        return tuple(_mappings(self.document.get("tests")))

    @cached_property
    def rule_files(self) -> Mapping[str, tuple[Path, ...]]:
        """Each entry of `rule_files` with the files that it stands for, perhaps none."""
        return {
            str(entry): _matches(self.path.parent, str(entry))
            for entry in self.document.get("rule_files") or ()
        }

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule that the tests see, in the order of the files."""
        paths = (path for found in self.rule_files.values() for path in found)
        return tuple(rule for path in dict.fromkeys(paths) for rule in rules_of(path))


def read_tests(path: Path) -> RuleTestFile:
    """A file of rule tests.

    Raises:
        InputError: It cannot be read.
    """
    document = _read(path)
    return RuleTestFile(path, document if isinstance(document, Mapping) else {})


def rules_of(path: Path) -> Iterator[Rule]:
    """The rules of a rule file; none where it is not of the form of one, which promtool reports.

    Raises:
        InputError: It cannot be read.
    """
    document = _read(path)
    if not isinstance(document, Mapping):
        return
    for group in _mappings(document.get("groups")):
        for number, rule in enumerate(_mappings(group.get("rules"))):
            yield Rule(path, str(group.get("name", "")), number, rule)


def _read(path: Path) -> object:
    try:
        return yaml_value(path.read_bytes(), QUICK)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except YamlProblem:
        return None


def _mappings(value: object) -> Iterator[Document]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def _matches(folder: Path, pattern: str) -> tuple[Path, ...]:
    # pathlib's own glob takes neither ".." nor absolute patterns, which rule_files may hold.
    found = glob.glob(pattern, root_dir=folder)  # noqa: PTH207
    return tuple((folder / name).resolve() for name in sorted(found))
