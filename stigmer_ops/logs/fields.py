"""The fields of one log line, whatever wrote it and whatever carried it here.

Layouts that occur: zerolog's console (colours, `key=value`) and JSON; the Temporal Go SDK's own
logger (`key value`, without a sign between them) and Go's slog; Spring Boot's console and JSON;
Python's logging with the Temporal SDK's appended dictionary. Around any of them: the prefix of
`kubectl logs --prefix --timestamps`, of Docker Compose or of the container runtime (CRI), and the
JSON envelopes of Docker and of log shippers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, str]
"""Known fields by canonical name (`KNOWN`), values as logged."""

KNOWN = {
    "execution_id": "execution_id",
    "executionId": "execution_id",
    "ExecutionId": "execution_id",
    "workflow_id": "workflow_id",
    "workflowId": "workflow_id",
    "WorkflowId": "workflow_id",
    "WorkflowID": "workflow_id",
    "run_id": "run_id",
    "runId": "run_id",
    "RunId": "run_id",
    "RunID": "run_id",
    "workflow_run_id": "run_id",
    "activity_id": "activity_id",
    "activityId": "activity_id",
    "ActivityId": "activity_id",
    "ActivityID": "activity_id",
    "attempt": "attempt",
    "Attempt": "attempt",
    "token_preview": "token_preview",
    "tokenPreview": "token_preview",
    "error": "error",
    "err": "error",
}
"""Names as logged, with their canonical names. Capitals: tags that Temporal's SDKs add."""

_TIME_NAMES = ("time", "timestamp", "@timestamp", "ts", "asctime")
_TEXT_NAMES = ("message", "msg", "log", "line", "textPayload")
_ENVELOPE_DEPTH = 3

# CSI sequences (colours), OSC sequences (titles, links), and what is left of cut-off ones.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)")

_QUOTED = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'"
# Plain words as alternatives let `re` skip to their first letters. The character before a name and
# what a bare space may separate are checked in Python: a pattern for them would be tried at every
# character of the line.
_PAIR = re.compile(
    rf"(?P<name>{'|'.join(sorted(KNOWN, key=len, reverse=True))})"
    # Behind = or a bare space, a second space means that there is no value.
    r"""(?:["']?(?:=|[ ]?:[ ]*)|(?P<gap>[ ]))"""
    rf"""(?P<value>{_QUOTED}|[^\s,;"'(){{}}\[\]]+)"""
)
# The Go SDK's logger puts only a space between key and value. Elsewhere a space separates words:
# "invalid activityID or activity already timed out" names no activity.
_BEFORE_SPACE = frozenset(
    {"WorkflowID", "RunID", "ActivityID", "Attempt"}
    | {"execution_id", "workflow_id", "run_id", "activity_id", "token_preview"}
)
# An unquoted error is free text: it ends where the next key=value begins, or the line ends.
_ERROR = re.compile(
    rf"(?<![\w-])(?i:err|error)(?:=|:\s|\s)\s*(?P<value>{_QUOTED}|.+?(?=\s[\w.]+=|[\r\n]|$))"
)
_ERROR_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """A log line taken apart.

    Attributes:
        text: The line, or what its JSON envelope carries as message, without colours.
        fields: The known fields of text and envelopes. Of two with one name, a JSON field counts,
            else the first in the text.
        time: The time field of a JSON line, as logged: text, or seconds (or milliseconds, ...)
            since 1970. None if the line is no JSON or has none.
    """

    text: str
    fields: Fields
    time: str | float | None


def parse(content: bytes) -> Line:
    """Take a log line apart. Any bytes will do; what is not UTF-8 is replaced."""
    text = content.decode("utf-8", "replace")
    return _parse(_ANSI.sub("", text) if "\x1b" in text else text, _ENVELOPE_DEPTH)


def error_after(text: str, position: int) -> str:
    """The value of an error field in plain `text` after `position`, "" if there is none."""
    match = _ERROR.search(text, position, position + _ERROR_LIMIT)
    return _unquoted(match["value"]) if match else ""


def _parse(text: str, depth: int) -> Line:
    record = _json_object(text) if depth else None
    if record is None:
        return Line(text, _pairs(text), None)
    fields = dict(_json_fields(record))
    time = next((record[name] for name in _TIME_NAMES if _is_time(record.get(name))), None)
    inner = next((record[name] for name in _TEXT_NAMES if isinstance(record.get(name), str)), None)
    if inner is None:
        return Line(text, fields, time)
    # Spring's logger and our own markers are in the envelope, so its text must stay in sight.
    carried = _parse(_ANSI.sub("", inner), depth - 1)
    joined = carried.text if carried.time is not None else f"{carried.text}\n{text}"
    return Line(joined, {**carried.fields, **fields}, carried.time or time)


def _json_object(text: str) -> dict[str, Any] | None:
    start = text.find("{")
    if start < 0 or not text.rstrip().endswith("}"):
        return None
    try:
        record = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _json_fields(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Known fields of an object and of the objects in it (`mdc`, `fields`, `jsonPayload`)."""
    for value in record.values():
        if isinstance(value, dict):
            yield from _scalars(value)
    yield from _scalars(record)


def _scalars(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        known = KNOWN.get(name)
        if known and isinstance(value, str | int) and value != "":
            yield known, str(value)


def _is_time(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _pairs(text: str) -> dict[str, str]:
    """Known fields in plain text. The first of a name wins: error texts come last."""
    pairs: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        name, before = match["name"], text[match.start() - 1 : match.start()]
        part_of_another = before.isalnum() or before in ("_", "-")
        if KNOWN[name] != "error" and not part_of_another and _separated(match):
            pairs.setdefault(KNOWN[name], _unquoted(match["value"]))
    return pairs


def _separated(match: re.Match[str]) -> bool:
    return match["gap"] is None or match["name"] in _BEFORE_SPACE


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] not in "\"'" or value[-1] != value[0]:
        return value.strip().rstrip(":.")
    try:
        unescaped = json.loads(value)
    except ValueError:
        return value[1:-1]
    return str(unescaped)
