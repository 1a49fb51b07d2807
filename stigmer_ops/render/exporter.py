"""How the exporter's log and its metrics look."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stigmer_ops.render.errors import write_traceback
from stigmer_ops.render.output import Document
from stigmer_ops.render.text import rfc3339, visible

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

    from stigmer_ops.exporter.log import Event, Log

_PLAIN = re.compile(r"[^\s\"=]+")


class LogFormat(StrEnum):
    """The values of --log-format."""

    LOGFMT = "logfmt"
    JSON = "json"


def log_to_stderr(form: LogFormat, clock: Callable[[], datetime], *, debug: bool) -> Log:
    """A log of one line an event on standard error, in the order of the events.

    Args:
        form: Of a line.
        clock: For its time.
        debug: Whether errors come with their traceback.
    """
    writing = threading.Lock()
    line_of = _json if form is LogFormat.JSON else _logfmt

    def write(event: Event) -> None:
        line = line_of(
            {
                "time": rfc3339(clock()),
                "level": event.level.value,
                "message": event.message,
                **event.fields,
            }
        )
        with writing:
            sys.stderr.write(line + "\n")
            if debug and event.cause is not None:
                write_traceback(event.cause)
            sys.stderr.flush()

    return write


def _json(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=True)


def _logfmt(fields: Mapping[str, Any]) -> str:
    """Words as they are, everything else in quotes, as Go's logfmt reads it."""
    return " ".join(f"{name}={_value(value)}" for name, value in fields.items())


def _value(value: object) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    return json.dumps(visible(text), ensure_ascii=False)


def metrics_document(families: Iterable[Family]) -> Document:
    """The metrics for a program that reads no exposition format."""
    records = [
        {
            "name": family.name,
            "type": family.type,
            "help": family.documentation,
            "samples": [
                {"name": sample.name, "labels": sample.labels, "value": sample.value}
                for sample in family.samples
            ],
        }
        for family in families
    ]
    return Document("Metrics", {"metrics": records}, [("Metric", record) for record in records])
