"""The task token itself: protobuf `temporal.server.api.token.v1.Task`, decoded and built.

The message is internal to the Temporal server and grows: unknown fields are kept and shown. A token
is neither signed nor encrypted, and whoever holds one can complete the activity. So its bytes are
in no repr and no message. They are what must stay secret, and what the fingerprint stands for.

The first 15 bytes, which Stigmer's logs print in base64 as `token_preview`, are the tag, the length
and 13 characters of the namespace id: the same for every token of a namespace.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.token.wire import (
    Field,
    Message,
    Schema,
    UnknownField,
    WireType,
    int32,
    int64,
    text,
    uint32,
    write,
)

PREVIEW_BYTES = 15
"""What 20 base64 characters hold; within it, all tokens of a namespace are equal."""

STANDALONE_ARCHETYPE_ID = 3332429922
"""The server's id for standalone activities in a component reference (measured on 1.32)."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True, slots=True)
class VectorClock:
    """Field `clock`: `temporal.server.api.clock.v1.VectorClock`."""

    shard_id: int = 0
    clock: int = 0
    cluster_id: int = 0
    unknown_fields: tuple[UnknownField, ...] = ()


@dataclass(frozen=True, slots=True)
class Timestamp:
    """`google.protobuf.Timestamp`: seconds since 1970, and nanoseconds."""

    seconds: int = 0
    nanos: int = 0
    unknown_fields: tuple[UnknownField, ...] = ()

    @property
    def datetime(self) -> datetime | None:
        """The time in UTC, to the microsecond; None when it is outside the years 1 to 9999."""
        try:
            since = timedelta(seconds=self.seconds, microseconds=self.nanos // 1000)
            return datetime(1970, 1, 1, tzinfo=UTC) + since
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class ComponentRef:
    """Field `component_ref`: `temporal.server.api.persistence.v1.ChasmComponentRef`.

    For a standalone activity, business_id is the activity id and run_id that of the activity.
    """

    namespace_id: str = ""
    business_id: str = ""
    run_id: str = ""
    archetype_id: int = 0
    unknown_fields: tuple[UnknownField, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskToken:
    """A decoded task token; strings are "" and numbers 0 where the token has no such field.

    Attributes:
        raw: The bytes that were decoded. Secret.
        started_timestamp: As sent; `started_time` is the same as a datetime.
        unknown_fields: In their order.
    """

    raw: bytes = field(repr=False)
    namespace_id: str = ""
    workflow_id: str = ""
    run_id: str = ""
    scheduled_event_id: int = 0
    attempt: int = 0
    activity_id: str = ""
    workflow_type: str = ""
    activity_type: str = ""
    clock: VectorClock | None = None
    started_event_id: int = 0
    version: int = 0
    started_timestamp: Timestamp | None = None
    start_version: int = 0
    component_ref: ComponentRef | None = None
    activity_attempt_stamp: int = 0
    unknown_fields: tuple[UnknownField, ...] = ()

    @property
    def started_time(self) -> datetime | None:
        """When the attempt started, in UTC; None when the token does not say."""
        return self.started_timestamp.datetime if self.started_timestamp else None

    @property
    def standalone(self) -> bool:
        """Whether it is the token of a standalone activity, which belongs to no workflow.

        The server decides by component_ref alone, too.
        """
        return self.component_ref is not None

    @property
    def fenced(self) -> bool:
        """Whether the server compares the attempt.

        Without scheduled_event_id it looks the activity up by id, and takes whichever attempt is
        current (measured: even with another attempt in the token).
        """
        return self.standalone or self.scheduled_event_id > 0

    @property
    def fingerprint(self) -> str:
        """See `fingerprint`."""
        return fingerprint(self.raw)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is unusual about the token, one sentence each, without a final period."""
        remarks = []
        if not self.fenced:
            remarks.append(
                "no scheduled_event_id: the server would act on whichever attempt is current"
            )
        if not self.standalone and not self.run_id:
            remarks.append("no run_id: the server would act on the current run")
        if not self.activity_id:
            remarks.append(
                "no activity_id: cut off after attempt, built by hand, or of a workflow task"
            )
        return tuple(remarks)

    def as_dict(self) -> dict[str, object]:
        """Every field that is present, under its proto name, ready for JSON; never the bytes.

        Times are RFC 3339 strings. Of an unknown field that is no number, only the length is given.
        """
        shown = {known.name: _plain(getattr(self, known.name)) for known in TASK.values()}
        shown["started_time"] = shown.pop("started_timestamp")
        shown["unknown_fields"] = _plain(self.unknown_fields)
        return {name: value for name, value in shown.items() if value}


def _plain(value: object) -> object:
    match value:
        case Timestamp(datetime=datetime() as time):
            return time.isoformat().replace("+00:00", "Z")
        case UnknownField():
            shown = {"number": value.number, "wire_type": value.wire_type.name.lower()}
            known = {"length": value.length} if value.value is None else {"value": value.value}
            return shown | known
        case VectorClock() | ComponentRef() | Timestamp():
            named = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
            return {name: shown for name, shown in named.items() if shown}
        case tuple():
            return [_plain(each) for each in value]
        case _:
            return value


_CLOCK: Schema = {1: int32("shard_id"), 2: int64("clock"), 3: int64("cluster_id")}
_TIMESTAMP: Schema = {1: int64("seconds"), 2: int32("nanos")}
_COMPONENT_REF: Schema = {
    1: text("namespace_id"),
    2: text("business_id"),
    3: text("run_id"),
    4: uint32("archetype_id"),
}


def _nested(name: str, schema: Schema, made: type, *, empty_is_absent: bool = False) -> Field:
    def read(data: bytes) -> object:
        if empty_is_absent and not data:
            return None
        message = Message(schema).read(data)
        return made(**message.values, unknown_fields=tuple(message.unknown))

    def write_value(value: Any) -> bytes | None:  # noqa: ANN401 - one of the three above
        if value is None:
            return None
        values = {known.name: getattr(value, known.name) for known in schema.values()}
        return write(schema, values, value.unknown_fields)

    return Field(name, WireType.LENGTH_DELIMITED, read, write_value)


TASK: Schema = {
    1: text("namespace_id"),
    2: text("workflow_id"),
    3: text("run_id"),
    4: int64("scheduled_event_id"),
    5: int32("attempt"),
    6: text("activity_id"),
    7: text("workflow_type"),
    8: text("activity_type"),
    9: _nested("clock", _CLOCK, VectorClock),
    10: int64("started_event_id"),
    11: int64("version"),
    12: _nested("started_timestamp", _TIMESTAMP, Timestamp),
    13: int64("start_version"),
    # Declared as bytes, hence absent when empty.
    14: _nested("component_ref", _COMPONENT_REF, ComponentRef, empty_is_absent=True),
    15: int32("activity_attempt_stamp"),
}


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in the form that Temporal writes, in either case."""
    return _UUID.fullmatch(text) is not None


def fingerprint(raw: bytes) -> str:
    """A name for a token that is safe to show and to log, and that tells tokens apart.

    Returns:
        `sha256:` and the first 16 hexadecimal digits of the SHA-256 of the bytes.
    """
    return f"sha256:{hashlib.sha256(raw).hexdigest()[:_FINGERPRINT_DIGITS]}"


def encode(token: TaskToken) -> bytes:
    """The bytes of a token from its fields, not from `raw`; unknown fields come last.

    Equal to `raw` for tokens as servers write them: fields in the order of their numbers.
    """
    values = {known.name: getattr(token, known.name) for known in TASK.values()}
    return write(TASK, values, token.unknown_fields)


def synthesise(
    *,
    namespace_id: str,
    workflow_id: str,
    run_id: str,
    scheduled_event_id: int,
    attempt: int,
    activity_id: str,
) -> bytes:
    """Build the token that the server accepts if, and only if, exactly this attempt is pending.

    This is the fence of every write: the by-id calls act on whichever attempt is current. Measured
    on server 1.32; the server refuses another attempt or event with NOT_FOUND.

    Args:
        namespace_id: The namespace's UUID, not its name.
        workflow_id: Not empty.
        run_id: UUID. Without it the server would act on the current run, so it is required.
        scheduled_event_id: Of the ActivityTaskScheduled event; without it there is no fence.
        attempt: From 1.
        activity_id: Not compared by the server, but every server writes it.

    Raises:
        UsageError: A part is missing or not of its form.
    """
    _require(is_uuid(namespace_id), "the namespace id must be a UUID")
    _require(_is_text(workflow_id), "the workflow id must not be empty, and be valid text")
    _require(is_uuid(run_id), "the run id must be a UUID")
    _require(0 < scheduled_event_id < 1 << 63, "the scheduled event id must be a positive int64")
    _require(0 < attempt < 1 << 31, "the attempt must be a positive int32")
    _require(_is_text(activity_id), "the activity id must not be empty, and be valid text")
    return encode(
        TaskToken(
            raw=b"",
            namespace_id=namespace_id,
            workflow_id=workflow_id,
            run_id=run_id,
            scheduled_event_id=scheduled_event_id,
            attempt=attempt,
            activity_id=activity_id,
        )
    )


def synthesise_standalone(
    *, namespace_id: str, activity_id: str, run_id: str, attempt: int
) -> bytes:
    """Build the fenced token of a standalone activity's attempt.

    Measured on server 1.32: accepted for exactly the pending attempt; for another one NOT_FOUND
    `activity not found for ID: ...`.

    Args:
        namespace_id: The namespace's UUID, not its name.
        activity_id: Not empty.
        run_id: UUID of the activity's run.
        attempt: From 1.

    Raises:
        UsageError: A part is missing or not of its form.
    """
    _require(is_uuid(namespace_id), "the namespace id must be a UUID")
    _require(_is_text(activity_id), "the activity id must not be empty, and be valid text")
    _require(is_uuid(run_id), "the run id must be a UUID")
    _require(0 < attempt < 1 << 31, "the attempt must be a positive int32")
    ref = ComponentRef(namespace_id, activity_id, run_id, STANDALONE_ARCHETYPE_ID)
    return encode(
        TaskToken(
            raw=b"",
            namespace_id=namespace_id,
            attempt=attempt,
            activity_id=activity_id,
            component_ref=ref,
        )
    )


def _is_text(value: str) -> bool:
    # Arguments that are not UTF-8 arrive with lone surrogates, which protobuf cannot hold.
    return bool(value) and not any("\ud800" <= character <= "\udfff" for character in value)


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise UsageError(f"no task token can be built: {rule}", not_done="nothing was sent")
