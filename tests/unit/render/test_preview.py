"""The page and the terminal, from data made by hand."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from stigmer_ops.monitoring.preview.dashboard_json import look_of, read
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Event, Picture, Section, Series
from stigmer_ops.monitoring.preview.variables import Choice
from stigmer_ops.monitoring.preview.window import TimeRange
from stigmer_ops.render.preview.markup import colour
from stigmer_ops.render.preview.page import page
from stigmer_ops.render.preview.terminal import preview_record, print_preview
from stigmer_ops.render.preview.theme import Theme
from support.html_pages import Reader, browsed

END = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
RANGE = TimeRange(END - timedelta(hours=1), END, timedelta(seconds=15))
STEP = RANGE.step.total_seconds()
HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)>\x1b[31m\u202e&amp;'

NAN_IS_IDLE = {"type": "special", "options": {"match": "nan", "result": {"text": "idle"}}}
YES_NO = {"type": "value", "options": {"0": {"text": "no"}, "1": {"text": "yes"}}}


def series(name: str, *values: float | None, last: float | None = None) -> Series:
    """One value for each step from the start; None leaves it out."""
    start = RANGE.start.timestamp()
    points = tuple(
        (start + index * STEP, value) for index, value in enumerate(values) if value is not None
    )
    return Series(name, points, points[-1][1] if last is None else last)


def drawn(
    kind: str = "timeseries",
    shown: Sequence[Series] = (),
    defaults: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **more: Any,
) -> DrawnPanel:
    grid = {"x": 0, "y": 1, "w": 12, "h": 10}
    raw = {
        "id": 1,
        "type": kind,
        "title": "Title",
        "gridPos": grid,
        "description": "What. [Page](https://pages/x)",
        "fieldConfig": {"defaults": {"min": 0, **(defaults or {})}},
        "options": options or {},
    }
    panel = read(json.dumps({"panels": [raw]}), "x").panels[0]
    look = look_of(panel)
    made = DrawnPanel(panel, "Title", *look, ("up",), tuple(shown))
    return replace(made, **more)


def picture(*panels: DrawnPanel, events: tuple[Event, ...] = (), title: str = "Board") -> Picture:
    dashboard = read(json.dumps({"title": title, "panels": []}), "x")
    choices = (Choice("Namespace", "All", ".+"),)
    sections = (Section("Row", panels),) if panels else ()
    return Picture(dashboard, "http://prometheus", RANGE, choices, sections, events)


def named(reader: Reader, tag: str, class_: str = "") -> list[dict[str, str | None]]:
    return [
        attributes
        for name, attributes in reader.tags
        if name == tag and class_ in (attributes.get("class") or "")
    ]


def test_foreign_text_never_becomes_markup() -> None:
    hostile = [series(HOSTILE, 1, 2)]
    panels = [
        drawn(kind, hostile, {"noValue": HOSTILE, "unit": HOSTILE}, title=HOSTILE)
        for kind in ("timeseries", "stat", "state-timeline")
    ]
    panels.append(drawn(problem=HOSTILE, queries=(HOSTILE,)))
    event = Event(HOSTILE, HOSTILE, HOSTILE, RANGE.start.timestamp(), END.timestamp())
    text = page(picture(*panels, events=(event,), title=HOSTILE))
    reader = browsed(text)
    assert not {tag for tag, _ in reader.tags} & {"script", "img", "link", "iframe", "object"}
    attributes = {name for _, found in reader.tags for name in found}
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {"src", "href", "srcset", "action"}
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert HOSTILE[:20] in "".join(reader.text)


def test_the_page_forbids_itself_script_and_network() -> None:
    text = page(picture(drawn(shown=[series("a", 1)])))
    policies = [found for found in named(browsed(text), "meta") if "http-equiv" in found]
    assert [found["content"] for found in policies] == [
        "default-src 'none'; style-src 'unsafe-inline'"
    ]
    assert "@import" not in text
    assert "url(" not in text


@pytest.mark.parametrize("theme", Theme)
def test_the_theme_is_that_of_the_root(theme: Theme) -> None:
    (root,) = named(browsed(page(picture(), theme)), "html")
    assert root["data-theme"] == theme.value


def test_panels_are_where_grafana_places_them() -> None:
    (article,) = named(browsed(page(picture(drawn()))), "article")
    assert article["style"] == "grid-column:1/span 12;grid-row:1/span 10"


def test_a_gap_is_not_bridged_and_a_lonely_point_is_seen() -> None:
    reader = browsed(page(picture(drawn(shown=[series("a", 1, 2, None, None, 3, None, 4, 5)]))))
    lines = [path["d"] or "" for path in named(reader, "path", "line")]
    assert [line.count(",") for line in lines] == [2, 2]
    assert len(named(reader, "circle")) == 1


def heights(reader: Reader) -> list[list[float]]:
    return [
        [float(y) for y in re.findall(r",([\d.]+)", path["d"] or "")]
        for path in named(reader, "path", "line")
    ]


def test_stacked_lines_stand_on_each_other() -> None:
    stacked = {"custom": {"stacking": {"mode": "normal"}, "fillOpacity": 30}, "max": 8}
    both = [series("a", 2, 2), series("b", 2, 2)]
    lower, upper = heights(browsed(page(picture(drawn(shown=both, defaults=stacked)))))
    assert upper[0] < lower[0]
    (first, second) = heights(browsed(page(picture(drawn(shown=both, defaults={"max": 8})))))
    assert first == second


def threshold_defaults(mode: str, *steps: tuple[float | None, str]) -> dict[str, Any]:
    return {
        "custom": {"thresholdsStyle": {"mode": mode}},
        "thresholds": {"steps": [{"value": value, "color": name} for value, name in steps]},
    }


def test_thresholds_are_lines_in_their_colours_at_their_values() -> None:
    look = threshold_defaults("dashed", (None, "transparent"), (5, "orange"), (10, "red"))
    reader = browsed(page(picture(drawn(shown=[series("a", 0, 10)], defaults={**look, "max": 20}))))
    lines = named(reader, "line", "threshold dashed")
    assert [line["style"] for line in lines] == ["stroke:var(--orange)", "stroke:var(--red)"]
    (line,) = heights(reader)
    assert float(lines[1]["y1"] or 0) == pytest.approx(line[1], abs=0.1)


@pytest.mark.parametrize(
    ("mode", "lines", "areas"),
    [("off", 0, 0), ("line", 1, 0), ("area", 0, 2), ("line+area", 1, 2)],
)
def test_thresholds_are_drawn_in_the_style_that_is_set(mode: str, lines: int, areas: int) -> None:
    look = {**threshold_defaults(mode, (None, "green"), (5, "red")), "max": 10}
    reader = browsed(page(picture(drawn(shown=[series("a", 1, 2)], defaults=look))))
    assert len(named(reader, "line", "threshold")) == lines
    assert (
        len([rect for rect in named(reader, "rect") if rect.get("fill-opacity") == "0.12"]) == areas
    )


def test_a_threshold_beyond_the_data_is_out_of_sight_unless_the_axis_reaches_for_it() -> None:
    look = threshold_defaults("dashed", (None, "transparent"), (100, "red"))
    few = [series("a", 1, 2)]
    assert not named(browsed(page(picture(drawn(shown=few, defaults=look)))), "line", "threshold")
    look["custom"]["axisSoftMax"] = 110
    assert named(browsed(page(picture(drawn(shown=few, defaults=look)))), "line", "threshold")


LEGEND = {
    "legend": {
        "displayMode": "table",
        "calcs": ["lastNotNull", "max"],
        "sortBy": "Max",
        "sortDesc": True,
    }
}


def test_the_legend_has_numbers_sorted_and_says_how_many_more_there_are() -> None:
    many = [series(f"s{index}", index, 0) for index in range(20)]
    many.append(series("nothing", last=math.nan))
    text = page(picture(drawn(shown=many, options=LEGEND, defaults={"mappings": [NAN_IS_IDLE]})))
    rows = [re.sub(r"<[^>]+>", " ", found).split() for found in re.findall(r"<tr>(.*?)</tr>", text)]
    assert rows[0] == ["Name", "Last", "*", "Max"]
    assert rows[1] == ["s19", "0", "19"]
    assert rows[-1] == ["nothing", "idle", "idle"]
    assert len(rows) == 22
    shown = text.split("<summary>")[0].count("<tr>") - 1
    assert f"<summary>{21 - shown} more</summary>" in text


def test_a_legend_as_a_list_or_none_at_all() -> None:
    listed = page(picture(drawn(shown=[series("a", 1, 2)])))
    assert named(browsed(listed), "ul", "legend")
    hidden = {"legend": {"showLegend": False}}
    assert not named(
        browsed(page(picture(drawn(shown=[series("a", 1)], options=hidden)))), "ul", "legend"
    )


def test_a_stat_has_the_colour_of_its_step_and_names_only_if_there_are_several() -> None:
    look = {
        "unit": "percentunit",
        **threshold_defaults("off", (None, "red"), (0.9, "green")),
        "mappings": [NAN_IS_IDLE],
    }
    one = page(picture(drawn("stat", [series("go", 0.5, 0.95)], look)))
    (value,) = named(browsed(one), "span", "value")
    assert "var(--green)" in (value["style"] or "")
    assert ">95%<" in one
    assert not named(browsed(one), "span", "name")
    two = page(picture(drawn("stat", [series("go", 0.8), series("java", last=math.nan)], look)))
    assert len(named(browsed(two), "span", "name")) == 2
    assert "var(--red)" in two
    assert ">idle<" in two


def test_a_timeline_has_a_bar_for_each_state() -> None:
    look = {**threshold_defaults("off", (None, "red"), (1, "green")), "mappings": [YES_NO]}
    states = [series("a long name of a series", 1, 1, 0, 0, 1, None, None, 1)]
    reader = browsed(page(picture(drawn("state-timeline", states, look))))
    bars = named(reader, "rect", "state")
    assert [bar["fill"] for bar in bars] == [
        "var(--green)",
        "var(--red)",
        "var(--green)",
        "var(--green)",
    ]
    ends = [float(bar["x"] or 0) + float(bar["width"] or 0) for bar in bars]
    starts = [float(bar["x"] or 0) for bar in bars]
    assert ends[0] == pytest.approx(starts[1], abs=0.1)
    assert ends[2] < starts[3] - 1


def test_events_are_marked_where_they_were() -> None:
    start = RANGE.start.timestamp()
    event = Event("Stuck", "critical", "red", start + 1800, start + 2700)
    text = page(picture(drawn(shown=[series("a", 1, 2)]), events=(event,)))
    assert "2026-03-04 11:30 Stuck critical" in text
    assert len(named(browsed(text), "line", "event")) == 1


@pytest.mark.parametrize("kind", ["timeseries", "stat", "state-timeline"])
def test_a_panel_without_data_says_so(kind: str) -> None:
    assert "nothing here" in page(picture(drawn(kind, defaults={"noValue": "nothing here"})))
    assert "No data" in page(picture(drawn(kind)))


def test_the_description_and_the_queries_can_be_read() -> None:
    text = page(picture(drawn()))
    assert "What. Page" in text
    assert "<code>up</code>" in text
    assert "https://pages/x" not in text


def test_infinite_values_do_no_harm() -> None:
    odd = [series("a", 1, math.inf, 2), series("b", -math.inf)]
    for kind in ("timeseries", "stat", "state-timeline"):
        assert "∞" in page(picture(drawn(kind, odd, options=LEGEND)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("green", "var(--green)"),
        ("dark-red", "var(--red)"),
        ("semi-dark-orange", "var(--orange)"),
        ("light-blue", "var(--light-blue)"),
        ("super-light-blue", "var(--blue)"),
        ("#7EB26D", "#7EB26D"),
        ("transparent", "transparent"),
        ("rgb(1,2,3)", "var(--text)"),
        ("red;background:url(//evil)", "var(--text)"),
    ],
)
def test_colours_are_those_of_the_theme(name: str, expected: str) -> None:
    assert colour(name) == expected


def printed(shown: Picture, *, wide: bool = False, width: int = 120) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    print_preview(console, shown, wide=wide)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_terminal_shows_trends_on_one_scale_of_time() -> None:
    late = [None] * 200 + [5.0, 9.0]
    text = printed(
        picture(drawn(shown=[series("late", *late), series(HOSTILE, 1.0, 2.0)], options=LEGEND))
    )
    row = next(line for line in text.splitlines() if "late" in line)
    assert row.split() == ["late", "▁█", "9", "9"]
    assert "\x1b" not in text


def test_the_terminal_shows_the_first_of_the_legend_and_all_if_wide() -> None:
    many = picture(drawn(shown=[series(f"s{index}", index) for index in range(20)], options=LEGEND))
    assert "14 more (-o wide)" in printed(many)
    assert "more" not in printed(many, wide=True)
    assert printed(many).index("s19") < printed(many).index("s18")


def test_the_terminal_says_what_cannot_be_drawn() -> None:
    shown = picture(drawn(problem="no such thing", refused=True), drawn("stat"))
    assert "no such thing" in printed(shown)
    assert "no data" in printed(shown)


def test_programs_get_numbers_and_null_for_what_is_none() -> None:
    shown = [series("a", 1, 3, 2), series("b", last=math.nan)]
    record = preview_record(picture(drawn(shown=shown)), ["x.html"])
    assert json.loads(json.dumps(record, allow_nan=False))["panels"][0]["series"] == [
        {"name": "a", "points": 3, "last": 2, "max": 3},
        {"name": "b", "points": 0, "last": None, "max": None},
    ]
    assert record["written"] == ["x.html"]
