"""What an expression returns: which labels, whether it counts, and from which recorded rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stigmer_ops.monitoring.lint.known import Kind, Known, KnownSeries, guessed
from stigmer_ops.monitoring.lint.promql.labels import EVERY, NO_LABELS, NONE, Labels, LabelSet
from stigmer_ops.monitoring.lint.promql.syntax import (
    RATES,
    SELECTING,
    Aggregation,
    Binary,
    Call,
    Expr,
    Matching,
    Negation,
    Range,
    Selector,
    Subquery,
    Text,
    is_scalar,
)

_UNSEEN = frozenset({"vector", "time", "scalar", "pi"})
"""Functions whose result has no labels."""
_DEPTH = 20
"""Of recordings on recordings; deeper ones are taken to be circular."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One rule that records a series: its expression and the labels that it adds."""

    expr: Expr
    labels: Mapping[str, str]


@dataclass
class Inference:
    """Draws conclusions from what is known of metrics and from the recording rules.

    Attributes:
        known: Of the metrics.
        recordings: Recorded name to the rules that record it.
    """

    known: Known
    recordings: Mapping[str, tuple[Recorded, ...]] = field(default_factory=dict)
    _labels: dict[str, Labels] = field(default_factory=dict, init=False)
    _seen: dict[int, tuple[Expr, Labels]] = field(default_factory=dict, init=False)
    _kinds: dict[str, Kind | None] = field(default_factory=dict, init=False)

    def series(self, name: str) -> KnownSeries:
        """What is known of one name; what its name tells if it is not known."""
        return self.known.series.get(name) or guessed(name)

    # -- labels ---------------------------------------------------------------------------------

    def labels(self, expr: Expr) -> Labels:
        """The labels of the series that it returns."""
        seen = self._seen.get(id(expr))
        if seen is None:
            # By identity, which is fast; the expression is kept so that it stays unique.
            seen = self._seen[id(expr)] = (expr, self._labels_of(expr))
        return seen[1]

    def _labels_of(self, expr: Expr) -> Labels:
        match expr:
            case Selector():
                return self._selected(expr)
            case Range():
                return self._selected(expr.selector)
            case Subquery() | Negation():
                return self.labels(expr.inner)
            case Call():
                return self._called(expr)
            case Aggregation():
                return self._aggregated(expr)
            case Binary():
                return self._paired(expr)
            case _:
                return NO_LABELS

    def _selected(self, selector: Selector) -> Labels:
        labels = self.labels_of(selector.name)
        absent = [m.label for m in selector.matchers if m.operator == "=" and not m.value]
        labels = labels.drop(absent)
        for matcher in selector.matchers:
            if matcher.label in labels.may and not matcher.accepts(""):
                value = matcher.value if matcher.operator == "=" else None
                known = labels.values.get(matcher.label)
                labels = labels.add(matcher.label, value or known, certain=True)
        return labels

    def labels_of(self, name: str) -> Labels:
        """The labels of every series of one name."""
        if name in self.known.series:
            known = self.known.series[name].labels
            if known is None:
                return Labels()
            return Labels(LabelSet(frozenset(known) | self.known.target_labels), frozenset(known))
        if name not in self.recordings:
            return Labels()
        if name not in self._labels:
            self._labels[name] = Labels()  # what a rule that selects itself may have
            self._labels[name] = self._recorded_labels(self.recordings[name])
        return self._labels[name]

    def _recorded_labels(self, rules: Iterable[Recorded]) -> Labels:
        found: Labels | None = None
        for rule in rules:
            labels = self.labels(rule.expr)
            for name, value in rule.labels.items():
                labels = labels.add(name, value, certain=True)
            found = labels if found is None else found | labels
        return found or Labels()

    def _called(self, call: Call) -> Labels:
        if call.function in _UNSEEN:
            return NO_LABELS
        if call.function in ("absent", "absent_over_time"):
            return _of_absence(call)
        vector = next(
            (argument for argument in call.arguments if not _is_parameter(argument)), None
        )
        labels = NO_LABELS if vector is None else self.labels(vector)
        match call.function:
            case "histogram_quantile" | "histogram_fraction":
                return labels.drop(("le",))
            case "label_replace":
                return _replaced(call, labels)
            case "label_join":
                joined = _text(call, 1)
                return labels.add(joined) if joined else Labels()
            case "info":
                return Labels(EVERY, labels.must)
            case _:
                return labels

    def _aggregated(self, aggregation: Aggregation) -> Labels:
        labels = self.labels(aggregation.inner)
        if aggregation.operator in SELECTING:
            return labels
        if aggregation.without:
            labels = labels.drop(aggregation.labels)
        else:
            kept = labels.keep(aggregation.labels)
            labels = Labels(kept.may, kept.may.names, kept.values)
        if aggregation.operator == "count_values" and isinstance(aggregation.parameter, Text):
            labels = labels.add(aggregation.parameter.value, certain=True)
        return labels

    def _paired(self, binary: Binary) -> Labels:
        if is_scalar(binary.left):
            return self.labels(binary.right)
        left = self.labels(binary.left)
        if is_scalar(binary.right) or binary.operator in ("and", "unless"):
            return left
        right = self.labels(binary.right)
        if binary.operator == "or":
            return left | right
        matching = binary.matching
        if matching.group == "left":
            return _included(left, right, matching)
        if matching.group == "right":
            return _included(right, left, matching)
        return self.key(left, matching) & self.key(right, matching)

    @staticmethod
    def key(labels: Labels, matching: Matching) -> Labels:
        """The labels by which series are paired."""
        if matching.labels is None:
            return labels
        return labels.keep(matching.labels) if matching.on else labels.drop(matching.labels)

    def listed(self, labels: Labels) -> str:
        """Labels for people: without those that scraping may add to any series."""
        if labels.may.all_but:
            return f"at least {', '.join(sorted(labels.must))}" if labels.must else "any label"
        possible = labels.may.names & self.known.target_labels - labels.must
        of_target = len(possible) > len(self.known.target_labels) // 2
        shown = sorted(labels.may.names - possible if of_target else labels.may.names)
        return ", ".join(shown) + (" and those of its target" if of_target else "") or "no label"

    # -- kinds ----------------------------------------------------------------------------------

    def kind(self, expr: Expr) -> Kind | None:
        """Whether its value counts up, as a counter's or a sum of counters' does."""
        match expr:
            case Selector():
                return self.kind_of(expr.name)
            case Aggregation():
                keeps = expr.operator in ("sum", "max", "min", "avg") or expr.operator in SELECTING
                return self.kind(expr.inner) if keeps else Kind.GAUGE
            case Call(function="label_replace" | "label_join" | "sort" | "sort_desc"):
                return self.kind(expr.arguments[0])
            case Call():
                gauge = expr.function in RATES or expr.function.endswith("_over_time")
                return Kind.GAUGE if gauge else None
            case Binary(operator="and" | "unless"):
                return self.kind(expr.left)
            case Binary(operator="or"):
                left, right = self.kind(expr.left), self.kind(expr.right)
                return left if left is right else None
            case Binary(operator="/" | "-"):
                return Kind.GAUGE
            case _:
                return None

    def kind_of(self, name: str) -> Kind | None:
        """Whether the series of one name count up."""
        if name in self.known.series or name not in self.recordings:
            return self.series(name).kind
        if name not in self._kinds:
            self._kinds[name] = None
            kinds = {self.kind(rule.expr) for rule in self.recordings[name]}
            self._kinds[name] = kinds.pop() if len(kinds) == 1 else None
        return self._kinds[name]

    def is_recorded(self, name: str) -> bool:
        """Whether a rule makes it."""
        return name in self.recordings

    def expanded(self, expr: Expr, visit: Callable[[Expr], None], depth: int = 0) -> None:
        """Visit the selectors of an expression, and of the rules that record what it selects."""
        from stigmer_ops.monitoring.lint.promql.syntax import selectors  # noqa: PLC0415

        if depth > _DEPTH:
            return
        for selector in selectors(expr):
            visit(selector)
            for rule in self.recordings.get(selector.name, ()):
                self.expanded(rule.expr, visit, depth + 1)


