"""What a plan may say: every field with its rule, and what contradicts what.

The rules are for plans that people write and edit. They find everything that can be found without
asking a server, so that nothing of a plan is carried out before all of it makes sense.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stigmer_ops.handshake.plan import SCHEMA_VERSION, PlanHeader, PlanRow
from stigmer_ops.handshake.token.task import is_uuid
from stigmer_ops.handshake.verdicts import Action

RESULT_LIMIT = 2 * 1024 * 1024
"""Bytes of a result, where the namespace's own limit is not known: the server's default. A larger
result is accepted, and then fails the activity."""

_ID_LIMIT = 1000
"""Bytes of an id; the frontend refuses longer ones."""

_SHOWN = 40
"""Characters that a message quotes: the first ones of a token say only where it is from."""

_LONGEST_EXTENSION = 3650 * 86_400.0
_TOKEN_NAMES = frozenset({"callbackToken", "callback_token", "taskToken", "task_token"})
_ENDING = frozenset({Action.COMPLETE, Action.FAIL, Action.REDELIVER})

Rule = Callable[[Any], str]
"""What is wrong with a value, as the end of a sentence; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a row.

    Attributes:
        name: As in the file.
        rule: What is wrong with a value.
        actions: Of which rows it may be a part; all if empty. A `skip` row may keep any.
        required: Whether those rows must have it.
    """

    name: str
    rule: Rule
    actions: frozenset[Action] = frozenset()
    required: bool = False


def _text(value: object) -> str:
    if not isinstance(value, str):
        shown = str(value)[:_SHOWN]
        return f'must be text: "{shown}"' if isinstance(value, int) else "must be text"
    # Lone surrogates, which neither protobuf nor a file can hold.
    lone = any("\ud800" <= character <= "\udfff" for character in value)
    return "is not valid text" if lone else ""


def _id(value: object) -> str:
    if problem := _text(value):
        return problem
    assert isinstance(value, str)
    if not value:
        return "is empty: leave it out where there is none"
    size = len(value.encode())
    return f"has {size} bytes; ids have {_ID_LIMIT} at most" if size > _ID_LIMIT else ""


def _message(value: object) -> str:
    return _text(value) or ("" if value else "is empty")


def _uuid(value: object) -> str:
    return "" if isinstance(value, str) and is_uuid(value) else "must be a UUID"


def _action(value: object) -> str:
    return "" if value in _ACTIONS else f"must be one of {', '.join(_ACTIONS)}"


def _whole(bits: int) -> Rule:
    def rule(value: object) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = whole and 0 < value < 1 << bits  # type: ignore[operator] # an int by then
        return "" if fits else "must be a whole number from 1"

    return rule


def _extension(value: object) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = number and 0 < value <= _LONGEST_EXTENSION  # type: ignore[operator] # a number by then
    return "" if fits else "must be a number of seconds above 0, at most ten years"


def _result(value: object) -> str:
    for name, inner in _members(value):
        if isinstance(inner, float) and not math.isfinite(inner):
            return "holds a number that JSON does not have"
        if name in _TOKEN_NAMES and inner:
            return f"holds a task token ({name}), and a plan no secrets: redeliver reads the result"
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return "is not JSON: only text, numbers, true, false, null, lists and mappings are"
    return ""


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Every value inside a JSON value, with its name where it has one; no recursion."""
    inside: list[tuple[str, object]] = [("", value)]
    while inside:
        name, each = inside.pop()
        yield name, each
        if isinstance(each, Mapping):
            inside.extend((str(key), member) for key, member in each.items())
        elif isinstance(each, list):
            inside.extend(("", member) for member in each)


def _kind(expected: str) -> Rule:
    return lambda value: "" if value == expected else f"must be {expected}"


FIELDS: tuple[Field, ...] = (
    Field("kind", _kind("PlanRow")),
    Field("action", _action, required=True),
    Field("workflow_id", _id),
    Field("run_id", _uuid, required=True),
    Field("activity_id", _id, required=True),
    Field("attempt", _whole(31), required=True),
    Field("scheduled_event_id", _whole(63)),
    Field("verdict", _text),
    Field("result", _result, frozenset({Action.COMPLETE})),
    Field("message", _message, frozenset({Action.FAIL}), required=True),
    Field("failure_type", _id, frozenset({Action.FAIL})),
    Field("extend_by_seconds", _extension, frozenset({Action.EXTEND}), required=True),
    Field("execution_id", _id, frozenset({Action.REDELIVER}), required=True),
)
"""Every field of a row."""

_BY_NAME = {known.name: known for known in FIELDS}
_ACTIONS = [action.value for action in Action]  # what is looked for in it may not be hashable


def _belongs(known: Field, action: Action) -> bool:
    return not known.actions or action in known.actions


