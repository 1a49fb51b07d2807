"""How a task token, and what it is worth, look to a person and to a program.

The token itself is in none of it, unless `--show-token` was given.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.token import Damage, FoundToken, ServerAnswer, TaskToken
from stigmer_ops.render.text import rfc3339, visible

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.handshake.token_validation import (
        EndedActivity,
        Observation,
        RunState,
        TokenValidation,
    )

Record = Mapping[str, Any]
_STYLES = {"ok": "green", "info": "cyan", "warning": "yellow", "critical": "bold red"}


@dataclass(frozen=True, slots=True)
class TokenReading:
    """What an input turned out to hold.

    Attributes:
        place: Where it came from: a file, a variable, standard input, the argument.
        size: Bytes of the input, before any decoding.
        found: The token; None where there is none.
        damage: What is wrong; of a token that was found, how its holder stores it.
        layers: The forms that were peeled off, outermost first.
    """

    place: str
    size: int
    found: FoundToken | None
    damage: Damage | None
    layers: tuple[str, ...]

    @property
    def token(self) -> TaskToken | None:
        """The token that was found."""
        return None if self.found is None else self.found.token

    @property
    def form(self) -> str:
        """The layers in one line, outermost first."""
        return " > ".join(self.layers) or "raw bytes"


def decoding_record(reading: TokenReading, *, show_token: bool) -> Record:
    """The body of TokenDecoding; `fields` has the token's own names, and only what is set."""
    token = reading.token
    record = {
        **_reading_record(reading),
        "standalone": token.standalone if token else None,
        "fields": token.as_dict() if token else None,
        "remarks": list(token.remarks) if token else [],
        "damage": _damage_record(reading.damage),
    }
    if show_token and token is not None:
        record["token_base64"] = base64.b64encode(token.raw).decode()
    return record


def validation_record(reading: TokenReading, result: TokenValidation) -> Record:
    """The body of TokenValidation."""
    return {
        **_reading_record(reading),
        **_verdict_record(result),
        "title": result.verdict.title,
        "next": result.next_step,
        "token": _named_record(result.token),
        "evidence": observation_record(result.seen),
        "damage": _damage_record(result.damage),
        "inside": _verdict_record(result.inside) if result.inside else None,
    }


def fingerprint_record(reading: TokenReading) -> Record:
    """The body of TokenFingerprint."""
    record = dict(_reading_record(reading))
    record["damage"] = _damage_record(reading.damage)
    return record


def fingerprints_of(reading: TokenReading) -> tuple[str, ...]:
    """The fingerprint of every token in the input, each once."""
    if reading.found is None:
        return ()
    return (reading.found.token.fingerprint, *reading.found.others)


def _reading_record(reading: TokenReading) -> dict[str, Any]:
    token, found = reading.token, reading.found
    return {
        "source": reading.place,
        "form": reading.form,
        "layers": list(reading.layers),
        "fingerprint": token.fingerprint if token else None,
        "other_fingerprints": list(found.others) if found else [],
        "size_bytes": len(token.raw) if token else None,
        "input_bytes": reading.size,
        "notes": list(found.notes) if found else [],
    }


def _verdict_record(result: TokenValidation) -> dict[str, Any]:
    answer = result.server_answer
    return {
        "verdict": result.verdict.id,
        "severity": str(result.verdict.severity),
        "finding": result.finding,
        "accepted": answer is not None and answer.code == "OK",
        "server_answer": _answer_record(answer),
    }


def _answer_record(answer: ServerAnswer | None) -> Record | None:
    return None if answer is None else {"code": answer.code, "message": answer.message}


def _damage_record(damage: Damage | None) -> Record | None:
    if damage is None:
        return None
    return {
        "kind": damage.kind.value,
        "reason": damage.reason,
        "offset": damage.offset,
        "field": damage.field,
        "missing_bytes": damage.missing or None,
        "server_answer": _answer_record(damage.server_answer),
        "next": damage.next_step,
    }


def _named_record(token: TaskToken | None) -> Record | None:
    if token is None:
        return None
    ref = token.component_ref
    return {
        "namespace_id": token.namespace_id,
        "workflow_id": token.workflow_id or None,
        "run_id": (ref.run_id if ref else token.run_id) or None,
        "activity_id": (ref.business_id if ref else token.activity_id) or None,
        "activity_type": token.activity_type or None,
        "scheduled_event_id": token.scheduled_event_id or None,
        "attempt": token.attempt or None,
        "standalone": token.standalone,
    }


def observation_record(seen: Observation | None) -> Record | None:
    """What was read of an activity, as JSON shows it."""
    if seen is None:
        return None
    return {
        "namespace": seen.namespace,
        "token_namespace": seen.token_namespace or None,
        "run": _run_record(seen.run),
        "current_run": _run_record(seen.current_run),
        "succession": seen.succession.value if seen.succession else None,
        "scheduled_event_id": seen.scheduled_event_id or None,
        "scheduled_time": rfc3339(seen.scheduled_time),
        "pending": _pending_record(seen.pending),
        "current_pending": _pending_record(seen.current_pending),
        "ended": _ended_record(seen.ended),
    }


def _run_record(run: RunState | None) -> Record | None:
    if run is None:
        return None
    return {
        "run_id": run.run_id,
        "status": run.status,
        "close_time": rfc3339(run.close_time),
        "closed_by": run.closed_by or None,
        "reason": run.reason or None,
    }


