"""Every lint rule: a new one is an entry in its module, with an example of each side."""

from __future__ import annotations

import difflib

from stigmer_ops.errors import UsageError
from stigmer_ops.monitoring.lint import acknowledgements
from stigmer_ops.monitoring.lint.model import AnyRule
from stigmer_ops.monitoring.lint.rules import (
    conventions,
    dashboards,
    files,
    firing,
    groups,
    labels,
    links,
    metrics,
    online,
    panels,
    pitfalls,
    shape,
    syntax,
    tests,
)

RULES: tuple[AnyRule, ...] = (
    *files.RULES,
    *shape.RULES,
    *syntax.RULES,
    *conventions.RULES,
    *groups.RULES,
    *metrics.RULES,
    *labels.RULES,
    *firing.RULES,
    *pitfalls.RULES,
    *tests.RULES,
    *links.RULES,
    *dashboards.RULES,
    *panels.RULES,
    *online.RULES,
    acknowledgements.INVALID,
    acknowledgements.EXPIRED,
    acknowledgements.UNUSED,
)


def rule_named(id: str) -> AnyRule:
    """The lint rule of that id.

    Raises:
        UsageError: There is none.
    """
    for rule in RULES:
        if rule.id == id:
            return rule
    near = difflib.get_close_matches(id, [rule.id for rule in RULES], 3)
    raise UsageError(
        f"there is no lint rule {id}",
        next_step=" or ".join(f"stigmer-ops alerts explain {one}" for one in near)
        or "stigmer-ops alerts explain",
    )
