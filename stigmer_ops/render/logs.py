"""Handshakes found in logs, as JSON shows them; the pages for people are in `logs_page`."""

from __future__ import annotations

from typing import Any

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.logs.messages import Outcome
from stigmer_ops.logs.result import Correlation, Entry, FileRead, Handshake, Unjoined
from stigmer_ops.logs.stages import Stage
from stigmer_ops.render.text import rfc3339

PREVIEW_EXPLAINED = (
    "they have nothing but the beginning of a token, which is the same for all of a namespace"
)


def handshake_record(handshake: Handshake) -> dict[str, Any]:
    """One handshake; of its tokens only the fingerprints."""
    verdict, failure = handshake.verdict, handshake.failure
    return {
        "execution_ids": list(handshake.execution_ids),
        "activities": [_activity(key) for key in handshake.activities],
        "attempts": list(handshake.attempts),
        "token_fingerprints": list(handshake.fingerprints),
        "services": [service.value for service in handshake.services],
        "editions": [edition.value for edition in handshake.editions],
        "first_time": rfc3339(handshake.first),
        "last_time": rfc3339(handshake.last),
        "lines": handshake.lines,
        "verdict": verdict.id,
        "title": verdict.title,
        "finished": verdict.finished,
        "reached": _stage(handshake.reached),
        "expected": _stage(handshake.expected),
        "unseen": [stage.id for stage in handshake.unseen],
        "failure": {
            "message": failure.message.id,
            "text": failure.message.text,
            "file": failure.place.file,
            "line": failure.place.line,
            "error": failure.error or None,
        }
        if failure
        else None,
        "notes": list(handshake.notes),
        "timeline": [entry_record(entry) for entry in handshake.timeline],
    }


def entry_record(entry: Entry) -> dict[str, Any]:
    """One line of a timeline."""
    message = entry.message
    return {
        "time": rfc3339(entry.time),
        "day_counted": entry.day_counted,
        "file": entry.place.file,
        "line": entry.place.line,
        "service": message.service.value,
        "edition": message.edition.value if message.edition else None,
        "stage": message.stage.id,
        "outcome": message.outcome.value,
        "failed": message.outcome is not Outcome.REACHED,
        "message": message.id,
        "text": message.text,
        "execution_id": entry.execution_id or None,
        "activity": _activity(entry.activity) if entry.activity else None,
        "attempt": entry.attempt or None,
        "token_fingerprint": entry.fingerprint or None,
        "error": entry.error or None,
    }


def reading_record(correlation: Correlation) -> dict[str, Any]:
    """What was read, and what of it could not be joined."""
    return {
        "files": [file_record(file) for file in correlation.files],
        "preview_only": {
            **_unjoined(correlation.preview_only),
            "explanation": PREVIEW_EXPLAINED,
        },
        "without_ids": _unjoined(correlation.without_ids),
        "without_token": correlation.without_token,
    }


def file_record(file: FileRead) -> dict[str, Any]:
    """How reading one file went."""
    return {
        "file": file.name,
        "lines": file.lines,
        "bytes": file.bytes,
        "recognised": file.recognised,
        "problem": file.problem or None,
    }


def _activity(key: ActivityKey) -> dict[str, Any]:
    return {
        "workflow_id": key.workflow_id or None,
        "run_id": key.run_id or None,
        "activity_id": key.activity_id,
    }


def _stage(stage: Stage | None) -> dict[str, Any] | None:
    return None if stage is None else {"id": stage.id, "title": stage.title}


def _unjoined(unjoined: Unjoined) -> dict[str, Any]:
    return {
        "lines": unjoined.count,
        "by_message": dict(unjoined.by_message),
        "first": [{"file": place.file, "line": place.line} for place in unjoined.places],
    }
