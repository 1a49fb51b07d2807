"""The templates of labels and annotations: Go's, with the functions and variables of Prometheus.

Enough of the syntax is known to see what does not parse, which labels are asked for, and how the
value is shown. The functions are those of prometheus/template/template.go and text/template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_BUILT_IN = frozenset(
    {
        *("and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js"),
        *("call", "urlquery", "eq", "ne", "lt", "le", "gt", "ge", "true", "false", "nil"),
    }
)
_OF_PROMETHEUS = frozenset(
    {
        *("query", "first", "label", "value", "strvalue", "args", "reReplaceAll", "safeHtml"),
        *("match", "title", "toUpper", "toLower", "graphLink", "tableLink", "sortByLabel"),
        *("stripPort", "stripDomain", "humanize", "humanize1024", "humanizeDuration"),
        *("humanizePercentage", "humanizeTimestamp", "toTime", "toDuration", "now", "pathPrefix"),
        *("externalURL", "parseDuration", "tmpl", "urlQueryEscape"),
    }
)
_VARIABLES = frozenset({"$", "$labels", "$externalLabels", "$externalURL", "$value"})
_OPENING = frozenset({"if", "range", "with", "block", "define"})
_KEYWORDS = _OPENING | {"else", "end", "template", "break", "continue"}
_FORMATTING = re.compile(r"\|\s*(humanize\w*|printf|toTime|query)|\bprintf\b|humanize\w*\s+\$value")
_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|[\"`].*", re.DOTALL)
"""The last alternative is a string that is not closed."""
_LONGEST = 20_000
"""Characters; what is longer is no text for people."""
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)*')
    |(?P<variable>\$\w*)(?P<fields>(?:\.\w+)*)
    |(?P<field>(?:\.\w+)+)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>[-+]?\d[\w.]*)
    |(?P<sign>:=|[|(),=.])
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Template:
    """What a template says.

    Attributes:
        errors: Why it does not parse; empty if it does.
        labels: The labels of the alert that it asks for, each once.
        actions: Its actions, without the braces.
    """

    errors: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)

    @property
    def shows_value(self) -> bool:
        """Whether the value is in it."""
        return any(re.search(r"\$value\b|(?<![\w.)$])\.Value\b", action) for action in self.actions)

    @property
    def formats_value(self) -> bool:
        """Whether the value is made readable wherever it is shown."""
        return all(
            _FORMATTING.search(action) for action in self.actions if re.search(r"\$value\b", action)
        )


@lru_cache(maxsize=4096)
def template(text: str) -> Template:
    """Read a template."""
    found = Template()
    if "{{" not in text or len(text) > _LONGEST:
        return found
    found.actions, unclosed = _actions(text)
    if unclosed:
        found.errors.append("an action {{ is not closed by }}")
    reader = _Reader(found)
    for action in found.actions:
        reader.take(action)
    reader.finish()
    return found


def _actions(text: str) -> tuple[list[str], bool]:
    actions: list[str] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        end = _end_of_action(text, start + 2)
        if end < 0:
            return actions, True
        inside = text[start + 2 : end].removeprefix("- ").removesuffix(" -").strip()
        if not inside.startswith("/*"):
            actions.append(inside)
        at = end + 2
    return actions, False


def _end_of_action(text: str, at: int) -> int:
    if text.startswith(("/*", "- /*"), at):
        return text.find("}}", text.find("*/", at))
    while at < len(text):
        if text.startswith("}}", at):
            return at
        string = _STRING.match(text, at)
        at = string.end() if string else at + 1
    return -1


class _Reader:
    """Follows the actions of one template."""

    def __init__(self, found: Template) -> None:
        self._found = found
        self._open: list[str] = []
        self._declared: set[str] = set()

    def take(self, action: str) -> None:
        """Follow the next action."""
        tokens = [token for token in _TOKEN.finditer(action) if token.lastgroup != "space"]
        if not tokens:
            self._error("an action is empty")
            return
        first = tokens[0]["word"] or ""
        if first in _KEYWORDS:
            self._keyword(first, [token["word"] or "" for token in tokens[1:]])
            tokens = [token for token in tokens[1:] if token["word"] not in _KEYWORDS]
        self._declared |= (
            set(re.findall(r"(\$\w+)\s*(?:,|:=)", action)) if ":=" in action else set()
        )
        for token in tokens:
            self._token(token)
        self._indexed(action)

    def finish(self) -> None:
        """See what is left open."""
        if self._open:
            self._error(f"{{{{ {self._open[-1]} }}}} has no {{{{ end }}}}")

    def _keyword(self, word: str, others: list[str]) -> None:
        if word in _OPENING:
            self._open.append(word)
        elif word == "end":
            if not self._open:
                self._error("{{ end }} has nothing to end")
            else:
                self._open.pop()
        elif word == "else" and not self._open:
            self._error("{{ else }} is outside of {{ if }}")
        elif word == "template" and not others:
            return

    def _token(self, token: re.Match[str]) -> None:
        word, variable = token["word"], token["variable"]
        if token["other"]:
            self._error(f"unexpected {token['other']!r} in an action")
        elif word and word not in _BUILT_IN and word not in _OF_PROMETHEUS:
            self._error(f'function "{word}" is not defined')
        elif variable and variable not in _VARIABLES and variable not in self._declared:
            self._error(f'undefined variable "{variable}"')
        elif variable == "$labels" and token["fields"]:
            self._label(token["fields"].split(".")[1])
        elif variable == "$" and token["fields"].startswith(".Labels."):
            self._label(token["fields"].split(".")[2])
        elif token["field"] and token["field"].startswith(".Labels.") and not self._rescoped:
            self._label(token["field"].split(".")[2])

    def _indexed(self, action: str) -> None:
        for match in re.finditer(r"\bindex\s+\$labels\s+\"(\w+)\"", action):
            self._label(match[1])

    @property
    def _rescoped(self) -> bool:
        """Whether the dot is something else than the alert."""
        return any(word in ("range", "with", "define") for word in self._open)

    def _label(self, name: str) -> None:
        if name not in self._found.labels:
            self._found.labels.append(name)

    def _error(self, message: str) -> None:
        if message not in self._found.errors:
            self._found.errors.append(message)
