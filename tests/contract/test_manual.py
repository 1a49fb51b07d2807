"""The manual page names every command and option, and roff finds nothing wrong with it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.commands import commands

PAGE = Path(__file__).parent.parent.parent / "man" / "stigmer-ops.1"


@pytest.fixture(scope="module")
def shown() -> str:
    """The page as man shows it, without what makes it bold."""
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-c", "-ww", "-rLL=500n", str(PAGE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return re.sub(r".\x08", "", done.stdout)


def test_sections_are_those_of_a_manual_page() -> None:
    found = re.findall(r"^\.SH (.*)$", PAGE.read_text(), re.MULTILINE)
    assert found == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "COMMON OPTIONS"),
        *("EXIT STATUS", "ENVIRONMENT", "SEE ALSO"),
    ]


def test_every_command_has_its_options_and_examples(shown: str) -> None:
    missing = []
    for name, command in commands():
        options = [each.opts[0] for each in command.params if each.opts[0].startswith("-")]
        examples = command.callback.declaration.examples
        wanted = [f"   {name}", *options, *(f"stigmer-ops {example}" for example in examples)]
        missing += [text for text in wanted if text not in shown]
    assert missing == []


def test_hyphens_can_be_copied(shown: str) -> None:
    assert "stigmer-ops pending list --older-than 4h --sort time-left" in shown
