"""The exporter's log: one line an event, which programs read and terminals survive."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stigmer_ops.errors import DeniedError
from stigmer_ops.exporter.log import Event, Health, Level, told
from stigmer_ops.render.exporter import LogFormat, log_to_stderr

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOSTILE = 'a "b"=c\n\x1b[31m\u202e'


def written(
    capsys: pytest.CaptureFixture[str], form: LogFormat, event: Event, *, debug: bool = False
) -> str:
    log_to_stderr(form, lambda: NOW, debug=debug)(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_json_line_holds_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    line = written(
        capsys, LogFormat.JSON, Event(Level.INFO, "read", {"namespace": HOSTILE, "count": 3})
    )
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2026-11-24T03:00:00.000Z",
        "level": "info",
        "message": "read",
        "namespace": HOSTILE,
        "count": 3,
    }


def test_logfmt_quotes_what_is_not_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    fields: dict[str, str | float] = {
        "url": "http://[::1]:9469",
        "empty": "",
        "namespace": HOSTILE,
        "seconds": 0.5,
    }
    line = written(capsys, LogFormat.LOGFMT, Event(Level.ERROR, "it broke", fields))
    assert line == (
        'time=2026-11-24T03:00:00.000Z level=error message="it broke" url=http://[::1]:9469 '
        'empty="" namespace="a \\"b\\"=c\\\\n\\\\x1b[31m\\\\u202e" seconds=0.5\n'
    )


def test_traceback_comes_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event(Level.ERROR, "it broke", told(ValueError("secret")), ValueError("secret"))
    line = written(capsys, LogFormat.LOGFMT, event)
    assert 'error="a defect in stigmer-ops: ValueError"' in line
    assert "secret" not in line
    assert "secret" in written(capsys, LogFormat.LOGFMT, event, debug=True)


def test_only_changes_of_health_are_logged() -> None:
    events: list[Event] = []
    health = Health(events.append, "cannot read", namespace="orders")
    health.worked()
    for _ in range(3):
        health.failed(DeniedError("no such namespace", next_step="check it"))
    health.failed(ValueError("other"))
    health.worked()
    health.worked()
    assert [(event.level, event.message) for event in events] == [
        (Level.ERROR, "cannot read"),
        (Level.ERROR, "cannot read"),
        (Level.INFO, "recovered: cannot read"),
    ]
    assert events[0].fields == {
        "namespace": "orders",
        "error": "no such namespace",
        "reference": "denied",
        "next": "check it",
    }
    assert events[2].fields == {"namespace": "orders"}
