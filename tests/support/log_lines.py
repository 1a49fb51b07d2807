"""Log lines as the services write them, in every layout that the correlation reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from stigmer_ops.handshake.token.task import TaskToken, encode
from stigmer_ops.logs.messages import MESSAGES, Message, Side

NAMESPACE_ID = "6ac7f369-1b2c-4d3e-8f90-a1b2c3d4e5f6"
EXECUTION = "aex_01kf2m3n4p5q6r7s8t9v0w1x2y"
WORKFLOW = "order-4711"
RUN = "01980000-0000-7000-8000-000000000001"
STIGMER_RUN = "01980000-0000-7000-8000-0000000000aa"
ACTIVITY = "5"
PREVIEW = "CiQ2YWM3ZjM2OS0xYjJj..."
AT = datetime(2026, 1, 22, 10, 11, 12, 345000, tzinfo=UTC)

MESSAGE = {message.id: message for message in MESSAGES}

Ids = Mapping[str, str]
Layout = Callable[[Message, Ids, datetime], bytes]


def token(workflow_id: str = WORKFLOW, run_id: str = RUN, attempt: int = 1) -> bytes:
    """A task token as the server makes it."""
    return encode(
        TaskToken(
            b"",
            NAMESPACE_ID,
            workflow_id,
            run_id,
            5,
            attempt,
            ACTIVITY,
            activity_type="CallAgentActivity",
        )
    )


def token_text(raw: bytes) -> str:
    """A token in base64."""
    return base64.b64encode(raw).decode()


def ids_of(
    message: Message,
    *,
    execution: str = EXECUTION,
    workflow: str = WORKFLOW,
    run: str = RUN,
    activity: str = ACTIVITY,
    kind: str = "agent",
) -> dict[str, str]:
    """All ids that a line of `message` may carry, by snake_case name."""
    if message.side is Side.EXTERNAL:
        return {
            "execution_id": execution,
            "workflow_id": workflow,
            "run_id": run,
            "activity_id": activity,
            "attempt": "1",
        }
    return {
        "execution_id": execution,
        "workflow_id": f"stigmer/{kind}-execution/invoke/{execution}",
        "run_id": STIGMER_RUN if execution == EXECUTION else f"run-of-{execution}",
    }


def words(message: Message, ids: Ids) -> str:
    """The message as logged: some carry the execution id in their words."""
    return f"{message.text} {ids['execution_id']}" if message.execution_follows else message.text


def camel(name: str) -> str:
    """snake_case as Java and JavaScript spell it."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def zerolog_console(message: Message, ids: Ids, at: datetime) -> bytes:
    """zerolog's ConsoleWriter with colours: the time of day to the minute, fields after it."""
    clock = at.strftime("%-I:%M%p")
    fields = " ".join(f"\x1b[36m{name}=\x1b[0m{value}" for name, value in ids.items())
    marker = " tokenPreview=x" if message.markers else ""
    return (
        f"\x1b[90m{clock}\x1b[0m \x1b[32mINF\x1b[0m \N{MEMO} {words(message, ids)} "
        f"{fields}{marker}\n"
    ).encode()


def zerolog_json(message: Message, ids: Ids, at: datetime) -> bytes:
    """zerolog's JSON with TimeFormatUnix."""
    record = {"level": "info", **ids, "time": int(at.timestamp())}
    record |= {"tokenPreview": PREVIEW} if message.markers else {"token_preview": PREVIEW}
    return json.dumps({**record, "message": f"\N{MEMO} {words(message, ids)}"}).encode() + b"\n"


def temporal_go(message: Message, ids: Ids, at: datetime) -> bytes:
    """The Temporal Go SDK's default logger: key and value with nothing between them."""
    tags = {
        "Namespace": "default",
        "TaskQueue": "queue",
        "WorkerID": "1@host@",
        "ActivityID": ids.get("activity_id", "17"),
        "Attempt": ids.get("attempt", "1"),
        "WorkflowType": "some-type",
        "WorkflowID": ids["workflow_id"],
        "RunID": ids["run_id"],
        "execution_id": ids["execution_id"],
        "token_preview": PREVIEW,
    }
    marker = " executionId" if message.markers else ""
    pairs = " ".join(f"{name} {value}" for name, value in tags.items())
    return (
        f"{at:%Y/%m/%d %H:%M:%S} INFO  \N{MEMO} {words(message, ids)}{marker} {pairs}\n"
    ).encode()


