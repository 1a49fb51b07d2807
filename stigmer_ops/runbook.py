"""The runbook's pages, from the installed package or from the checkout.

A page is a Markdown file named after what it explains: a verdict, a check, an alert or a trouble.
Its first line is its title.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from stigmer_ops.errors import UsageError

_SUGGESTIONS = 5


class PageKind(StrEnum):
    """What a page explains; the pages of a kind are in one folder."""

    VERDICT = "verdict"
    TROUBLE = "trouble"
    CHECK = "check"
    ALERT = "alert"
    PROCEDURE = "procedure"

    @property
    def folder(self) -> str:
        """Its folder below runbooks/."""
        return f"{self.value}s"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        name: The id of the verdict or check, the alert's name, or that of the trouble.
        kind: What it explains.
        text: Its Markdown.
    """

    name: str
    kind: PageKind
    text: str

    @property
    def title(self) -> str:
        """Its first heading."""
        return self.text.partition("\n")[0].removeprefix("# ").strip()

    @property
    def path(self) -> str:
        """Its file, relative to runbooks/."""
        return f"{self.kind.folder}/{self.name}.md"


@cache
def pages() -> tuple[Page, ...]:
    """Every page, by kind and then by name."""
    return tuple(_pages(_root()))


def find_page(name: str) -> Page:
    """The page of that name, in any case, or of the path that links and `diagnose` give.

    Raises:
        UsageError: There is none, or pages of several kinds have that name.
    """
    wanted = name.removeprefix("runbooks/").removesuffix(".md").lower()
    found = [page for page in pages() if wanted in _names(page)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{name!r} is the name of {len(found)} pages",
            next_step=" or ".join(f"stigmer-ops runbook show {_qualified(page)}" for page in found),
        )
    raise UsageError(f"there is no page {name!r}", next_step=_next_step(wanted))


def _pages(root: Traversable) -> Iterator[Page]:
    for kind in PageKind:
        folder = root / kind.folder
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".md"):
                yield Page(file.name.removesuffix(".md"), kind, file.read_text(encoding="utf-8"))


def _root() -> Traversable:
    packaged = files("stigmer_ops") / "runbooks"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "runbooks"


def _qualified(page: Page) -> str:
    return f"{page.kind.folder}/{page.name}"


def _names(page: Page) -> frozenset[str]:
    name = page.name.lower()
    return frozenset({name, f"{page.kind}/{name}", f"{page.kind.folder}/{name}"})


def _next_step(wanted: str) -> str:
    names = [page.name for page in pages()]
    likely = _likely(wanted.rpartition("/")[2], names)
    if not likely:
        return "stigmer-ops runbook list"
    return " or ".join(f"stigmer-ops runbook show {name}" for name in likely)


def _likely(wanted: str, names: Sequence[str]) -> list[str]:
    folded = {name.lower(): name for name in names}
    close = get_close_matches(wanted, folded, n=3)
    holding = [name for name in folded if wanted and wanted in name]
    return [folded[name] for name in dict.fromkeys((*close, *holding))][:_SUGGESTIONS]
