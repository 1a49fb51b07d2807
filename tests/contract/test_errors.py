"""What every error and exit code promises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stigmer_ops
from stigmer_ops.errors import ExitCode, StigmerOpsError
from support.commands import commands

ROOT = Path(__file__).parent.parent.parent

for _module in pkgutil.walk_packages(stigmer_ops.__path__, "stigmer_ops."):
    if "__main__" not in _module.name and "_pb2" not in _module.name:
        importlib.import_module(_module.name)


def _below(kind: type[StigmerOpsError]) -> Iterator[type[StigmerOpsError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _below(below)


COMMANDS = [name for name, _ in commands()]
KINDS = sorted(set(_below(StigmerOpsError)), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS)
def test_error_has_a_name_an_exit_code_and_an_explanation(kind: type[StigmerOpsError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.reference)
    assert kind.exit_code is not ExitCode.OK
    assert inspect.cleandoc(kind.__doc__ or "").endswith((".", ".\n")) or "Args:" in (
        kind.__doc__ or ""
    )
    assert kind.__name__.endswith("Error")


@pytest.mark.parametrize("kind", KINDS)
def test_error_always_says_what_to_type_next(kind: type[StigmerOpsError]) -> None:
    assert kind.usual_next_step != StigmerOpsError.usual_next_step
    for command in re.findall(r"stigmer-ops ((?:[a-z-]+ ?)+)", kind.usual_next_step):
        words = command.removesuffix(" says what is down")
        assert any(name == words or words.startswith(f"{name} ") for name in COMMANDS)


def test_references_are_unique() -> None:
    references = [kind.reference for kind in KINDS]
    assert sorted(set(references)) == sorted(references)


def test_errors_page_explains_each() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == sorted({kind.reference for kind in KINDS})


def test_readme_table_of_exit_codes_is_complete() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("<!-- exit-codes: generated -->")[1].split("<!-- /exit-codes -->")[0]
    listed = re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
    assert [int(code) for code in listed] == [code.value for code in ExitCode]