_ALWAYS = tuple(known.name for known in FIELDS if known.required and not known.actions)
HEADER_FIELDS = frozenset(
    {
        "schema_version",
        "kind",
        "namespace",
        "namespace_id",
        "address",
        "created_time",
        "sha256",
        "counts",
    }
)


_REQUIRED = {
    action: tuple(known.name for known in FIELDS if known.required and _belongs(known, action))
    for action in Action
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something in a row or header that cannot be: the key where it is, and a sentence."""

    key: str
    text: str


def _wrong(key: str, problem: str) -> Wrong:
    return Wrong(key, f"{key} {problem}")


def wrong_in_row(values: Mapping[str, Any], *, result_limit: int = RESULT_LIMIT) -> list[Wrong]:
    """Everything that is wrong with a row of the file.

    Args:
        values: The row as parsed.
        result_limit: Bytes of a result's JSON at most.
    """
    wrong = []
    for name, value in values.items():
        known = _BY_NAME.get(name)
        if known is None:
            wrong.append(_unknown(name, _BY_NAME))
        elif problem := known.rule(value):
            wrong.append(_wrong(name, problem))
    action = Action(values["action"]) if values.get("action") in _ACTIONS else None
    required = _ALWAYS if action is None else _REQUIRED[action]
    wrong += [_wrong(name, "is missing") for name in required if name not in values]
    if wrong or action is None:
        return wrong
    return list(_contradictions(values, action, result_limit))


def wrong_in_content(action: Action, content: Mapping[str, Any]) -> list[Wrong]:
    """Everything that is wrong with the fields of a row that say what to do, not to what."""
    wrong = []
    for known in FIELDS:
        if not known.actions:
            continue
        if known.name in content and not _belongs(known, action):
            wrong.append(_wrong(known.name, f"does not belong to {action}"))
        elif known.name in content and (problem := known.rule(content[known.name])):
            wrong.append(_wrong(known.name, problem))
        elif known.required and _belongs(known, action) and known.name not in content:
            wrong.append(_wrong(known.name, f"is needed for {action}"))
    return wrong


def _contradictions(
    values: Mapping[str, Any], action: Action, result_limit: int
) -> Iterator[Wrong]:
    if action is not Action.SKIP:
        for name in values:
            if not _belongs(_BY_NAME[name], action):
                yield _wrong(name, f"does not belong to a {action} row")
    if "workflow_id" not in values and "scheduled_event_id" in values:
        yield _wrong(
            "scheduled_event_id", "contradicts a row without workflow_id: it has no events"
        )
    if "result" in values:
        size = len(_compact(values["result"]).encode())
        if size > result_limit:
            yield _wrong("result", f"has {size} bytes; the namespace allows {result_limit}")


def _unknown(name: str, known: Iterable[str]) -> Wrong:
    near = difflib.get_close_matches(str(name), list(known), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Wrong(name, f"unknown key {str(name)[:_SHOWN]!r}{hint}")


def row_of(values: Mapping[str, Any]) -> PlanRow:
    """The row that a mapping without anything wrong in it describes."""
    given = {name: value for name, value in values.items() if name not in ("kind", "result")}
    return PlanRow(
        **{
            "workflow_id": "",
            **given,
            "action": Action(given["action"]),
            "extend_by_seconds": float(given.get("extend_by_seconds", 0)),
            "result": _compact(values["result"]) if "result" in values else "",
        }
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def wrong_in_header(values: Mapping[str, Any]) -> list[Wrong]:
    """Everything that is wrong with the header of the file."""
    version = values.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return [_wrong("schema_version", f"{version} is of a later version of stigmer-ops")]
    wrong = [_unknown(name, HEADER_FIELDS) for name in values if name not in HEADER_FIELDS]
    checks: tuple[tuple[str, Rule, bool], ...] = (
        ("schema_version", lambda value: "" if value == SCHEMA_VERSION else "must be 1", True),
        ("kind", _kind("Plan"), True),
        ("namespace", _id, True),
        ("namespace_id", _uuid, False),
        ("address", _text, False),
        ("created_time", _time, False),
        ("sha256", _text, False),
    )
    for name, rule, required in checks:
        if name not in values:
            wrong += [_wrong(name, "is missing")] if required else []
        elif problem := rule(values[name]):
            wrong.append(_wrong(name, problem))
    return wrong


def _time(value: object) -> str:
    if isinstance(value, datetime):  # as YAML reads it
        return ""
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return "must be a time such as 2026-11-24T09:30:00Z"
    return ""


def header_of(values: Mapping[str, Any]) -> PlanHeader:
    """The header that a mapping without anything wrong in it describes."""
    created = values.get("created_time")
    if isinstance(created, str):
        created = datetime.fromisoformat(created)
    if created is not None and created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    texts = {name: values.get(name, "") for name in ("namespace_id", "address", "sha256")}
    return PlanHeader(namespace=values["namespace"], created_time=created, **texts)
