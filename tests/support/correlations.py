"""Correlations of log lines that tests make up."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import Claim
from stigmer_ops.logs.correlate import Correlator
from stigmer_ops.logs.result import Correlation, Handshake
from stigmer_ops.logs.selection import Selector
from stigmer_ops.logs.sources import LogFile
from support.log_lines import (
    ACTIVITY,
    AT,
    MESSAGE,
    RUN,
    WORKFLOW,
    Layout,
    ids_of,
    python_runner,
    spring_console,
    temporal_go,
    zerolog_json,
)

WRITTEN = datetime(2026, 1, 22, 12, tzinfo=UTC)
KEY = ActivityKey(WORKFLOW, RUN, ACTIVITY)
NOISE = b"2026-01-22T10:11:12Z INF nothing of interest, execution_id=noise\n"


def line(
    message_id: str,
    seconds: float = 0,
    layout: Layout = temporal_go,
    tail: str = "",
    /,
    **ids: str,
) -> bytes:
    """A line `seconds` after the beginning; `tail` goes before the line end."""
    message = MESSAGE[message_id]
    written = layout(message, ids_of(message, **ids), AT + timedelta(seconds=seconds))
    return written.rstrip(b"\n") + tail.encode() + b"\n"


def zigflow(**ids: str) -> bytes:
    """The lines of an external activity that created its execution and waits."""
    return (
        line("zigflow-token-extracted", 0, **{**ids, "execution": ""})
        + line("zigflow-execution-created", 2, **ids)
        + line("zigflow-returned-pending", 2, **ids)
    )


def stigmer(*message_ids: str, start: float = 1, **ids: str) -> bytes:
    """Lines of Stigmer, a second apart."""
    return b"".join(line(each, start + at, **ids) for at, each in enumerate(message_ids))


def correlate(
    files: Mapping[str, bytes] | bytes,
    selector: Selector | None = None,
    claims: Mapping[str, Claim] | None = None,
) -> Correlation:
    """What is found in those files, or in one of that content."""
    with Correlator(selector=selector) as correlator:
        for name, content in ({"a.log": files} if isinstance(files, bytes) else files).items():
            correlator.read(LogFile(name, WRITTEN), io.BytesIO(content))
        correlator.link(claims or {})
        return correlator.result()


def only(found: Correlation) -> Handshake:
    """The one handshake that was found."""
    (handshake,) = found.handshakes
    return handshake


SUCCESS = {
    "zigflow.log": NOISE + zigflow() + NOISE,
    "stigmer.log": NOISE * 3
    + line("go-token-received", 1, zerolog_json)
    + line("go-workflow-started", 3)
    + line("go-token-detected", 3)
    + line("go-workflow-completed", 60)
    + line("go-callback-scheduled", 60)
    + line("go-callback-started", 61)
    + line("go-callback-delivered", 62),
    "runner.log": line("runner-started", 5, python_runner)
    + line("runner-completed", 59, python_runner),
}

ENDS = {
    "delivered": zigflow() + stigmer("go-token-detected", "go-callback-delivered"),
    "callback-failed": zigflow()
    + stigmer("go-token-detected", "go-callback-started")
    + line("go-callback-failed", 9, temporal_go, " error workflow execution already completed"),
    "token-missing": stigmer("go-token-received", "go-callback-without-token"),
    "create-failed": line("zigflow-token-extracted", execution="")
    + line("zigflow-create-failed", 1, temporal_go, " error agent not found", execution=""),
    "no-callback-code": zigflow()
    + stigmer("go-workflow-started", "go-workflow-completed", kind="workflow"),
    "outcome-not-joined": line("java-token-received", 0, spring_console)
    + line("java-callback-started", 1, spring_console)
    + b"2026-01-22T10:12:00Z INFO SystemActivitiesImpl - External activity completed successfully "
    b"tokenPreview=CiQ2YWM3ZjM2OS0xYjJj...\n",
    "stopped": zigflow() + stigmer("go-token-received", "go-token-detected"),
}
"""By verdict: lines of a handshake that ended so."""
