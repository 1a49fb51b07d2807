"""What stands before promql-parser, which ends the process on expressions that are nested deeply.

Ten thousand parentheses are a segmentation fault, and a few thousand operators take seconds.
Whatever was written by others (rule files, dashboards, the rules of a running Prometheus) passes
here first.
"""

from __future__ import annotations

import json
import re

MAXIMUM_LENGTH = 20_000
"""The longest expressions of public rule sets have three thousand characters."""
MAXIMUM_DEPTH = 60
"""Of brackets in each other."""
MAXIMUM_OPERATORS = 150
"""Of one expression; each may be one level of the tree."""

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<raw>`[^`]*`)
    |(?P<unclosed>["'`].*)
    |(?P<comment>\#[^\n]*)
    |(?P<word>[A-Za-z_:][\w:]*)
    |(?P<number>(?:\d|\.\d)[\w.]*(?:(?<=[eE])[+-]\d+)?)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_WORD_OPERATORS = frozenset({"and", "or", "unless", "atan2"})
_OPERATOR_PARTS = (*_WORD_OPERATORS, *"-+*/%^<>=!")


class PromQLError(ValueError):
    """It is no PromQL, as far as can be told without Prometheus."""


class TooDeepError(PromQLError):
    """It is nested so deeply that parsers fail on it."""


def guarded(text: str) -> str:
    """`text` as promql-parser may be given it: with strings in backticks written as it knows them.

    Raises:
        TooDeepError: It must not be parsed, because parsing it could end the process.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise TooDeepError(f"it has {len(text)} characters, more than {MAXIMUM_LENGTH}")
    if _is_harmless(text):
        return text
    tokens = list(_TOKEN.finditer(text))
    depth, operators = _nesting(tokens)
    if depth > MAXIMUM_DEPTH:
        raise TooDeepError(f"it is nested {depth} deep, more than {MAXIMUM_DEPTH}")
    if operators > MAXIMUM_OPERATORS:
        raise TooDeepError(f"it has {operators} operators, more than {MAXIMUM_OPERATORS}")
    return "".join(
        json.dumps(token[0][1:-1]) if token.lastgroup == "raw" else token[0] for token in tokens
    )


def _nesting(tokens: list[re.Match[str]]) -> tuple[int, int]:
    """How deep brackets are in each other, and how many operators there are outside of matchers."""
    depth = deepest = operators = 0
    in_matchers = False
    for token in tokens:
        kind, part = token.lastgroup, token[0]
        if kind == "open":
            depth += 1
            deepest = max(deepest, depth)
            in_matchers = part == "{"
        elif kind == "close":
            depth -= 1
            in_matchers = False
        elif not in_matchers:
            operators += kind == "operator" or part in _WORD_OPERATORS
    return deepest, operators


def _is_harmless(text: str) -> bool:
    """Whether it is so short of brackets and operators that they need not be told apart."""
    operators = sum(map(text.count, _OPERATOR_PARTS))
    brackets = sum(map(text.count, "([{"))
    return operators <= MAXIMUM_OPERATORS and brackets <= MAXIMUM_DEPTH and "`" not in text
