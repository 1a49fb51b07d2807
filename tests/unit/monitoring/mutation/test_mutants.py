"""Each way in which a rule can be wrong."""

from __future__ import annotations

import promql_parser
import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.mutation.mutants import mutants
from stigmer_ops.monitoring.rules import groups
from stigmer_ops.settings import Settings


def changes(expr: str) -> dict[str, str]:
    found = mutants("R", {"alert": "R", "expr": expr})
    return {mutant.change: mutant.source["expr"] for mutant in found}


def canonical(expr: str) -> str:
    return promql_parser.parse(expr).prettify()


@pytest.mark.parametrize(
    ("expr", "change", "mutated"),
    [
        ("a > 1", "> becomes >=", "(a >= 1)"),
        ("a > 1", "> becomes <", "(a < 1)"),
        ("a == 1", "== becomes !=", "(a != 1)"),
        ("a > 1", "1 becomes 10", "(a > 10)"),
        ("a > 1", "1 becomes 0.1", "(a > 0.1)"),
        ("a > 0", "0 becomes 1", "(a > 1)"),
        ("1 - a", "1 becomes 10", "(10 - a)"),
        ("a / b", "/ becomes *", "(a * b)"),
        ("a + on (x) group_left (y) b", "+ becomes -", "(a - on (x) group_left (y) b)"),
        ("a > bool 1", "> becomes <", "(a < bool 1)"),
        ("a and b", "and becomes or", "(a or b)"),
        ("a and b", "and becomes unless", "(a unless b)"),
        ("a and b", "'and' and its right side are gone", "(a)"),
        ("a or b", "'or' and its left side are gone", "(b)"),
        ("a unless b", "unless becomes and", "(a and b)"),
        ("histogram_quantile(0.99, a)", "quantile 0.99 becomes 0.5", "histogram_quantile(0.5, a)"),
        ("max by (x) (a)", "max becomes sum", "sum by (x) (a)"),
        ("max by (x, y) (a)", "by loses x", "max by (y) (a)"),
        ("sum without (x) (a)", "without loses x", "sum without () (a)"),
        ('a{b="c", d=~"e"}', 'b="c" is gone', 'a{d=~"e"}'),
        ('a{b="c"}', 'b="c" becomes b!="c"', 'a{b!="c"}'),
        ('a{b!~"c"}[5m] offset 1m', 'b!~"c" becomes b=~"c"', 'a{b=~"c"}[5m] offset 1m'),
        ("rate(a[5m])", "[5m] becomes [10m]", "rate(a[10m])"),
        ("rate(a[5m])", "[5m] becomes [2m30s]", "rate(a[2m30s])"),
        ("rate(a[5m])", "rate becomes increase", "increase(a[5m])"),
        ("a offset 10m", "offset 10m is gone", "a"),
        ("a offset 10m", "offset 10m becomes 20m", "a offset 20m"),
    ],
)
def test_each_change_is_made(expr: str, change: str, mutated: str) -> None:
    assert canonical(changes(expr)[change]) == canonical(mutated)


def test_precedence_of_the_rest_is_kept() -> None:
    found = changes("a > 1 and b and c or d")["and becomes or"]
    assert canonical(found) == canonical("(a > 1 or b) and c or d")


def test_the_same_change_at_two_places_is_told_apart() -> None:
    found = changes("a > 1 or b > 1")
    assert canonical(found["> becomes <"]) == canonical("(a < 1) or b > 1")
    assert canonical(found["> becomes < (no. 2)"]) == canonical("a > 1 or (b < 1)")


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (
            "for",
            "10m",
            {"for: 10m is gone": None, "for: 10m becomes 20m": "20m", "for: 10m becomes 5m": "5m"},
        ),
        ("for", "1m", {"for: 1m is gone": None, "for: 1m becomes 2m": "2m"}),
        (
            "keep_firing_for",
            "1h",
            {
                "keep_firing_for: 1h is gone": None,
                "keep_firing_for: 1h becomes 2h": "2h",
                "keep_firing_for: 1h becomes 30m": "30m",
            },
        ),
    ],
)
def test_durations_of_a_rule_are_changed(
    key: str, text: str, expected: dict[str, str | None]
) -> None:
    found = mutants("R", {"alert": "R", "expr": "a", key: text})
    assert {mutant.change: mutant.source.get(key) for mutant in found} == expected


def test_what_is_no_promql_is_an_error() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        list(mutants("R", {"expr": "sum("}))


def test_every_mutant_of_our_rules_is_named_once_differs_and_parses() -> None:
    settings = Settings()
    for rules in groups(catalogue(settings), settings).values():
        for rule in rules:
            found = list(mutants("R", rule))
            assert len({mutant.change for mutant in found}) == len(found) >= 2
            for mutant in found:
                promql_parser.parse(mutant.source["expr"])
                assert mutant.source != rule
