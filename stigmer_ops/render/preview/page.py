"""A preview as one page of HTML that needs nothing else: no script, no network."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from stigmer_ops.monitoring.preview.dashboard_json import Panel
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Picture, Section
from stigmer_ops.render.preview.document import document
from stigmer_ops.render.preview.graph import graph
from stigmer_ops.render.preview.legend import legend, legend_height
from stigmer_ops.render.preview.markup import Child, element
from stigmer_ops.render.preview.stat import stats
from stigmer_ops.render.preview.theme import Theme
from stigmer_ops.render.preview.timeline import BESIDE, ROW, timeline

WIDTH = 1280
"""Pixels of the page at most; drawings are made for it, and shrink on a narrower one."""
_COLUMNS, _CELL, _GAP, _PADDING = 24, 30, 8, 16
_HEADER = 32
_MEASURE = "document.documentElement.dataset.height = document.documentElement.scrollHeight"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def page(picture: Picture, theme: Theme = Theme.AUTO, *, measuring: bool = False) -> str:
    """The page.

    Args:
        picture: The dashboard with its data.
        theme: Its colours; AUTO asks the browser.
        measuring: Instead of refusing every script, hold one that writes the height of the page
            into `data-height` of the root.
    """
    title = picture.dashboard.title or "Dashboard"
    return document(
        title,
        [("stigmer_ops.render.preview", "theme.css")],
        _heading(picture, title),
        *(_section(section, picture) for section in picture.sections),
        _explanations(picture),
        *((element("script", _MEASURE),) if measuring else ()),
        theme=theme,
        guarded=not measuring,
    )


def _heading(picture: Picture, title: str) -> Element:
    shown = picture.range
    span = f"{shown.start:%Y-%m-%d %H:%M:%S} to {shown.end:%Y-%m-%d %H:%M:%S} UTC"
    chosen = [
        element("li", element("b", choice.label), element("span", choice.text))
        for choice in picture.choices
    ]
    return element(
        "header",
        element("h1", title),
        element(
            "p",
            f"{span}, every {shown.step.total_seconds():g} s, from {picture.source}",
            class_="quiet",
        ),
        element("ul", *chosen, class_="choices"),
    )


def _section(section: Section, picture: Picture) -> Element:
    top = min(drawn.panel.grid_pos.y for drawn in section.panels)
    panels = [_panel(drawn, picture, top) for drawn in section.panels]
    heading: tuple[Child, ...] = (element("h2", section.title),) if section.title else ()
    return element("section", *heading, element("div", *panels, class_="row"))


def _panel(drawn: DrawnPanel, picture: Picture, top: int) -> Element:
    at = drawn.panel.grid_pos
    place = f"grid-column:{at.x + 1}/span {at.w};grid-row:{at.y - top + 1}/span {at.h}"
    header = element("header", element("h3", drawn.title))
    if drawn.panel.description:
        header.append(element("abbr", "i", title=plain(drawn.panel.description)))
    return element("article", header, *_content(drawn, picture), class_="panel", style=place)


def _content(drawn: DrawnPanel, picture: Picture) -> tuple[Child, ...]:
    if drawn.problem:
        kind = "problem refused" if drawn.refused else "problem"
        return (element("p", drawn.problem, class_=kind),)
    width, height = _size(drawn.panel)
    match drawn.panel.type:
        case "stat":
            return (stats(drawn, picture, width, height),)
        case "state-timeline":
            height = max(height, BESIDE + ROW * len(drawn.series))
            return (timeline(drawn, picture, width, height),)
        case _:
            room = height - legend_height(drawn, height)
            return (graph(drawn, picture, width, room), *legend(drawn, height))


def _size(panel: Panel) -> tuple[float, float]:
    """Pixels that Grafana leaves for what is drawn, on a page of our width."""
    at = panel.grid_pos
    column = (WIDTH - 2 * _PADDING - (_COLUMNS - 1) * _GAP) / _COLUMNS
    width = at.w * column + (at.w - 1) * _GAP - 2
    height = at.h * _CELL + (at.h - 1) * _GAP - _HEADER
    return width, max(height, 40.0)


def plain(markdown: str) -> str:
    """A description without its links, for where none can be followed."""
    return _LINK.sub(r"\1", markdown)


def _explanations(picture: Picture) -> Element:
    entries: list[Child] = []
    for drawn in picture.panels:
        entries.append(element("dt", f"{drawn.panel.id}. {drawn.title}"))
        if drawn.panel.description:
            entries.append(element("dd", plain(drawn.panel.description), class_="quiet"))
        entries += (element("dd", element("code", query)) for query in drawn.queries)
    summary = element("summary", "What the panels show, and their queries")
    return element("details", summary, element("dl", *entries), class_="explanations")
