"""Reading dashboards: ours, strangers', and what is none."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.preview.dashboard_json import look_of, read
from stigmer_ops.monitoring.preview.variables import choices


def dashboard(**more: Any) -> str:
    return json.dumps({"title": "Title", "panels": [], **more})


def panel(id: int, y: int, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "timeseries", "gridPos": {"x": 0, "y": y, "w": 12, "h": 8}, **more}


def row(title: str, y: int, *panels: dict[str, Any]) -> dict[str, Any]:
    return panel(100 + y, y, type="row", title=title, panels=list(panels))


def test_panels_are_under_their_headings_also_under_those_that_are_collapsed() -> None:
    text = dashboard(
        panels=[
            row("Closed", 20, panel(4, 21)),
            panel(3, 11),
            row("Open", 10),
            panel(1, 0),
            panel(2, 5),
        ]
    )
    sections = [
        (title, [each.id for each in panels]) for title, panels in read(text, "x").sections()
    ]
    assert sections == [("", [1, 2]), ("Open", [3]), ("Closed", [4])]


def test_what_grafana_leaves_empty_is_taken_as_not_set() -> None:
    nothing = {
        "id": None,
        "title": None,
        "type": "stat",
        "targets": None,
        "fieldConfig": {
            "defaults": {
                "unit": None,
                "color": None,
                "mappings": None,
                "thresholds": {"mode": None, "steps": [{"color": None, "value": None}]},
            }
        },
    }
    read_back = read(dashboard(panels=[nothing], templating=None, time=None, tags=None), "x")
    defaults, options = look_of(read_back.panels[0])
    assert defaults.thresholds.steps[0].value == -math.inf
    assert options.legend.show_legend is True
    assert read_back.time.from_ == "now-6h"


def test_what_the_api_wraps_around_it_is_taken_off() -> None:
    assert (
        read(json.dumps({"meta": {}, "dashboard": json.loads(dashboard())}), "x").title == "Title"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x.json: not JSON"),
        ("[]", "x.json: not a Grafana dashboard: it has no panels"),
        ('"text"', "it has no panels"),
        ('{"apiVersion": "dashboard.grafana.app/v2"}', "x.json: a dashboard of the v2 schema"),
        ('{"panels": 5}', "x.json: panels: "),
        ('{"panels": [{"gridPos": {"w": 99}}]}', "x.json: panels.0.gridPos.w: "),
        ('{"panels": [{"id": "one"}]}', "x.json: panels.0.id: "),
        ("[" * 100_000, "x.json: not JSON"),
    ],
)
def test_what_is_no_dashboard_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text, "x.json")


def test_a_look_that_grafana_would_not_write_names_its_panel() -> None:
    broken = panel(7, 0, title="Errors", fieldConfig={"defaults": {"min": "low"}})
    found = read(dashboard(panels=[broken]), "x").panels[0]
    with pytest.raises(InputError, match=r"panel 7 \(Errors\): defaults.min"):
        look_of(found)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["panels", "gridPos", "type", "id", "targets"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_it_crash(document: Any) -> None:
    found = None
    with suppress(InputError):
        found = read(json.dumps({"panels": document}), "x")
    assert found is None or isinstance(list(found.sections()), list)


VARIABLES = [
    {"name": "datasource", "type": "datasource", "current": {"value": "abc"}},
    {"name": "all", "type": "query", "allValue": ".+", "current": {"value": ["$__all"]}},
    {"name": "any", "type": "query", "current": {}},
    {"name": "one", "label": "One", "type": "query", "current": {"value": "a.b"}},
    {"name": "two", "type": "query", "current": {"value": ["a.b", "c"]}},
    {"name": "fixed", "type": "constant", "query": "f"},
]


@pytest.mark.parametrize(
    ("name", "label", "text", "value"),
    [
        ("all", "all", "All", ".+"),
        ("any", "any", "All", ".*"),
        ("one", "One", "a.b", "a.b"),
        ("two", "two", "a.b + c", r"(a\.b|c)"),
        ("fixed", "fixed", "f", "f"),
    ],
)
def test_variables_are_as_they_were_saved(name: str, label: str, text: str, value: str) -> None:
    found = choices(read(dashboard(templating={"list": VARIABLES}), "x"), {})
    assert "datasource" not in found
    assert (found[name].label, found[name].text, found[name].value) == (label, text, value)


def test_a_value_that_is_given_wins() -> None:
    found = choices(read(dashboard(templating={"list": VARIABLES}), "x"), {"all": "mine"})
    assert found["all"].value == "mine"
