"""Whether what is selected exists, and is used as what it is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.known import Kind
from stigmer_ops.monitoring.lint.model import LintRule, Problem, Severity
from stigmer_ops.monitoring.lint.promql.syntax import (
    RATES,
    Aggregation,
    Binary,
    Call,
    Expr,
    Matcher,
    Range,
    Selector,
    Subquery,
    Visited,
    selectors,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.grafana_variables import IN_MATCHER

_LITERAL = re.compile(r"[\w/ +.-]*")
_COUNTS_ANYTHING = frozenset(
    {
        *("absent", "absent_over_time", "present_over_time", "count_over_time", "timestamp"),
        *("changes", "resets", "last_over_time"),
    }
)
"""Functions that make sense of a counter without a rate: they ask whether, not how much."""
_GAUGE_FUNCTIONS = frozenset({"delta", "idelta", "deriv", "predict_linear", "holt_winters"})
_RANGE_PER_SCRAPE = 4
"""Scrapes in a range: two are needed, one may fail, and the window may begin just after one."""


def _unknown_metric(expression: Expression, context: Context) -> Iterator[Problem]:
    known = context.known
    for name in dict.fromkeys(selector.name for selector in expression.selectors):
        if not name or context.inference.is_recorded(name) or not known.is_missing(name):
            continue
        if name in context.inference.known.series:
            continue
        near = known.nearest(name)
        hint = f"did you mean {near}?" if near else ""
        message = f"nothing emits {name}: it is not in {known.source}"
        yield Problem(message, expression.place_of(name), hint)


def _unknown_recording(expression: Expression, context: Context) -> Iterator[Problem]:
    if not context.project.recordings:
        return
    for name in dict.fromkeys(selector.name for selector in expression.selectors):
        known = context.inference.is_recorded(name) or name in context.inference.known.series
        if ":" in name and not known and not context.known.is_missing(name):
            yield Problem(f"no rule that was read records {name}", expression.place_of(name))


def _unknown_label(expression: Expression, context: Context) -> Iterator[Problem]:
    for selector in expression.selectors:
        may = context.inference.labels_of(selector.name).may
        for label in dict.fromkeys(matcher.label for matcher in selector.matchers):
            if label not in may and label != "__name__":
                own = _own_labels(selector.name, context)
                near = difflib.get_close_matches(label, own, 1)
                yield Problem(
                    f"{selector.name} has no label {label}: it has {', '.join(own) or 'none'}",
                    expression.place_of(label),
                    f"did you mean {near[0]}?" if near else "",
                )


def _own_labels(name: str, context: Context) -> list[str]:
    """The labels that a series has of itself, whatever scraping adds."""
    known = context.inference.known.series.get(name)
    if known is not None and known.labels is not None:
        return sorted(known.labels)
    return sorted(context.inference.labels_of(name).may.names - context.known.target_labels)


def _unknown_value(expression: Expression, context: Context) -> Iterator[Problem]:
    for selector in expression.selectors:
        known = context.inference.known.series.get(selector.name)
        for matcher in selector.matchers:
            values = known.labels.get(matcher.label) if known and known.labels else None
            if not values or IN_MATCHER in matcher.value:
                continue
            wrong = _without_value(matcher, values)
            if wrong:
                yield Problem(
                    f"{matcher.label} of {selector.name} is never {wrong}: it is "
                    f"{', '.join(sorted(values))}",
                    expression.place_of(matcher.label),
                )


def _without_value(matcher: Matcher, values: frozenset[str]) -> str:
    """What of a matcher matches no value; empty if all of it may."""
    if not any(matcher.accepts(value) for value in values):
        return repr(matcher.value) if matcher.operator in ("=", "=~") else "anything else"
    if matcher.operator != "=~":
        return ""
    for branch in matcher.value.split("|"):
        literal = branch and _LITERAL.fullmatch(branch)
        if literal and not any(Matcher("", "=~", branch).accepts(value) for value in values):
            return repr(branch)
    return ""


def raw_counters(expression: Expression, context: Context) -> Iterator[tuple[Selector, str]]:
    """Counters whose value itself is used, with how."""
    for visited in expression.nodes:
        selector = visited.node
        if not isinstance(selector, Selector) or not selector.name:
            continue
        if context.inference.kind_of(selector.name) is Kind.COUNTER:
            use = _raw_use(visited)
            if use:
                yield selector, use


def _raw_use(visited: Visited) -> str:
    """How the value of a counter is used; empty if that is as it should be."""
    below: Expr = visited.node
    for parent in reversed(visited.parents):
        if isinstance(parent, Call):
            if parent.function in _GAUGE_FUNCTIONS:
                return f"in {parent.function}(), which is for gauges"
            if parent.function in RATES or parent.function in _COUNTS_ANYTHING:
                return ""
        if isinstance(parent, Aggregation) and parent.operator in ("count", "group"):
            return ""
        if isinstance(parent, Binary) and _asks_whether(parent, below, visited.node):
            return ""
        below = parent
    return "as it is"


def _asks_whether(parent: Binary, below: Expr, selector: Expr) -> bool:
    """Whether a set operator only asks whether there is a series, or counts it from nothing."""
    if parent.operator not in ("and", "unless"):
        return False
    return below is parent.right or _is_first_step(parent, selector)


def _is_first_step(parent: Binary, selector: Expr) -> bool:
    """Of `x unless x offset 5m`: what is new counts from nothing. Of the reverse: what is gone."""
    return isinstance(selector, Selector) and any(
        other.offset != selector.offset
        and (other.name, other.matchers) == (selector.name, selector.matchers)
        for other in selectors(parent.right)
    )


def _raw_counter(expression: Expression, context: Context) -> Iterator[Problem]:
    if expression.role is Role.PANEL:
        return  # target-counter-agg-rule says it of panels
    for selector, use in raw_counters(expression, context):
        quantile = any(
            isinstance(v.node, Call) and v.node.function == "histogram_quantile"
            for v in expression.nodes
        )
        if expression.role is Role.RECORD and not quantile:
            continue
        yield Problem(
            f"the counter {selector.name} is used {use}: it only grows, and starts over with "
            "whatever counts",
            expression.place_of(selector.name),
            f"rate({selector.name}[5m]) or increase()",
        )


def _rate_of_gauge(expression: Expression, context: Context) -> Iterator[Problem]:
    for call, inner in _rates(expression):
        if not isinstance(inner, Range):
            continue
        name = inner.selector.name
        if context.inference.kind_of(name) is Kind.GAUGE:
            yield Problem(
                f"{call.function}() of the gauge {name} takes each fall for a restart, and adds "
                "the whole value again",
                expression.place_of(name),
                "deriv() or delta()",
            )


def _rate_of_sum(expression: Expression, context: Context) -> Iterator[Problem]:
    for call, inner in _rates(expression):
        if isinstance(inner, Subquery):
            added = isinstance(inner.inner, Aggregation) and inner.inner.operator in ("sum", "avg")
            counts = context.inference.kind(inner.inner) is Kind.COUNTER
            name = next((s.name for s in selectors(inner)), "")
        elif isinstance(inner, Range):
            name = inner.selector.name
            rules = context.project.recordings.get(name, ())
            added = any(isinstance(rule.expr, Aggregation) for rule in rules)
            counts = context.inference.kind_of(name) is Kind.COUNTER
        else:
            continue
        if added and counts:
            yield Problem(
                f"{call.function}() of a sum: when one of its counters starts over the sum falls, "
                "and that counts as an increase of all the others",
                expression.place_of(name),
                f"sum({call.function}(…)): the rate first",
            )


def _short_range(expression: Expression, context: Context) -> Iterator[Problem]:
    if expression.role is Role.PANEL:
        return  # $__rate_interval is what panels use
    least = context.scrape_interval * _RANGE_PER_SCRAPE
    for call, inner in _rates(expression):
        if isinstance(inner, Range) and inner.length < least:
            yield Problem(
                f"{call.function}() over {inner.length.total_seconds():g} s, at a scrape interval "
                f"of {context.scrape_interval.total_seconds():g} s: one failed scrape and there is "
                "no result",
                expression.place_of(inner.selector.name),
                f"at least {least.total_seconds():g} s; --scrape-interval says how often",
            )


def _rates(expression: Expression) -> Iterator[tuple[Call, Expr]]:
    for visited in expression.nodes:
        node = visited.node
        if isinstance(node, Call) and node.function in RATES and node.arguments:
            yield node, node.arguments[0]


_JOBS = """owned: [app_]
metrics:
- name: app_jobs_total
  type: counter
  labels: {queue: null, status: [done, failed]}
