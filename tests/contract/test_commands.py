"""What every command promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stigmer_ops.cli.option_sets import Common, Mutation
from stigmer_ops.cli.tree import ENTRIES, Entry
from support.command_line import environment
from support.commands import commands, declaration, parse

ROOT = Path(__file__).parent.parent.parent
COMMANDS = dict(commands())
HEAVY = ("temporalio", "grpc", "google.protobuf", "pydantic", "pandas", "requests", "yaml")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help_of_one_sentence_and_more(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert re.match(r"[A-Z].*\.", text), f"{name}: {text!r}"
    assert len(text.split("\n")[0]) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_examples_that_parse_and_are_its_own(name: str) -> None:
    examples = declaration(COMMANDS[name]).examples
    assert examples
    for example in examples:
        words = example.split("|")[0].split("<")[0]
        assert parse(words) == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is(name: str) -> None:
    silent = [option.name for option in COMMANDS[name].params if not option.help]
    assert silent == []


@pytest.mark.parametrize("name", COMMANDS)
def test_whoever_writes_takes_exactly_the_options_of_writes(name: str) -> None:
    declared = declaration(COMMANDS[name])
    assert Common in declared.option_sets
    assert declared.writes == (Mutation in declared.option_sets)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_root_summary_is_what_the_command_says_itself(entry: Entry) -> None:
    assert (entry.load().help or "").split("\n\n")[0].replace("\n", " ") == entry.summary


def test_every_module_with_commands_is_in_the_tree() -> None:
    folder = ROOT / "stigmer_ops" / "cli"
    found = {path.stem for path in folder.glob("*.py") if "\n@command(" in path.read_text()}
    reached = {command.callback.__module__.rsplit(".", 1)[-1] for command in COMMANDS.values()}
    assert found == reached


def test_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in COMMANDS if f"`{name}`" not in readme]
    assert missing == []


def test_generated_pages_equal_a_fresh_rendering() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["pending", "list", "--help"], ["token", "fingerprint", "--help"], ["--version"]],
)
def test_start_up_loads_nothing_heavy(arguments: list[str]) -> None:
    assert _loaded(arguments, b"") == []


def test_token_decode_loads_nothing_heavy() -> None:
    assert _loaded(["token", "decode", "-o", "json"], b"CiQwZmIxZTlhZS05YTNm") == []


def _loaded(arguments: list[str], stdin: bytes) -> list[str]:
    program = (
        "import sys\n"
        f"sys.argv = ['stigmer-ops', *{arguments!r}]\n"
        "from stigmer_ops.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=stdin,
        capture_output=True,
        check=True,
        env=environment(),
    )
    last = done.stderr.decode().strip().splitlines()[-1]
    return re.findall(r"'([^']+)'", last)
