"""The runbook and the program say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stigmer_ops.handshake.verdicts import BY_ID, Action, Verdict
from stigmer_ops.runbook import Page, PageKind, pages
from stigmer_ops.sandbox.faults import BY_ID as FAULTS
from support.commands import parse
from support.runbook_blocks import blocks, command_lines

ROOT = Path(__file__).parent.parent.parent
RUNBOOKS = ROOT / "runbooks"
PAGES = pages()
VERDICT_PAGES = {page.name: page for page in PAGES if page.kind is PageKind.VERDICT}
TROUBLES = {
    "activity-never-completes",
    "completion-failures",
    "high-activity-duration",
    "token-corruption",
    "worker-not-registered",
    "log-correlation",
}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
MARKDOWN = sorted(
    [
        *RUNBOOKS.rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]
)
UNTRIED = {"unknown"}
"""Verdicts that no fault of the sandbox produces: their pages cannot be run."""

COLUMNS = 80
"""A command must fit into the narrowest terminal, where it is copied from."""


def id_of(value: Page | Path) -> str:
    return value.path if isinstance(value, Page) else str(value.relative_to(ROOT))


def by_hand(page: Page) -> str:
    """The page without what is generated."""
    return re.sub(r"<!-- (\S+): generated -->.*?<!-- /\1 -->", "", page.text, flags=re.DOTALL)


def tried(name: str, section: str) -> list[str]:
    """The commands that are run for a section of a verdict's page."""
    return [
        command.text
        for block in blocks(VERDICT_PAGES[name].text)
        if block.section == section and block.fault
        for command in block.commands
    ]


def test_every_verdict_has_a_page_and_every_verdict_page_a_verdict() -> None:
    assert set(VERDICT_PAGES) == set(BY_ID)


def test_every_trouble_has_a_page() -> None:
    assert {page.name for page in PAGES if page.kind is PageKind.TROUBLE} == TROUBLES


def test_every_file_is_a_page_or_the_index() -> None:
    files = {str(path.relative_to(RUNBOOKS)) for path in RUNBOOKS.rglob("*.md")}
    assert files == {page.path for page in PAGES} | {"README.md"}


def test_index_links_every_page() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    assert [page.path for page in PAGES if f"]({page.path})" not in index] == []


@pytest.mark.parametrize("verdict", BY_ID.values(), ids=lambda verdict: verdict.id)
def test_verdict_page_is_headed_by_what_diagnose_prints(verdict: Verdict) -> None:
    assert VERDICT_PAGES[verdict.id].title == verdict.title


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_page_has_its_four_sections_and_is_short(page: Page) -> None:
    lines = by_hand(page).splitlines()
    assert [line[3:] for line in lines if line.startswith("## ")] == SECTIONS
    assert [line for line in lines if line.startswith("# ")] == [lines[0]]
    assert len(lines) <= 60


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_commands_fit_into_a_terminal(page: Page) -> None:
    lines = [line for block in blocks(by_hand(page)) for line in block.lines]
    assert [line for line in lines if len(line) > COLUMNS - 2] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=id_of)
def test_every_command_parses(path: Path) -> None:
    wrong = []
    for line in command_lines(path.read_text()):
        try:
            parse(line)
        except Exception as error:  # noqa: BLE001 - Typer's usage errors have no public type
            wrong.append(f"stigmer-ops {line}: {error}")
    assert wrong == []


def test_every_verdict_but_the_untried_has_a_fault() -> None:
    assert {fault.verdict for fault in FAULTS.values()} - {None} == set(BY_ID) - UNTRIED


@pytest.mark.parametrize("name", sorted(set(BY_ID) - UNTRIED))
def test_verdict_page_is_tried_against_a_fault_of_its_verdict(name: str) -> None:
    faults = {block.fault for block in blocks(VERDICT_PAGES[name].text) if block.fault}
    assert len(faults) == 1
    assert {FAULTS[fault].verdict for fault in faults} == {name}
    assert any(text.startswith("stigmer-ops diagnose") for text in tried(name, "Diagnosis"))


@pytest.mark.parametrize("name", sorted(set(BY_ID) - UNTRIED))
def test_verdict_page_tries_the_repair_that_diagnose_proposes(name: str) -> None:
    action = BY_ID[name].action
    if action is not Action.SKIP:
        # An outcome that is known goes before a failure.
        actions = {action, Action.REDELIVER} if action is Action.FAIL else {action}
        repairs = tuple(f"stigmer-ops activity {one} " for one in actions)
        assert any(text.startswith(repairs) for text in tried(name, "Mitigation"))


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_tagged_faults_exist(page: Page) -> None:
    assert {block.fault for block in blocks(page.text) if block.fault} <= set(FAULTS)


def test_command_lines_finds_each_use_of_the_program() -> None:
    page = (
        "Type `stigmer-ops check` or `temporal activity list`.\n\n"
        "## stigmer-ops is not run by `stigmer-ops bogus` in a heading\n\n"
        "```console\n"
        "cat log | stigmer-ops logs correlate - --offline > out 2>&1\n"
        "A=1 stigmer-ops diagnose -w a \\\n  -a 5  # exit 1\n"
        "```\n"
        "  ```console\n"
        "  $ stigmer-ops token decode < token && stigmer-ops pending list\n"
        "  stigmer-ops 1.0\n"
        "  ```\n"
    )
    assert list(command_lines(page)) == [
        "logs correlate - --offline",
        "diagnose -w a -a 5",
        "token decode",
        "pending list",
        "check",
    ]


@pytest.mark.parametrize(
    "line",
    ["activity mend", "activity fail --messsage x", "diagnose --older-than soon", "runbook show"],
)
def test_parse_notices_what_the_program_would_refuse(line: str) -> None:
    with pytest.raises(BaseException, match=r"(?i)command|option|duration|missing"):
        parse(line)
