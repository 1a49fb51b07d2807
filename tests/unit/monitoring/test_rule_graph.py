"""Which rules build on which."""

from __future__ import annotations

import pytest

from stigmer_ops.monitoring.rule_graph import built_on, needed, selected_names

EXPRESSIONS = {
    "a:rate5m": ["rate(a_total[5m])"],
    "a:ratio": ["a:rate5m / b:rate5m"],
    "b:rate5m": ["rate(b_total[5m])"],
    "Alert": ["a:ratio > 1", "up == 0"],
}


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("rate(a_total[5m]) / b", {"a_total", "b"}),
        ('{__name__="c", x="y"} offset 5m', {"c"}),
        ("max_over_time(rate(d[5m])[1h:])", {"d"}),
        ('{__name__=~"e.*"}', set()),
        ("vector(1)", set()),
    ],
)
def test_selected_names(expr: str, names: set[str]) -> None:
    assert selected_names(expr) == names


def test_what_is_no_promql_is_an_error() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        selected_names("sum(")


def test_what_would_end_the_process_is_an_error() -> None:
    with pytest.raises(ValueError, match="characters, more than"):
        selected_names("(" * 10_000 + "x" + ")" * 10_000)


def test_needed_follows_recorded_names_down() -> None:
    assert needed(["Alert"], EXPRESSIONS) == {"Alert", "a:ratio", "a:rate5m", "b:rate5m"}
    assert needed(["b:rate5m"], EXPRESSIONS) == {"b:rate5m"}


def test_built_on_follows_them_up() -> None:
    assert built_on("b:rate5m", EXPRESSIONS) == {"b:rate5m", "a:ratio", "Alert"}
    assert built_on("Alert", EXPRESSIONS) == {"Alert"}


def test_rules_that_record_over_each_other_end() -> None:
    circle = {"a:x": ["b:x"], "b:x": ["a:x"]}
    assert needed(["a:x"], circle) == {"a:x", "b:x"}
