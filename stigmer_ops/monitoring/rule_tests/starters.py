"""Rule tests in promtool's format, generated from the examples of the alerts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from stigmer_ops.monitoring.catalogue.model import Catalogue, Emitter
from stigmer_ops.monitoring.catalogue.promql import Scope, duration
from stigmer_ops.monitoring.rule_graph import needed
from stigmer_ops.monitoring.rule_tests.example import Example, Feed, Phase, Signal
from stigmer_ops.monitoring.rule_tests.examples import examples
from stigmer_ops.monitoring.rule_tests.targets import strange_labels, target_labels
from stigmer_ops.monitoring.rules import HEADER, alerting_rule, dumped
from stigmer_ops.monitoring.templates import rendered
from stigmer_ops.settings import Settings

FOLDER = "tests/generated"
"""Below the folder of the rules."""
_RULES = "../.."

Test = dict[str, Any]


def starter_files(catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """File name, relative to the folder of the rules, to text: a file for each group of alerts.

    Examples with another step than a minute are in files of their own, since promtool knows one
    evaluation interval a file.
    """
    found: dict[tuple[str, timedelta], list[Test]] = {}
    seen = set()
    for example in examples(Scope(settings), catalogue):
        group = catalogue.alert(example.alert).group
        tests = _Tests(example, catalogue, settings)
        found.setdefault((group, example.step), []).append(tests.course())
        if example.alert not in seen:
            seen.add(example.alert)
            found[group, example.step].append(tests.absence())
    return {
        f"{FOLDER}/{_name(group, step)}.yaml": HEADER
        + "\n"
        + dumped(_document(_groups_of(group, catalogue), step, tests))
        for (group, step), tests in found.items()
    }


def _groups_of(group: str, catalogue: Catalogue) -> list[str]:
    """The groups that alerts of `group` build on, and `group` itself, in order of evaluation.

    No others: their alerts would fire for want of series.
    """
    expressions = {alert.name: [alert.expr] for alert in catalogue.alerts}
    expressions |= {rule.series.name: [rule.expr] for rule in catalogue.recordings}
    names = needed((a.name for a in catalogue.alerts if a.group == group), expressions)
    recorded = [rule.group for rule in catalogue.recordings if rule.series.name in names]
    return list(dict.fromkeys((*recorded, group)))


def _name(group: str, step: timedelta) -> str:
    return group if step == timedelta(minutes=1) else f"{group}-every-{duration(step)}"


def _document(names: Sequence[str], step: timedelta, tests: list[Test]) -> Mapping[str, Any]:
    return {
        "rule_files": [f"{_RULES}/{name}.yaml" for name in names],
        "evaluation_interval": duration(step),
        "group_eval_order": list(names),
        "tests": tests,
    }


class _Tests:
    """The tests of one example."""

    def __init__(self, example: Example, catalogue: Catalogue, settings: Settings) -> None:
        alert = catalogue.alert(example.alert)
        self._example = example
        self._settings = settings
        self._rule = alerting_rule(alert, catalogue, settings)
        self._alert = alert
        step = example.step
        self._holds = example.lead + example.onset
        self._held = math.ceil(alert.for_ / step) * step
        self._fires = self._holds + self._held
        self._over = self._fires + example.lasts + step

    def course(self) -> Test:
        """Quiet, pending, firing and over."""
        title = f"{self._alert.name} {self._example.name}".strip()
        step, ends = self._example.step, self._over + self._example.ends
        return {
            "name": title,
            "interval": duration(step),
            "input_series": list(self._input()),
            "alert_rule_test": [
                self._expect(self._fires, [self._fired(self._example.labels, self._example.value)]),
                self._expect(ends, []),
            ],
            "promql_expr_test": [
                _evaluated(self._holds - step, self._alerts(), []),
                _evaluated(self._fires - step, self._alerts(), [self._pending()]),
                _evaluated(ends - step, f"count({self._alerts('firing')})", ["{}"]),
            ],
        }

    def absence(self) -> Test:
        """Nothing at all is scraped."""
        fired = [self._fired(labels, 1) for labels in self._example.when_absent]
        return {
            "name": f"{self._alert.name} without series",
            "interval": duration(self._example.step),
            "alert_rule_test": [self._expect(self._held + 5 * self._example.step, fired)],
        }

    def _input(self) -> Iterator[dict[str, str]]:
        example = self._example
        phases = (example.lead, self._over - example.lead, example.ends + example.step)
        counts = [phase // example.step for phase in phases]
        for feed in example.feeds:
            for series, signals in self._targets(feed):
                yield {"series": series, "values": _values(signals, counts, example.step)}

    def _targets(self, feed: Feed) -> Iterator[tuple[str, tuple[Signal, Signal, Signal]]]:
        """The series of one target, of a second one, and of strangers."""
        chosen = target_labels(self._settings, feed.series.emitter)
        scraped = feed.series.emitter is not Emitter.PROMETHEUS
        first = {"instance": "a:9464"} if scraped else {}
        yield (
            _selector(feed, {**feed.labels, **chosen, **first}),
            (feed.quiet, feed.bad, feed.quiet),
        )
        if feed.second is not None:
            labels = {**feed.labels, **chosen, "instance": "b:9464"}
            yield _selector(feed, labels), (feed.second,) * 3
        if chosen:
            yield from self._strangers(feed, strange_labels(chosen))

    def _strangers(
        self, feed: Feed, target: Mapping[str, str]
    ) -> Iterator[tuple[str, tuple[Signal, Signal, Signal]]]:
        """Series that no rule may look at: of the same namespace, and of one of their own."""
        signals = (feed.stranger or feed.bad,) * 3
        yield _selector(feed, {**feed.labels, **target, "instance": "c:9464"}), signals
        if "namespace" in feed.labels:
            labels = {**feed.labels, "namespace": "strangers", **target, "instance": "d:9464"}
            yield _selector(feed, labels), signals

    def _expect(self, time: timedelta, alerts: list[dict[str, Any]]) -> dict[str, Any]:
        return {"eval_time": duration(time), "alertname": self._alert.name, "exp_alerts": alerts}

    def _fired(self, labels: Mapping[str, str], value: float) -> dict[str, Any]:
        annotations = {
            name: rendered(template, labels, value)
            for name, template in self._rule["annotations"].items()
        }
        return {"exp_labels": {**labels, **self._rule["labels"]}, "exp_annotations": annotations}

    def _alerts(self, state: str | None = None) -> str:
        chosen = {"alertname": self._alert.name} | ({"alertstate": state} if state else {})
        return f"ALERTS{_matchers(chosen)}"

    def _pending(self) -> str:
        labels = {
            "alertname": self._alert.name,
            "alertstate": "pending",
            **self._rule["labels"],
            **self._example.labels,
        }
        return f"ALERTS{_matchers(labels)}"


def _evaluated(time: timedelta, expr: str, series: Sequence[str]) -> dict[str, Any]:
    samples = [{"labels": labels, "value": 1} for labels in series]
    return {"expr": expr, "eval_time": duration(time), "exp_samples": samples}


def _selector(feed: Feed, labels: Mapping[str, str]) -> str:
    return feed.series.name + _matchers(labels)


def _matchers(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def _values(signals: Sequence[Signal], counts: Sequence[int], step: timedelta) -> str:
    parts, first, previous = [], 0, 0.0
    for signal, count in zip(signals, counts, strict=True):
        text, previous = signal.during(Phase(first, count, previous, step.total_seconds()))
        parts.append(text)
        first += count
    return " ".join(parts)
