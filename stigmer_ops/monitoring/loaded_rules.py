"""Rules as a running Prometheus has them: their alerts, and whether they are the generated ones.

Facts are those of GET /api/v1/rules (Prometheus 2 and 3): expressions come back in Prometheus' own
layout, and `for` in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser

from stigmer_ops.monitoring.promql_guard import guarded
from stigmer_ops.monitoring.rules import Rule

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that is pending or firing.

    Attributes:
        name: Of its rule.
        state: pending or firing.
        since: When its condition began to hold.
        value: Of the condition.
        labels: All labels, alertname and severity included.
        annotations: As Prometheus rendered them.
    """

    name: str
    state: str
    since: datetime
    value: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def severity(self) -> str:
        """Its severity; empty if it has none."""
        return self.labels.get("severity", "")


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule that Prometheus evaluates.

    Attributes:
        group: Its group.
        name: The alert's name, or that of the recorded series.
        definition: What it is, in a form that compares: expression, `for`, labels, annotations.
        problem: Why its last evaluation failed; empty if it did not.
        alerts: The active ones.
    """

    group: str
    name: str
    definition: Mapping[str, Any]
    problem: str
    alerts: tuple[ActiveAlert, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the loaded rules differ from the generated ones, by name.

    Attributes:
        missing: Not loaded.
        different: Loaded, and not the same: name, and in what (expr, for, labels and so on).
        surplus: Loaded in one of our groups, and not generated.
        failing: Loaded, and their last evaluation failed: name and reason.
    """

    missing: tuple[str, ...]
    different: tuple[tuple[str, tuple[str, ...]], ...]
    surplus: tuple[str, ...]
    failing: tuple[tuple[str, str], ...]

    @property
    def equal(self) -> bool:
        """Whether the rules are as generated, and can be evaluated."""
        return not (self.missing or self.different or self.surplus or self.failing)


def loaded_rules(groups: Any) -> Iterator[LoadedRule]:  # noqa: ANN401 - JSON
    """The rules of an answer's `data.groups`.

    Raises:
        LookupError, TypeError, ValueError, AttributeError, OverflowError: It is not of that form.
    """
    for group in groups:
        for rule in group["rules"]:
            yield LoadedRule(
                str(group["name"]),
                str(rule["name"]),
                _definition(
                    str(rule["query"]),
                    timedelta(seconds=rule.get("duration") or 0),
                    timedelta(seconds=rule.get("keepFiringFor") or 0),
                    _texts(rule.get("labels")),
                    _texts(rule.get("annotations")),
                ),
                str(rule.get("lastError") or ""),
                tuple(_alert(str(rule["name"]), alert) for alert in rule.get("alerts") or ()),
            )


def compare(loaded: Sequence[LoadedRule], generated: Mapping[str, Sequence[Rule]]) -> Comparison:
    """Loaded rules against generated ones (group name to rules as rule files have them).

    Groups of other names are other people's and are left alone.
    """
    wanted = {
        (group, rule.get("alert") or rule["record"]): _generated_definition(rule)
        for group, rules in generated.items()
        for rule in rules
    }
    found = {(rule.group, rule.name): rule for rule in loaded if rule.group in generated}
    return Comparison(
        missing=tuple(name for group, name in wanted if (group, name) not in found),
        different=tuple(
            (key[1], parts)
            for key, definition in wanted.items()
            if key in found and (parts := _different_parts(found[key].definition, definition))
        ),
        surplus=tuple(name for group, name in found if (group, name) not in wanted),
        failing=tuple((rule.name, rule.problem) for rule in found.values() if rule.problem),
    )


def _different_parts(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(part for part in one if one[part] != other[part])


def _generated_definition(rule: Rule) -> Mapping[str, Any]:
    return _definition(
        rule["expr"],
        _duration(rule.get("for")),
        _duration(rule.get("keep_firing_for")),
        rule.get("labels") or {},
        rule.get("annotations") or {},
    )


def _definition(
    expr: str,
    for_: timedelta,
    keep_firing_for: timedelta,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> Mapping[str, Any]:
    return {
        "expr": _canonical(expr),
        "for": for_,
        "keep_firing_for": keep_firing_for,
        "labels": dict(labels),
        "annotations": dict(annotations),
    }


def _canonical(expr: str) -> str:
    try:
        return promql_parser.parse(guarded(expr)).prettify()
    except ValueError:  # PromQL of a newer Prometheus, or nested too deeply to be parsed
        return expr


def _duration(text: str | None) -> timedelta:
    return promql_parser.parse_duration(text) if text else _ZERO


def _alert(name: str, alert: Mapping[str, Any]) -> ActiveAlert:
    return ActiveAlert(
        name,
        str(alert["state"]),
        # Prometheus writes nanoseconds, of which datetime takes six digits.
        datetime.fromisoformat(alert["activeAt"]).astimezone(UTC),
        float(alert["value"]),
        _texts(alert["labels"]),
        _texts(alert.get("annotations")),
    )


def _texts(value: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    return {str(name): str(text) for name, text in (value or {}).items()}
