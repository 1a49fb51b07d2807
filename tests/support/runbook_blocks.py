"""The commands in Markdown pages, as their readers would paste them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

PROGRAM = "stigmer-ops"
_FENCE = re.compile(r"^ *```(?P<language>[a-z]*)(?: +sandbox=(?P<fault>[a-z-]+))? *$")
_EXIT = re.compile(r"#\s*exit (\d+)\s*$")
_SPAN = re.compile(rf"`({PROGRAM}\s[^`]+)`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SEPARATORS = frozenset("|&;()")


@dataclass(frozen=True)
class Command:
    """One command of a block: its text, on one line, and the exit code that it is to have."""

    text: str
    exit_code: int
    line: int


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        section: The second-level heading above it.
        language: The word after the fence.
        fault: The fault of the sandbox against which it is to be run; empty if it is not.
        lines: Its lines, without the indentation of the fence.
        line: Number of its first line.
    """

    section: str
    language: str
    fault: str
    lines: tuple[str, ...]
    line: int

    @property
    def commands(self) -> list[Command]:
        """Its commands; where it shows a session, those behind a prompt."""
        session = any(line.startswith("$ ") for line in self.lines)
        found: list[Command] = []
        held = ""
        for number, line in enumerate(self.lines, self.line):
            if session and not held and not line.startswith("$ "):
                continue
            text = held + line.removeprefix("$ ")
            held = text.removesuffix("\\") if text.endswith("\\") else ""
            if not held and text.strip():
                code = _EXIT.search(text)
                found.append(Command(text, int(code[1]) if code else 0, number))
        return found


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    section, opened, lines = "", None, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if opened is None:
            section = line.removeprefix("## ") if line.startswith("## ") else section
            opened = _FENCE.match(line)
            start, lines = number + 1, []
        elif line.strip() == "```":
            fault = opened["fault"] or ""
            yield Block(section, opened["language"], fault, tuple(lines), start)
            opened = None
        else:
            indent = len(line) - len(line.lstrip(" "))
            lines.append(line[min(indent, opened[0].index("`")) :])
    assert opened is None, f"the block at line {start} is not closed"


def prose(text: str) -> str:
    """The page without its blocks and headings."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.strip().startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def command_lines(text: str) -> Iterator[str]:
    """What follows `stigmer-ops` wherever a page uses it, in blocks and in running text."""
    for block in blocks(text):
        for command in block.commands:
            yield from arguments_of(command.text)
    for span in _SPAN.findall(prose(text)):
        yield from arguments_of(" ".join(span.split()))


def arguments_of(line: str) -> Iterator[str]:
    """What is passed to stigmer-ops in a line of shell: pipelines, assignments and redirections."""
    if PROGRAM not in line:
        return
    words: list[str] = []
    for word in [*_words(line), ";"]:
        if not set(word) <= _SEPARATORS:
            words.append(word)
            continue
        if words[:1] == [PROGRAM]:
            yield shlex.join(words[1:])
        words = []


def _words(line: str) -> Iterator[str]:
    """The words of a line without redirections and assignments, separators among them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words = iter([*lexer, ""])
    leading, word = True, next(words)
    for following in words:
        if _redirects(word):
            word = next(words, "")  # what follows was the file
            continue
        if not (leading and _ASSIGNMENT.match(word)) and not (
            word.isdecimal() and _redirects(following)
        ):
            leading = set(word) <= _SEPARATORS
            yield word
        word = following


def _redirects(word: str) -> bool:
    return bool(word) and set(word) <= set("<>&") and word not in ("&", "&&")