def _pending_record(pending: PendingActivity | None) -> Record | None:
    if pending is None:
        return None
    return {
        "activity_id": pending.activity_id,
        "activity_type": pending.activity_type,
        "state": pending.state.value,
        "attempt": pending.attempt,
        "paused": pending.paused,
        "last_started_time": rfc3339(pending.last_started_time),
        "last_worker_identity": pending.last_worker_identity or None,
    }


def _ended_record(ended: EndedActivity | None) -> Record | None:
    if ended is None:
        return None
    return {
        "outcome": ended.outcome,
        "event_id": ended.event_id or None,
        "time": rfc3339(ended.time),
        "identity": ended.identity or None,
        "failure_type": (ended.failure.type or None) if ended.failure else None,
        "failure_message": ended.failure.message if ended.failure else None,
    }


def decoding_table(console: Console, reading: TokenReading, *, show_token: bool) -> None:
    """Where the token was found, then its fields, then what is unusual or wrong."""
    rows = [*_reading_rows(reading), *_field_rows(reading.token)]
    if show_token and reading.token is not None:
        rows.append(("token", base64.b64encode(reading.token.raw).decode()))
    _fields(console, rows)
    remarks = reading.token.remarks if reading.token else ()
    for remark in remarks:
        _line(console, f"note: {remark}", "yellow")
    _notes(console, reading)
    if reading.damage is not None:
        _line(console, f"damaged: {reading.damage.reason}", "bold red")
        _answer(console, reading.damage.server_answer)
        _line(console, f"next: {reading.damage.next_step}")


def validation_table(console: Console, reading: TokenReading, result: TokenValidation) -> None:
    """The verdict and what to do first, then the token and what was seen."""
    verdict = result.verdict
    _line(console, f"{verdict.id}: {verdict.title}", _STYLES[str(verdict.severity)])
    _line(console, f"  {result.finding}")
    _answer(console, result.server_answer)
    _line(console, f"next: {result.next_step}")
    _notes(console, reading)
    rows = [*_reading_rows(reading), *_named_rows(_named_record(result.token))]
    _fields(console, [*rows, *_seen_rows(result.seen)])


def _reading_rows(reading: TokenReading) -> Iterator[tuple[str, str]]:
    yield "from", reading.place
    yield "form", reading.form
    if reading.token is None:
        yield "input size", f"{reading.size} bytes"
        return
    yield "fingerprint", reading.token.fingerprint
    yield "size", f"{len(reading.token.raw)} bytes"


def _field_rows(token: TaskToken | None) -> Iterator[tuple[str, str]]:
    if token is not None:
        yield from _flat(token.as_dict())


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif name == "unknown_fields":
            for unknown in value:
                said = ", ".join(f"{key} {unknown[key]}" for key in unknown if key != "number")
                yield f"{above}field {unknown['number']}", f"unknown: {said}"
        else:
            yield f"{above}{name}", str(value)


def _named_rows(record: Record | None) -> Iterator[tuple[str, str]]:
    for name, value in (record or {}).items():
        if value is not None and name != "standalone":
            yield name, str(value)


def _seen_rows(seen: Observation | None) -> Iterator[tuple[str, str]]:
    if seen is None:
        return
    yield "namespace", seen.namespace
    if seen.scheduled_time is not None:
        yield "scheduled", str(rfc3339(seen.scheduled_time))
    if seen.run is not None:
        yield "run", _run_text(seen.run)
    if seen.pending is not None:
        yield "pending", _pending_text(seen.pending)
    if seen.ended is not None:
        yield "ended", _ended_text(seen.ended)
    if seen.current_run is not None:
        yield "current run", f"{seen.current_run.run_id}, {_run_text(seen.current_run)}"
    if seen.current_pending is not None:
        yield "pending in it", _pending_text(seen.current_pending)


def _run_text(run: RunState) -> str:
    closed = f" at {rfc3339(run.close_time)}" if run.close_time else ""
    by = f" by {run.closed_by}" if run.closed_by else ""
    return run.status + closed + by + (f": {run.reason}" if run.reason else "")


def _pending_text(pending: PendingActivity) -> str:
    started = rfc3339(pending.last_started_time)
    since = f", last started at {started}" if started else ", never started"
    by = f" by {pending.last_worker_identity}" if pending.last_worker_identity else ""
    return f"attempt {pending.attempt}, {pending.state}{since}{by}"


def _ended_text(ended: EndedActivity) -> str:
    event = f", event {ended.event_id}" if ended.event_id else ""
    by = f", by {ended.identity}" if ended.identity else ""
    failure = f": {ended.failure.message}" if ended.failure else ""
    return f"{ended.outcome} at {rfc3339(ended.time)}{event}{by}{failure}"


def _fields(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    from stigmer_ops.render.tables import Column, table_of  # noqa: PLC0415 - JSON does without Rich

    console.print()
    console.print(table_of([Column("FIELD", fold=False), Column("VALUE")], rows))
    console.print()


def _notes(console: Console, reading: TokenReading) -> None:
    damage = reading.damage.reason if reading.damage else ""
    for note in reading.found.notes if reading.found else ():
        if note != damage:
            _line(console, f"note: {note}", "yellow")


def _answer(console: Console, answer: ServerAnswer | None) -> None:
    if answer is None:
        said = "not known: it depends on more than the token"
    else:
        said = "OK, the completion is taken" if answer.code == "OK" else str(answer)
    _line(console, f"the server would answer: {said}")


def _line(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text  # noqa: PLC0415 - JSON does without Rich

    # Not wrapped: the terminal does it, and a copied command stays one line.
    console.print(Text(visible(text), style=style), soft_wrap=True)
