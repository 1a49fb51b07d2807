"""One registered message seen in a log: what it says, and of which execution and activity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE, ExecutionKind
from stigmer_ops.logs.fields import Fields, error_after, parse
from stigmer_ops.logs.messages import Message, Side, message_in
from stigmer_ops.logs.scan import Record
from stigmer_ops.logs.times import LineClock, LineTime
from stigmer_ops.logs.tokens import first_token, without_tokens

_ERROR_LENGTH = 500
_ID_LENGTH = 1000  # Temporal's limit


@dataclass(frozen=True, slots=True)
class Sighting:
    """A line of the registry.

    Attributes:
        message: Which.
        line: Line number in its file, from 1.
        time: When it was written; None where the line does not tell.
        execution_id: The Stigmer execution, "" where the line tells no id that leads to it.
        execution_kind: Whether the execution is an agent's or a workflow's; None if not told.
        stigmer_run_id: The run of the Stigmer workflow, or "".
        activity: The external activity, None where the line does not name it; its run id may be "".
        attempt: The attempt of that activity, 0 where the line does not tell.
        has_preview: The line shows the beginning of a token.
        fingerprint: The fingerprint of a whole token in the line, or "".
        error: The error that the line reports, without tokens, or "".
    """

    message: Message
    line: int
    time: LineTime | None = None
    execution_id: str = ""
    execution_kind: ExecutionKind | None = None
    stigmer_run_id: str = ""
    activity: ActivityKey | None = None
    attempt: int = 0
    has_preview: bool = False
    fingerprint: str = ""
    error: str = ""


def sighting_in(record: Record, clock: LineClock) -> Sighting | None:
    """What `record` says; None if, taken apart, it holds no registered message after all."""
    line = parse(record.content)
    message = message_in(line.text)
    if message is None:
        return None
    at = line.text.find(message.text)
    end = at + len(message.text)
    fields = {name: without_tokens(value) for name, value in line.fields.items()}
    error = fields.get("error", "")
    if not error and message.reports_error:
        error = without_tokens(error_after(line.text, end))
    ids = _IDS[message.side](message, fields, line.text[end : end + _ID_LENGTH])
    token = first_token(line.text)
    if token is not None and token.activity is not None:
        ids = ids._replace(activity=token.activity, attempt=token.attempt)
    return Sighting(
        message,
        record.line,
        clock.read(line.text[:at], line.time),
        *ids,
        has_preview="token_preview" in fields,
        fingerprint=token.fingerprint if token else "",
        error=error[:_ERROR_LENGTH],
    )


def execution_of(workflow_id: str) -> tuple[ExecutionKind, str] | None:
    """Kind and execution id of a Stigmer workflow, from its id; None if it is another workflow."""
    workflow_type, _, execution_id = workflow_id.rpartition("/")
    kind = KIND_BY_WORKFLOW_TYPE.get(workflow_type)
    return (kind, execution_id) if kind and execution_id else None


class _Ids(NamedTuple):
    execution_id: str = ""
    execution_kind: ExecutionKind | None = None
    stigmer_run_id: str = ""
    activity: ActivityKey | None = None
    attempt: int = 0


def _external_ids(_message: Message, fields: Fields, _rest: str) -> _Ids:
    workflow_id, activity_id = fields.get("workflow_id", ""), fields.get("activity_id", "")
    return _Ids(
        fields.get("execution_id", ""),
        activity=ActivityKey(workflow_id, fields.get("run_id", ""), activity_id)
        if workflow_id and activity_id
        else None,
        attempt=_number(fields.get("attempt", "")),
    )


def _stigmer_ids(message: Message, fields: Fields, rest: str) -> _Ids:
    # The activity id of such a line is the callback's own, or the runner's.
    kind, by_workflow = execution_of(fields.get("workflow_id", "")) or (None, "")
    named = _first_word(rest) if message.execution_follows else fields.get("execution_id", "")
    return _Ids(named or by_workflow, kind, fields.get("run_id", ""))


_IDS: dict[Side, Callable[[Message, Fields, str], _Ids]] = {
    Side.EXTERNAL: _external_ids,
    Side.STIGMER: _stigmer_ids,
}


def _first_word(text: str) -> str:
    word = text.split(maxsplit=1)
    return without_tokens(word[0].strip(":,.'\"()")) if word else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
