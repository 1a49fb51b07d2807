"""Grafana's variables in expressions, filled in so that the result is PromQL.

What a variable stands for is not known: in a matcher it becomes a value that is known to be one, as
a range a length that nobody writes by hand, and elsewhere a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from stigmer_ops.monitoring.lint.promql.reading import parse
from stigmer_ops.monitoring.promql_guard import PromQLError

IN_MATCHER = "grafana_variable_value"
"""What a variable is in a label matcher."""
RATE_INTERVAL = timedelta(minutes=11, seconds=7)
"""What $__rate_interval is."""

_VARIABLE = re.compile(r"\$\{(\w+)(?:[.:][^}]*)?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\]")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|[\"'`].*", re.DOTALL)
"""The last alternative is a string that is not closed."""
_RANGES = {
    "__rate_interval": "11m7s",
    "__interval": "3m7s",
    "__range": "5h7m",
    "__auto": "3m7s",
    "interval": "3m7s",
}
_NUMBERS = {
    "__interval_ms": "187000",
    "__range_s": "18420",
    "__range_ms": "18420000",
    "__from": "1750000000000",
    "__to": "1750000000000",
}


def used_in(text: str) -> list[str]:
    """The names of the variables in a text, each once."""
    found = (match[1] or match[2] or match[3] for match in _VARIABLE.finditer(text))
    return [name for name in dict.fromkeys(found) if not name.isdigit()]


def filled_in(expr: str) -> str:
    """`expr` with something valid in the place of each variable."""
    if "$" not in expr and "[[" not in expr:
        return expr
    in_strings = _STRING.sub(lambda match: _replaced(match[0], IN_MATCHER), expr)
    candidates = (_outside(in_strings, name) for name in ("grafana_variable", "1", "7m"))
    return next((text for text in candidates if _is_promql(text)), _outside(in_strings, "1"))


def _replaced(text: str, by: str) -> str:
    # A capture group of label_replace is no variable.
    return _VARIABLE.sub(lambda match: match[0] if (match[2] or "").isdigit() else by, text)


def _outside(text: str, other: str) -> str:
    """Variables outside strings: ranges, numbers, and `other` for what is neither."""

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        before = text[: match.start()].rstrip()
        if name in _NUMBERS:
            return _NUMBERS[name]
        if name in _RANGES and name != "interval":
            return _RANGES[name]
        if before.endswith(("[", "offset", "[-")) or _after_range(before):
            return _RANGES.get(name, "7m")
        return other

    parts, last = [], 0
    for string in _STRING.finditer(text):
        parts += [_VARIABLE.sub(fill, text[last : string.start()]), string[0]]
        last = string.end()
    return "".join([*parts, _VARIABLE.sub(fill, text[last:])])


def _after_range(before: str) -> bool:
    """Whether the step of a subquery comes next."""
    opened = before.rpartition("[")[2]
    return before.endswith(":") and "]" not in opened and "{" not in opened


def _is_promql(text: str) -> bool:
    try:
        parse(text)
    except PromQLError:
        return False
    return True


def any_used(texts: Iterable[str]) -> set[str]:
    """The names of the variables in any of the texts."""
    return {name for text in texts for name in used_in(text)}