- name: app_queue_length
  type: gauge
  labels: [queue]
"""

RULES = (
    LintRule(
        "metric-unknown",
        Severity.ERROR,
        "A metric is selected that nothing emits.",
        "The catalogue says which metrics there are: ours for names that begin with `stigmer_`, "
        "and that of `--catalogue` for the prefixes that it owns. The expression returns nothing, "
        "and an alert on it never fires.",
        Expression,
        _unknown_metric,
        ex.expression("increase(app_job_total[5m]) > 0", _JOBS),
        ex.expression("increase(app_jobs_total[5m]) > 0", _JOBS),
    ),
    LintRule(
        "recording-unknown",
        Severity.WARNING,
        "A recorded series is selected that no rule records.",
        "A name with a colon is made by a rule, and no rule that was read makes this one: it was "
        "renamed or removed, or its file was not given.",
        Expression,
        _unknown_recording,
        ex.rules(
            "groups:\n- name: g\n  rules:\n  - {record: 'job:up:min', expr: min by (job) (up)}\n"
            "  - {alert: Down, expr: 'job:up:max == 0'}\n",
        ),
        ex.rules(
            "groups:\n- name: g\n  rules:\n  - {record: 'job:up:min', expr: min by (job) (up)}\n"
            "  - {alert: Down, expr: 'job:up:min == 0'}\n",
        ),
    ),
    LintRule(
        "label-unknown",
        Severity.ERROR,
        "A matcher asks for a label that the series does not have.",
        "The catalogue, or the recording rule that makes the series, says which labels it has. "
        "Labels that scraping adds to any series (job, instance, pod and so on) are taken for "
        "granted.",
        Expression,
        _unknown_label,
        ex.expression('increase(app_jobs_total{state="failed"}[5m]) > 0', _JOBS),
        ex.expression('increase(app_jobs_total{status="failed"}[5m]) > 0', _JOBS),
    ),
    LintRule(
        "label-value-unknown",
        Severity.ERROR,
        "A matcher asks for a value that the label never has.",
        "The catalogue lists the values. The selector, or one alternative of its regular "
        "expression, finds nothing: an alert on it can never fire.",
        Expression,
        _unknown_value,
        ex.expression('increase(app_jobs_total{status="error"}[5m]) > 0', _JOBS),
        ex.expression('increase(app_jobs_total{status="failed"}[5m]) > 0', _JOBS),
    ),
    LintRule(
        "counter-without-rate",
        Severity.WARNING,
        "The value of a counter is used as it is.",
        "A counter only grows, until what counts is restarted: compared with a threshold it fires "
        "for ever, or never again. The type comes from the catalogue, or from the suffix `_total`. "
        "Counting series, and asking whether there are any, is no use of the value.",
        Expression,
        _raw_counter,
        ex.expression("http_requests_failed_total > 10"),
        ex.expression("increase(http_requests_failed_total[5m]) > 10"),
    ),
    LintRule(
        "rate-of-gauge",
        Severity.WARNING,
        "A rate is taken of a gauge.",
        "rate(), increase() and irate() take each fall for a restart. Of a gauge that goes up and "
        "down the result is far too high.",
        Expression,
        _rate_of_gauge,
        ex.expression("rate(app_queue_length[5m]) > 1", _JOBS),
        ex.expression("deriv(app_queue_length[5m]) > 1", _JOBS),
    ),
    LintRule(
        "rate-of-sum",
        Severity.WARNING,
        "A rate is taken of a sum of counters.",
        "When one counter of the sum starts over, the sum falls, and rate() takes the rest of it "
        "for an increase. The rate comes first, then the sum. This is seen through recordings.",
        Expression,
        _rate_of_sum,
        ex.expression("rate(sum(http_requests_total)[5m:1m]) > 1"),
        ex.expression("sum(rate(http_requests_total[5m])) > 1"),
    ),
    LintRule(
        "range-short",
        Severity.WARNING,
        "A rate is taken over fewer than four scrapes.",
        "rate() needs two samples in its range. One failed scrape, or a window that begins just "
        "after a sample, leaves one: the result is gone, and the alert with it.",
        Expression,
        _short_range,
        ex.expression("rate(http_requests_failed_total[30s]) > 1"),
        ex.expression("rate(http_requests_failed_total[5m]) > 1"),
    ),
)