def slog_text(message: Message, ids: Ids, at: datetime) -> bytes:
    """Go's slog TextHandler."""
    marker = " tokenPreview=x" if message.markers else ""
    fields = " ".join(f"{name}={value}" for name, value in ids.items())
    return (
        f'time={at.isoformat()} level=INFO msg="{words(message, ids)}" {fields}{marker}\n'.encode()
    )


def spring_console(message: Message, ids: Ids, at: datetime) -> bytes:
    """Spring Boot's console: logger class, then the message with key=value."""
    logger = message.markers[0] if message.markers else "SomeClass"
    fields = ", ".join(f"{camel(name)}={value}" for name, value in ids.items())
    return (
        f"{at:%Y-%m-%dT%H:%M:%S}.345Z  INFO 1 --- [stigmer] [worker-1] "
        f"a.s.d.a.agentexecution.{logger} : {words(message, ids)} {fields}\n"
    ).encode()


def spring_dash(message: Message, ids: Ids, at: datetime) -> bytes:
    """The layout of the operator's runbook: `Class - message key=value`."""
    logger = message.markers[0] if message.markers else "SomeClass"
    fields = " ".join(f"{camel(name)}={value}" for name, value in ids.items())
    return (f"{at:%Y-%m-%d %H:%M:%S},345 INFO {logger} - {words(message, ids)} {fields}\n").encode()


def spring_json(message: Message, ids: Ids, at: datetime) -> bytes:
    """The Logstash encoder: ids from the MDC as fields."""
    record = {
        "@timestamp": at.isoformat(),
        "logger_name": f"ai.stigmer.{message.markers[0] if message.markers else 'SomeClass'}",
        "message": words(message, ids),
        "mdc": {camel(name): value for name, value in ids.items()},
    }
    return json.dumps(record).encode() + b"\n"


def python_runner(message: Message, ids: Ids, at: datetime) -> bytes:
    """Python's logging as the runner sets it up, with the SDK's dictionary behind the message."""
    details = {
        "activity_id": ids.get("activity_id", "11"),
        "attempt": 1,
        "workflow_id": ids["workflow_id"],
        "workflow_run_id": ids["run_id"],
        "execution_id": ids["execution_id"],
    }
    if message.markers:
        details["tokenPreview"] = PREVIEW
    return (
        f"{at:%Y-%m-%d %H:%M:%S},345 - temporalio.activity - INFO - {words(message, ids)} "
        f"({details})\n"
    ).encode()


LAYOUTS: tuple[Layout, ...] = (
    zerolog_console,
    zerolog_json,
    temporal_go,
    slog_text,
    spring_console,
    spring_dash,
    spring_json,
    python_runner,
)
"""Every layout. A service writes in one or two of them; the reader must not care."""


def kubectl(line: bytes) -> bytes:
    """As `kubectl logs --prefix --timestamps` shows it."""
    return b"[pod/stigmer-server-7d9f/server] 2026-01-22T10:11:12.345678901Z " + line


def compose(line: bytes) -> bytes:
    """As `docker compose logs` shows it."""
    return b"stigmer-server-1  | " + line


def docker(line: bytes) -> bytes:
    """As Docker's json-file driver stores it."""
    record = {
        "log": line.decode(),
        "stream": "stdout",
        "time": "2026-01-22T10:11:12.345678901Z",
    }
    return json.dumps(record).encode() + b"\n"


def cri(line: bytes) -> bytes:
    """As containerd and CRI-O store it."""
    return b"2026-01-22T10:11:12.345678901Z stdout F " + line


CARRIERS: tuple[Callable[[bytes], bytes], ...] = (kubectl, compose, docker, cri)
