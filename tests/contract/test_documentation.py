"""The pages of the repository lead to each other, and the handshake's page forgets nothing."""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest

from stigmer_ops.handshake.verdicts import BY_ID
from stigmer_ops.monitoring.lint.project import project_of
from stigmer_ops.monitoring.lint.run import Options, lint
from stigmer_ops.monitoring.lint.sources.files import read_files
from stigmer_ops.monitoring.lint.sources.pages import Page

ROOT = Path(__file__).parent.parent.parent
INDEX = ROOT / "docs" / "README.md"
FOLDERS = ("docs", "runbooks", "alerts", "dashboards", "deploy")
FILES = [
    *sorted(ROOT.glob("*.md")),
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))),
]
PAGES = {Path(page.path): page for page in project_of(read_files(FILES)).pages}
EXAMPLE_LINES = 45
"""An external activity is small; with a workflow and a worker around it, it has to stay so."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Page) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in page.headings:
        text = re.sub(r"\]\([^)]*\)|[\[`*]", "", heading.text).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def targets(path: Path) -> set[Path]:
    """The files that a page links to."""
    found = (
        link.target.partition("#")[0] for link in PAGES[path].links if "://" not in link.target
    )
    return {Path(os.path.normpath(path.parent / unquote(target))) for target in found if target}


def test_every_page_is_read() -> None:
    assert set(FILES) == set(PAGES)


def test_no_link_is_dead() -> None:
    report = lint(
        project_of(read_files(FILES)),
        Options(today=date(2026, 11, 24), select=("page-link-dead",)),
    )
    assert [f"{found.path}:{found.line}: {found.message}" for found in report.findings] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_anchor_is_a_heading(path: Path) -> None:
    dead = []
    for link in PAGES[path].links:
        file, mark, anchor = link.target.partition("#")
        to = Path(os.path.normpath(path.parent / unquote(file))) if file else path
        if mark and "://" not in file and to in PAGES and anchor not in anchors(PAGES[to]):
            dead.append(f"{name(path)}:{link.place.line}: {link.target}")
    assert dead == []


@pytest.mark.parametrize(
    "path", [path for path in PAGES if name(path).startswith("docs/") and path != INDEX], ids=name
)
def test_index_leads_to_every_page_and_every_page_back(path: Path) -> None:
    assert path in targets(INDEX)
    assert INDEX in targets(path)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "runbooks/README.md"])
def test_index_and_the_other_ways_in_lead_to_each_other(page: str) -> None:
    assert ROOT / page in targets(INDEX)
    assert INDEX in targets(ROOT / page)


def test_handshake_page_places_every_verdict_once() -> None:
    text = (ROOT / "docs" / "handshake.md").read_text()
    section = text.partition("## Where it can break")[2].partition("\n## ")[0]
    placed = re.findall(r"\[([a-z-]+)\]\(\.\./runbooks/verdicts/([a-z-]+)\.md\)", section)
    assert Counter(placed) == Counter((verdict, verdict) for verdict in BY_ID)


def test_sequence_diagrams_hold_no_semicolon() -> None:
    """In Mermaid it ends a statement, and GitHub then shows an error in the diagram's place."""
    text = (ROOT / "docs" / "handshake.md").read_text()
    [diagram] = re.findall(r"```mermaid\nsequenceDiagram\n(.*?)```", text, re.DOTALL)
    assert "callback" in diagram
    assert ";" not in diagram


def test_security_page_names_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"\]\(\.\./(tests/[^)]+)\)\s`(test_\w+)`", text)
    assert len(named) == len(re.findall(r"\]\(\.\./tests/", text))
    assert [
        (file, test) for file, test in named if f"def {test}(" not in (ROOT / file).read_text()
    ] == []


def test_example_is_short() -> None:
    example = ROOT / "docs" / "examples" / "external_activity.py"
    code = example.read_text().partition("\nclass ")[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= EXAMPLE_LINES


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# A `b-c`, d!\n\n## [Two](x.md) words\n\n## Same\n\n## Same\n")
    [page] = project_of(read_files([file])).pages
    assert anchors(page) == {"a-b-c-d", "two-words", "same", "same-1"}
