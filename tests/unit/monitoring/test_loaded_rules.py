"""The answer of /api/v1/rules, and how it compares with the generated rules."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stigmer_ops.monitoring.loaded_rules import Comparison, LoadedRule, compare, loaded_rules
from stigmer_ops.monitoring.rules import Rule

GENERATED: dict[str, list[Rule]] = {
    "ours": [
        {"record": "a:sum", "expr": "sum by (x) (a)"},
        {
            "alert": "Broken",
            "expr": 'a{b="c", d="e"}\n>\n1.0',
            "for": "5m",
            "labels": {"severity": "critical"},
            "annotations": {"summary": "It is."},
        },
    ]
}
ANSWER: list[dict[str, Any]] = [
    {
        "name": "ours",
        "rules": [
            {"name": "a:sum", "query": "sum by(x) (a)", "type": "recording", "health": "ok"},
            {
                "name": "Broken",
                "query": 'a{d="e",b="c"} > 1',
                "duration": 300,
                "keepFiringFor": 0,
                "labels": {"severity": "critical"},
                "annotations": {"summary": "It is."},
                "alerts": [
                    {
                        "labels": {"alertname": "Broken", "severity": "critical", "x": "y"},
                        "annotations": {"summary": "It is."},
                        "state": "firing",
                        "activeAt": "2026-11-24T08:00:00.123456789Z",
                        "value": "1.5e+00",
                    }
                ],
                "type": "alerting",
                "health": "ok",
            },
        ],
    },
    {"name": "theirs", "rules": [{"name": "Other", "query": "vector(1)"}]},
]


def loaded(change: dict[str, Any] | None = None, *, rule: int = 1) -> list[LoadedRule]:
    answer = deepcopy(ANSWER)
    answer[0]["rules"][rule] |= change or {}
    return list(loaded_rules(answer))


def test_rules_in_prometheus_own_layout_are_equal() -> None:
    assert compare(loaded(), GENERATED) == Comparison((), (), (), ())
    assert compare(loaded(), GENERATED).equal


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"query": 'a{d="e",b="c"} > 2'}, "expr"),
        ({"duration": 60}, "for"),
        ({"keepFiringFor": 60}, "keep_firing_for"),
        ({"labels": {"severity": "warning"}}, "labels"),
        ({"annotations": {"summary": "It is not."}}, "annotations"),
    ],
)
def test_each_part_of_a_rule_is_compared(change: dict[str, Any], part: str) -> None:
    assert compare(loaded(change), GENERATED).different == (("Broken", (part,)),)


def test_rules_are_missing_or_too_many() -> None:
    found = compare(loaded({"name": "Renamed"}), GENERATED)
    assert (found.missing, found.surplus) == (("Broken",), ("Renamed",))
    assert not found.equal


def test_evaluation_that_fails_is_told() -> None:
    found = compare(loaded({"lastError": "many-to-many"}, rule=0), GENERATED)
    assert found.failing == (("a:sum", "many-to-many"),)
    assert not found.equal


def test_promql_of_a_newer_prometheus_is_compared_as_text() -> None:
    assert compare(loaded({"query": "novel syntax ?"}), GENERATED).different == (
        ("Broken", ("expr",)),
    )


def test_rule_that_would_end_the_process_is_compared_as_text() -> None:
    deep = "(" * 10_000 + "x" + ")" * 10_000
    assert compare(loaded({"query": deep}), GENERATED).different == (("Broken", ("expr",)),)


def test_active_alerts_have_their_times_and_values() -> None:
    (alert,) = loaded()[1].alerts
    assert alert.since == datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
    assert (alert.name, alert.state, alert.severity, alert.value) == (
        "Broken",
        "firing",
        "critical",
        1.5,
    )
    assert loaded()[1].definition["for"] == timedelta(minutes=5)


@pytest.mark.parametrize("answer", [None, [{"name": "x"}], [{"rules": [{}]}], [3]])
def test_answer_of_another_form_is_an_error_that_the_caller_expects(answer: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        list(loaded_rules(answer))