def _of_absence(call: Call) -> Labels:
    """absent() has the labels of equality matchers, where a label has no other matcher."""
    of = call.arguments[0]
    selector = of.selector if isinstance(of, Range) else of
    if not isinstance(selector, Selector):
        return NO_LABELS
    certain = {
        matcher.label: matcher.value
        for matcher in selector.matchers
        if matcher.operator == "=" and len(selector.matchers_of(matcher.label)) == 1
    }
    return Labels(LabelSet(frozenset(certain)), frozenset(certain), certain)


def _is_parameter(expr: Expr) -> bool:
    return isinstance(expr, Text) or is_scalar(expr)


def _text(call: Call, position: int) -> str:
    argument = call.arguments[position] if len(call.arguments) > position else None
    return argument.value if isinstance(argument, Text) else ""


def _replaced(call: Call, labels: Labels) -> Labels:
    target, replacement, source, regex = (_text(call, position) for position in (1, 2, 3, 4))
    if not target:
        return labels
    constant = "$" not in replacement
    if not regex or regex == ".*" or not source:
        # The regular expression matches whatever the source label is.
        if constant and not replacement:
            return labels.drop((target,))
        if constant:
            return labels.add(target, replacement, certain=True)
    certain = source in labels.must and regex in ("(.*)", "(.+)")
    return labels.add(target, certain=certain or target in labels.must)


def _included(many: Labels, one: Labels, matching: Matching) -> Labels:
    for name in matching.include:
        if name in one.may:
            many = many.add(name, one.values.get(name), certain=name in one.must)
        else:
            many = many.drop((name,))
    return many


__all__ = ["NONE", "Inference", "Recorded"]
