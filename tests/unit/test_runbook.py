from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stigmer_ops import runbook
from stigmer_ops.errors import UsageError
from stigmer_ops.runbook import PageKind, find_page, pages

FILES = ("verdicts/stale.md", "checks/stale.md", "alerts/StigmerStuck.md", "troubles/slow.md")


@pytest.fixture(autouse=True)
def _own_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*FILES, "README.md", "alerts/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# Title of {name}\n\nText.\n")
    monkeypatch.setattr(runbook, "_root", lambda: tmp_path)
    pages.cache_clear()
    yield
    pages.cache_clear()


def test_pages_are_the_markdown_files_of_the_folders_by_kind() -> None:
    assert [page.path for page in pages()] == [
        "verdicts/stale.md",
        "troubles/slow.md",
        "checks/stale.md",
        "alerts/StigmerStuck.md",
    ]
    assert pages()[1].title == "Title of troubles/slow.md"
    assert pages()[1].kind is PageKind.TROUBLE


@pytest.mark.parametrize("name", ["stigmerstuck", "alert/StigmerStuck", "alerts/StigmerStuck.md"])
def test_find_page_takes_any_case_and_the_path(name: str) -> None:
    assert find_page(name).path == "alerts/StigmerStuck.md"


def test_find_page_asks_which_of_several_is_meant() -> None:
    with pytest.raises(UsageError) as caught:
        find_page("stale")

    assert caught.value.next_step == (
        "stigmer-ops runbook show verdicts/stale or stigmer-ops runbook show checks/stale"
    )
    assert find_page("checks/stale").kind is PageKind.CHECK


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("slwo", "stigmer-ops runbook show slow"),
        ("stuck", "stigmer-ops runbook show StigmerStuck"),
        ("", "stigmer-ops runbook list"),
    ],
)
def test_find_page_suggests_what_is_close_or_holds_the_name(name: str, suggested: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_page(name)

    assert caught.value.next_step == suggested
