"""A page of HTML that needs nothing else: its style inside, no script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

from stigmer_ops.render.preview.markup import Child, element, serialised
from stigmer_ops.render.preview.theme import Theme

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever else a browser may be talked into, it asks nobody for anything."""
COLOURS = ("stigmer_ops.render.preview", "colours.css")
"""The colours of all pages, light and dark."""

StyleSheet = tuple[str, str]
"""Package and file."""


def document(
    title: str,
    styles: Sequence[StyleSheet],
    *body: Child,
    theme: Theme = Theme.AUTO,
    guarded: bool = True,
) -> str:
    """The page.

    Args:
        title: Its title.
        styles: What it looks like; `COLOURS` come before them.
        body: What it holds.
        theme: Its colours; AUTO asks the browser.
        guarded: Whether it refuses every script and every request, which is always right, but for
            a page that is measured by a script of ours.
    """
    policy = element("meta", http_equiv="Content-Security-Policy", content=POLICY)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        *((policy,) if guarded else ()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        _style([COLOURS, *styles]),
    )
    root = element("html", head, element("body", *body), lang="en", data_theme=theme.value)
    return serialised(root)


def _style(styles: Sequence[StyleSheet]) -> Element:
    made = element("style")
    made.text = "\n".join(
        files(package).joinpath(name).read_text(encoding="utf-8") for package, name in styles
    )
    return made
