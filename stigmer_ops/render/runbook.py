"""How runbook pages look: formatted on a terminal, and as plain text everywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.verdicts import BY_ID
from stigmer_ops.render.tables import Column, table_of
from stigmer_ops.runbook import Page, PageKind

if TYPE_CHECKING:
    from rich.console import Console

PAGE_WIDTH = 96
"""Columns of a formatted page at most: longer lines are hard to read."""

_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\.md\)")
_FENCE = re.compile(r"^ *```")
_VARIABLE = re.compile(r"\$([A-Z][A-Z_]+)")


def page_record(page: Page) -> dict[str, Any]:
    """One page without its text, as JSON shows it; `kind` there is what a document is."""
    return {
        "name": page.name,
        "page_kind": page.kind.value,
        "title": page.title,
        "path": page.path,
    }


def page_table(console: Console, pages: Iterable[Page]) -> None:
    """Print a row for each page."""
    columns = [Column("NAME", fold=False), Column("KIND", fold=False), Column("TITLE")]
    console.print(table_of(columns, [(page.name, page.kind, page.title) for page in pages]))


def print_page(console: Console, page: Page) -> None:
    """Print a page."""
    if not console.is_terminal:
        console.file.write(_plain_text(page))
        return
    from rich.markdown import Markdown  # noqa: PLC0415 - only a terminal pays for it
    from rich.text import Text  # noqa: PLC0415

    # A link cannot be followed there; its text is the name to give to `runbook show`.
    page_text = Markdown(_LINK.sub(r"**\1**", page.text), code_theme="ansi_dark")
    options = console.options.update(width=min(console.width, PAGE_WIDTH))
    for segments in console.render_lines(page_text, options, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()  # a space behind a backslash, copied, would cut the command in two
        console.print(line, soft_wrap=True)


def _plain_text(page: Page) -> str:
    """A page as plain text: commands indented, links as the names that `runbook show` takes."""
    lines, fenced = [], False
    for line in page.text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        else:
            lines.append(f"    {line}" if fenced and line else line)
    return _LINK.sub(r"\1", "\n".join(lines)) + "\n"


def variables_of(page: Page) -> list[str]:
    """The shell variables that the page's commands use, in order of appearance."""
    return list(dict.fromkeys(_VARIABLE.findall(page.text)))


def index_tables(pages: Iterable[Page]) -> str:
    """Tables of all pages for the index, in Markdown: verdicts the most urgent first."""
    found = list(pages)
    parts = []
    for kind in PageKind:
        of_kind = [page for page in found if page.kind is kind]
        if of_kind:
            rows = _verdict_rows(of_kind) if kind is PageKind.VERDICT else _rows(of_kind)
            parts.append(f"## {kind.folder.capitalize()}\n\n{rows}")
    return "\n".join(parts)


def _verdict_rows(pages: list[Page]) -> str:
    order = list(BY_ID)
    ordered = sorted(pages, key=lambda page: (-BY_ID[page.name].severity, order.index(page.name)))
    return "| verdict | severity | what is the case |\n|---|---|---|\n" + "".join(
        f"| {_link(page)} | {BY_ID[page.name].severity} | {page.title} |\n" for page in ordered
    )


def _rows(pages: list[Page]) -> str:
    return "| page | what it is about |\n|---|---|\n" + "".join(
        f"| {_link(page)} | {page.title} |\n" for page in pages
    )


def _link(page: Page) -> str:
    return f"[{page.name}]({page.path})"
