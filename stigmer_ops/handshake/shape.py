"""The shape of an activity's result: enough to see that a hand-written one is unlike the real ones.

A result of another shape is accepted by the server and breaks the workflow that reads it, later
and elsewhere. Shapes hold names of fields, never values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ResultShape:
    """How a result looks from outside.

    Attributes:
        stored_encoding: Payload metadata `encoding` as it stands in the history. That of a codec,
            such as `binary/encrypted`, where one is in use.
        encoding: Metadata `encoding` below the codec; empty if it could not be decoded.
        message_type: Metadata `messageType`, of protobuf messages.
        json_type: object, array, string, number, boolean or null; empty for what is not JSON.
        keys: Top-level names of a JSON object.
    """

    stored_encoding: str
    encoding: str = ""
    message_type: str = ""
    json_type: str = ""
    keys: frozenset[str] = frozenset()


def differences(ours: ResultShape, recent: Sequence[ResultShape]) -> list[str]:
    """How `ours` differs from the nearest of the recent shapes, newest first; empty if it does not.

    Where a recent result could not be decoded, only what is stored can be compared.
    """
    found = [_between(ours, theirs) for theirs in recent]
    return min(found, key=len, default=[])


def _between(ours: ResultShape, theirs: ResultShape) -> list[str]:
    if ours.stored_encoding != theirs.stored_encoding:
        said = f"it is stored as {ours.stored_encoding}, recent ones as {theirs.stored_encoding}"
        if theirs.stored_encoding != theirs.encoding:
            said += ": a codec encodes them; give its server with --codec-endpoint"
        return [said, *_content(ours, theirs)]
    return _content(ours, theirs)


def _content(ours: ResultShape, theirs: ResultShape) -> list[str]:
    if not (ours.encoding and theirs.encoding):
        return []
    found = [
        f"its {name} is {mine or 'none'}, that of recent ones {other or 'none'}"
        for name, mine, other in (
            ("encoding", ours.encoding, theirs.encoding),
            ("messageType", ours.message_type, theirs.message_type),
            ("JSON type", ours.json_type, theirs.json_type),
        )
        if mine != other
    ]
    if ours.json_type == theirs.json_type:
        found += _names("it lacks", theirs.keys - ours.keys)
        found += _names("recent ones lack its", ours.keys - theirs.keys)
    return found


def _names(said: str, keys: frozenset[str]) -> list[str]:
    if not keys:
        return []
    shown = ", ".join(sorted(keys)[:NAMES_SHOWN])
    more = len(keys) - NAMES_SHOWN
    return [f"{said} {shown}" + (f" and {more} more" if more > 0 else "")]
