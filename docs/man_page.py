"""The manual page, in the man macros of roff, from the command tree."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stigmer_ops import __version__
from stigmer_ops.cli.option_sets import ACTIVITY, CONNECTION, FILTER, OUTPUT, WRITE

SHARED = (ACTIVITY, FILTER, WRITE, CONNECTION, OUTPUT)
"""Panels of options that mean the same for every command that has them."""

_DESCRIPTION = """\
Stigmer completes other people's Temporal activities from outside, by task token. When a completion
never comes, stigmer-ops says what is waiting, proves why, and completes, fails or extends exactly
the attempt that was looked at.

Commands that read change nothing. Commands that write show what they will do, ask, and record it.
Results go to standard output, everything else to standard error."""

_ENVIRONMENT = (
    ("TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE", "Which Temporal, as its own tools."),
    ("TEMPORAL_API_KEY, TEMPORAL_TLS, TEMPORAL_TLS_*", "How it is entered."),
    ("TEMPORAL_CODEC_ENDPOINT, TEMPORAL_CODEC_AUTH", "The codec server, and its credentials."),
    ("STIGMER_OPS_CONFIG", "The settings file, instead of --config."),
    ("STIGMER_OPS_READ_ONLY", "With 1, every write is refused."),
    ("STIGMER_OPS_*", "Every setting; `stigmer-ops config show -o wide` lists them."),
    ("NO_COLOR", "Whatever its value: no colours."),
)


def man_page(commands: Iterable[tuple[str, Any]], exit_codes: Iterable[tuple[int, str]]) -> str:
    """The page.

    Args:
        commands: Every command with its words.
        exit_codes: Each with its meaning.
    """
    found = list(commands)
    lines = [
        r".\" Written by `make generate` from the code; edit that instead.",
        f'.TH STIGMER-OPS 1 "" "stigmer-ops {text(__version__)}" "User Commands"',
        ".SH NAME",
        r"stigmer\-ops \- find, explain and repair Temporal activities that wait for Stigmer",
        ".SH SYNOPSIS",
        r".B stigmer\-ops",
        r".I command",
        r"[\fIoption\fR ...]",
        ".SH DESCRIPTION",
        *prose(_DESCRIPTION),
        ".SH COMMANDS",
        *(line for words, command in found for line in _command(words, command)),
        ".SH COMMON OPTIONS",
        "Not every command has every one of them.",
        *_common(found),
        ".SH EXIT STATUS",
        *(line for code, meaning in exit_codes for line in tagged(str(code), meaning)),
        ".SH ENVIRONMENT",
        *(line for variable, meaning in _ENVIRONMENT for line in tagged(variable, meaning)),
        ".SH SEE ALSO",
        r".BR temporal (1),",
        r".BR promtool (1);",
        r"\fBstigmer\-ops runbook list\fR lists the pages of the runbook.",
    ]
    return "\n".join(lines) + "\n"


def _command(words: str, command: Any) -> Iterator[str]:
    arguments = " ".join(_metavar(each) for each in command.params if not _is_option(each))
    yield f".SS {text(words)} {text(arguments)}".rstrip()
    yield from prose(inspect.cleandoc(command.help or ""))
    for each in _own(command):
        yield from tagged(_names(each), each.help or "")
    examples = command.callback.declaration.examples
    yield ".PP"
    yield ".nf"
    yield ".RS 4"
    yield from (rf"stigmer\-ops {text(example)}" for example in examples)
    yield ".RE"
    yield ".fi"


def _own(command: Any) -> list[Any]:
    return [
        each
        for each in command.params
        if each.name != "help" and getattr(each, "rich_help_panel", None) not in SHARED
    ]


def _common(commands: Sequence[tuple[str, Any]]) -> Iterator[str]:
    for panel in SHARED:
        seen: dict[str, Any] = {}
        for _, command in commands:
            for each in command.params:
                if getattr(each, "rich_help_panel", None) == panel:
                    seen.setdefault(_names(each), each)
        yield f".SS {text(panel)}"
        for names, each in seen.items():
            yield from tagged(names, each.help or "")


def _is_option(param: Any) -> bool:
    return bool(param.opts[0].startswith("-"))


def _metavar(param: Any) -> str:
    return str(param.metavar or param.name).upper()


def _names(param: Any) -> str:
    if not _is_option(param):
        return _metavar(param)
    return ", ".join((*param.opts, *param.secondary_opts))


def tagged(tag: str, meaning: str) -> Iterator[str]:
    """An entry of a list: its tag in bold, then what it means."""
    yield ".TP"
    yield f".B {text(tag)}"
    yield text(" ".join(meaning.split()))


def prose(paragraphs: str) -> Iterator[str]:
    """Paragraphs that are parted by empty lines."""
    for number, paragraph in enumerate(paragraphs.split("\n\n")):
        if number:
            yield ".PP"
        yield text(" ".join(paragraph.split()))


def text(plain: str) -> str:
    """Text that roff prints as it is: no request, no escape, a hyphen that can be copied."""
    escaped = plain.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    escaped = re.sub(r"^\.", r"\\&.", escaped).replace("`", r"\(ga").replace('"', r"\(dq")
    return re.sub(r"[^\x20-\x7e]", lambda char: rf"\[u{ord(char[0]):04X}]", escaped)
