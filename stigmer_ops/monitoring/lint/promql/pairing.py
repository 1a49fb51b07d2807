"""Whether the series of two operands can be paired at all, and whether they are the same ones."""

from __future__ import annotations

from stigmer_ops.monitoring.lint.promql.inference import Inference
from stigmer_ops.monitoring.lint.promql.labels import Labels
from stigmer_ops.monitoring.lint.promql.shares import differing_matchers
from stigmer_ops.monitoring.lint.promql.syntax import Binary


def why_unpaired(binary: Binary, inference: Inference) -> str:
    """Why no series of the left operand has a partner on the right; empty if one may have."""
    left, right = _keys(binary, inference)
    for one, side, other, other_side in (
        (left, "left", right, "right"),
        (right, "right", left, "left"),
    ):
        missing = sorted(name for name in one.must if name not in other.may)
        if missing:
            names = ", ".join(missing)
            return (
                f"every series on the {side} has {names}, and none on the {other_side} has "
                f"({side}: {inference.listed(one)}; {other_side}: {inference.listed(other)})"
            )
    for name in sorted(left.values.keys() & right.values.keys()):
        if left.values[name] != right.values[name]:
            return (
                f"{name} is {left.values[name]!r} on the left and {right.values[name]!r} "
                "on the right"
            )
    return ""


def why_itself(binary: Binary, inference: Inference) -> str:
    """Why each series is divided by itself; empty if it is not.

    The sides differ in nothing but matchers, and the labels that these choose by are part of what
    the series are paired by: so each finds the very series that it is.
    """
    different = differing_matchers(binary.left, binary.right)
    if different is None or binary.matching.group:
        return ""
    left, right = _keys(binary, inference)
    chosen = sorted({matcher.label for matcher in different})
    if any(name not in left.may or name not in right.may for name in chosen):
        return ""
    if not chosen:
        return "both sides are the same" if binary.left == binary.right else ""
    names = ", ".join(chosen)
    return f"series are paired by all their labels, {names} included, so each meets only itself"


def needs_group(binary: Binary, inference: Inference) -> tuple[str, list[str]]:
    """The side that has several series for one of the other, and the labels that tell them apart.

    Only what aggregations say is believed: of other series it is not known which labels vary.
    """
    matching = binary.matching
    if matching.labels is None or matching.group:
        return "", []
    for side, expr in (("left", binary.left), ("right", binary.right)):
        labels = inference.labels(expr)
        if labels.may.all_but:
            continue
        key = inference.key(labels, matching)
        more = sorted(labels.must - key.may.names - labels.values.keys())
        if more:
            return side, more
    return "", []


def _keys(binary: Binary, inference: Inference) -> tuple[Labels, Labels]:
    left, right = inference.labels(binary.left), inference.labels(binary.right)
    return inference.key(left, binary.matching), inference.key(right, binary.matching)
