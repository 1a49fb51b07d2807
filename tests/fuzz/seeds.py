"""Content that the readers take, made by what writes it, or as the tests' examples have it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from temporalio.api.common.v1 import ActivityType, Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from stigmer_ops.audit import Outcome, Result
from stigmer_ops.audit.line import encode as audit_line
from stigmer_ops.audit.record import GENESIS, AuditRecord
from stigmer_ops.exporter.state import ExporterState, _document
from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.plan import PlanHeader, PlanRow, line_of, plan_lines
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.monitoring.lint.registry import RULES
from stigmer_ops.procedures.maintenance.snapshot import activity_record
from stigmer_ops.settings import Settings
from support.audit import NOW, intent
from support.lint_examples import files
from support.log_lines import CARRIERS, LAYOUTS, MESSAGE, ids_of, token
from support.task_tokens import ALL, NAMESPACE_ID, SECOND_ATTEMPT

ROOT = Path(__file__).parent.parent.parent
RUN = "01936c5e-1a53-7000-8000-000000000001"
TIME = "2026-11-24T03:12:09.123Z"
_TOKEN = base64.b64encode(SECOND_ATTEMPT).decode()


def json_lines(*records: Mapping[str, Any]) -> bytes:
    """Records as JSON Lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


TOKENS = (
    *ALL,
    *(base64.b64encode(each) for each in ALL),
    base64.b64encode(base64.b64encode(SECOND_ATTEMPT)),
    SECOND_ATTEMPT.hex().encode(),
    str(list(SECOND_ATTEMPT)).encode(),
    json.dumps({"spec": {"callbackToken": _TOKEN}}).encode(),
    f'level=info token_preview="{_TOKEN[:20]}..." token="{_TOKEN}"'.encode(),
    f"'{_TOKEN}'\r\n".encode(),
    SECOND_ATTEMPT[:70],
)

_ROWS = (
    PlanRow(Action.COMPLETE, "order-1", RUN, "5", 1, 5, result='{"answer":[1,2.5,null,"x"]}'),
    PlanRow(Action.FAIL, "order-2", RUN, "5", 2, message="gone", failure_type="Gone"),
    PlanRow(Action.EXTEND, "", RUN, "a-1", 1, extend_by_seconds=3600.0, verdict="running"),
    PlanRow(Action.REDELIVER, "order-3", RUN, "7", 1, execution_id="aex_1"),
    PlanRow(Action.SKIP, "order-4", RUN, "7", 1),
)
_HEADER = PlanHeader("orders", NAMESPACE_ID, "127.0.0.1:7233", NOW)
PLAN = "".join(plan_lines(_HEADER, _ROWS)).encode()
_YAML_PLAN = {
    "schema_version": 1,
    "kind": "Plan",
    "namespace": "orders",
    "created_time": NOW,
    "rows": [json.loads(line_of(row.as_record())) for row in _ROWS],
}
PLANS = (
    PLAN,
    PLAN.replace(b"\n", b"\r\n"),
    yaml.safe_dump(_YAML_PLAN).encode(),
    PLAN.replace(b'"answer"', b'"callbackToken": "' + _TOKEN.encode() + b'", "answer"'),
)


def _plain(value: object) -> object:
    """A setting as it is written in the file."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.0f}s"
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


SETTINGS = (
    yaml.safe_dump(_plain(Settings().model_dump())).encode(),
    b"scan:\n  rps: 10\n  concurrency: 8\nthresholds: {stuck_after: 4h}\n",
    b"task_queues:\n  agent_execution_runner: {name: q, activity_types: [A, B]}\n# a comment\n",
)
VARIABLES = (b"SCAN_RPS=10", b"EXTERNAL_ACTIVITY_TYPES=[a, 'b']", b"THRESHOLDS_STUCK_AFTER=4h30m")

RULE_FILES = tuple(
    dict.fromkeys(
        f"{name}\n{text}".encode()
        for rule in RULES
        for example in (rule.bad, rule.good)
        if example is not None
        for name, text in files(example).items()
    )
)
CATALOGUES = (
    b"owned: [app_]\ncomplete: false\ntarget_labels: [cluster]\nmetrics:\n"
    b"- {name: app_jobs_total, type: counter, labels: {queue: null, status: [done, failed]}}\n"
    b"- {name: app_seconds, type: histogram, labels: [queue], buckets: [0.1, 1, 10]}\n"
    b"- {name: app_time, type: gauge, minimum: 0, maximum: 9, maximum_age: 24h, help: x}\n",
    b"# HELP app_jobs_total Jobs.\n# TYPE app_jobs_total counter\n"
    b'app_jobs_total{queue="a",status="done"} 3 1700000000\n# TYPE s histogram\n'
    b's_bucket{le="0.1"} 1\ns_bucket{le="+Inf"} 2\ns_sum 0.5\ns_count 2\n',
)
BASELINES = (
    b'{"version": 1, "findings": [{"fingerprint": "ab", "rule": "r", "path": "p",'
    b' "object": "o", "message": "m"}]}\n',
)
REVIEWS = (b"- rule: A*\n  change: 1 becomes 0.1\n  reason: up is 0 or 1.\n",)
DASHBOARDS = (
    (ROOT / "dashboards" / "stigmer-external-activities.json").read_bytes(),
    b'{"dashboard": {"title": "x", "panels": [{"id": 1, "type": "timeseries", "title": "Up",'
    b' "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8}, "targets": [{"refId": "A", "expr": "up"}],'
    b' "fieldConfig": {"defaults": {"unit": "s", "thresholds": {"steps": [{"value": null,'
    b' "color": "red"}]}}}, "options": {"legend": {"calcs": ["last"]}}}]}}',
)

_AT = datetime(2026, 1, 22, 10, 11, 12, tzinfo=UTC)
_LINES = [
    layout(message, {**ids_of(message), "token": base64.b64encode(token()).decode()}, _AT)
    for layout in LAYOUTS
    for message in MESSAGE.values()
]
LOGS = (
    b"".join(_LINES[:40]),
    b"".join(_LINES[-40:]),
    *(carrier(_LINES[3]) for carrier in CARRIERS),
    *_LINES[::17],
)


def _payload(encoding: bytes, data: bytes, message_type: bytes = b"") -> bytes:
    metadata = {"encoding": encoding, "messageType": message_type}
    return Payload(metadata=metadata, data=data).SerializeToString()


_EXECUTION = {
    "metadata": {"id": "aex_1", "labels": {"a": "b"}},
    "spec": {"agentId": "a", "callbackToken": _TOKEN, "runtimeEnv": {"K": {"value": "v"}}},
    "status": {"phase": "EXECUTION_FAILED", "callbackToken": _TOKEN},
}
EXECUTIONS = (
    json.dumps(_EXECUTION).encode(),
    json.dumps({"spec": {"callback_token": _TOKEN.rstrip("=")}}).encode(),
    b"\x1a\x06\x1a\x04aex1\x22\x10\x32\x0eabcdefghijklmn",
)
PAYLOADS = (
    *(_payload(b"json/protobuf", data) for data in EXECUTIONS[:2]),
    _payload(
        b"binary/protobuf",
        EXECUTIONS[2],
        b"ai.stigmer.agentic.agentexecution.v1.AgentExecution",
    ),
    _payload(b"binary/encrypted", b"\x00\x01"),
    _payload(b"binary/null", b""),
)


def _marker(**details: object) -> bytes:
    event = HistoryEvent(event_id=7, event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    event.event_time.FromDatetime(NOW)
    marker = event.marker_recorded_event_attributes
    marker.marker_name = "LocalActivity"
    for name, value in details.items():
        payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
        marker.details[name].CopyFrom(Payloads(payloads=[payload]))
    return event.SerializeToString()


def _scheduled() -> bytes:
    event = HistoryEvent(event_id=7, event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    event.event_time.FromDatetime(NOW)
    attributes = event.activity_task_scheduled_event_attributes
    attributes.activity_type.CopyFrom(ActivityType(name="stigmer/system/x"))
    attributes.start_to_close_timeout.FromTimedelta(timedelta(minutes=1))
    return event.SerializeToString()


def _failed() -> bytes:
    event = HistoryEvent(event_id=8, event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
    event.event_time.FromDatetime(NOW)
    failure = Failure(message="gone")
    failure.application_failure_info.type = "Gone"
    event.activity_task_failed_event_attributes.failure.CopyFrom(failure)
    return event.SerializeToString()


EVENTS = (
    _marker(type="CompleteExternalActivity", meta={"firstSkd": 1700000000000, "backoff": None}),
    _marker(data={"activity_type": "FailExternalActivity"}),
    _scheduled(),
    _failed(),
)

PLAN_JOURNALS = (
    json_lines(
        {"schema_version": 1, "kind": "PlanJournal", "plan_sha256": "", "rows": 5},
        {"kind": "Run", "time": TIME, "row": 0},
        {"kind": "RowIntent", "row": 1, "operation_id": RUN, "time": TIME, "until": TIME},
        {
            **{"kind": "RowOutcome", "row": 1, "operation_id": RUN, "time": TIME},
            **{"outcome": "done", "detail": "x", "by": "y", "ended_time": TIME, "event_id": 9},
        },
        {"kind": "RowIntent", "row": 2, "operation_id": RUN, "time": TIME},
    ),
)
PROCEDURE_JOURNALS = (
    json_lines(
        {
            **{"schema_version": 1, "kind": "ProcedureJournal", "procedure": "maintenance"},
            **{"time": TIME, "parameters": {"for_seconds": 3600.0}},
        },
        {"kind": "TaskBegun", "task": "s", "time": TIME, "operation_id": RUN, "confirmed": True},
        {"kind": "TaskNoted", "task": "s", "time": TIME, "note": {"replicas": 3}},
        {
            **{"kind": "TaskEnded", "task": "s", "time": TIME, "state": "done", "detail": "x"},
            **{"data": {"a": 1}, "lines": ["y"]},
        },
    ),
)
_RECORD = AuditRecord(
    sequence=1, time=NOW, operation_id=UUID(int=1), intent=intent(), previous=GENESIS
)
AUDIT_TRAILS = (
    audit_line(_RECORD) + b"\n",
    audit_line(
        AuditRecord(
            sequence=1,
            time=NOW,
            operation_id=UUID(int=1),
            intent=intent(target=None),
            outcome=Outcome(result=Result.DONE, detail="x", proof_event_id=9),
            previous=GENESIS,
        )
    )
    + b"\n",
)

EXPORTER_STATES = (
    json.dumps(_document({"default": "ns-1"}, ExporterState())).encode(),
    json.dumps(
        {
            **_document({"default": "ns-1"}, ExporterState()),
            "positions": {"default": {"time": TIME, "seen": {"run-1": TIME}}},
        }
    ).encode(),
)
_PENDING = PendingActivity(
    namespace="orders",
    workflow_id="order-1",
    run_id=RUN,
    activity_id="5",
    activity_type="CallAgentActivity",
    workflow_type="OrderWorkflow",
    task_queue="zigflow_execution",
    state=ActivityState.STARTED,
    attempt=1,
    scheduled_time=NOW,
    last_started_time=NOW,
    timeouts=Timeouts(start_to_close=timedelta(hours=24)),
)
WINDOW_SNAPSHOTS = (json_lines(activity_record(_PENDING), activity_record(_PENDING)),)
DEPLOYMENT_SNAPSHOTS = (
    b'{"schema_version": 1, "kind": "DeploymentSnapshot", "time": "2026-11-24T03:12:09.123Z",'
    b' "namespace": "orders", "pending": 3, "by_age": {"0-1h": 3}, "revisions": {"s": 7}}\n',
)
WEB_CONFIGS = (
    b"tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n  min_version: TLS12\n"
    b"http_server_config:\n  headers: {X-Frame-Options: deny}\nbasic_auth_users:\n"
    b"  alice: $2b$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE\n",
)
BATCH_PAGES = (json_lines(*({"row": at, **row.as_record()} for at, row in enumerate(_ROWS, 1))),)

_ALERT = {
    "state": "firing",
    "activeAt": "2026-11-24T03:12:09.123456789Z",
    "value": "1e+00",
    "labels": {"alertname": "A", "severity": "critical"},
    "annotations": {"summary": "s"},
}
_RULE = {
    **{"name": "A", "query": "up == 0", "duration": 300, "keepFiringFor": 0, "lastError": ""},
    **{"labels": {"severity": "critical"}, "annotations": {"summary": "s"}, "alerts": [_ALERT]},
}
PROMETHEUS_ANSWERS = (
    b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},'
    b'"value":[1700000000.1,"1.5"]}]}}',
    b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},'
    b'"values":[[1700000000,"NaN"],[1700000060,"+Inf"]]}]}}',
    b'{"status":"success","data":{"resultType":"scalar","result":[1700000000,"3"]}}',
    json.dumps(
        {"status": "success", "data": {"groups": [{"name": "g", "rules": [_RULE]}]}}
    ).encode(),
)
_SILENCE = {
    **{"id": RUN, "startsAt": TIME, "endsAt": TIME, "createdBy": "alice", "comment": "INC-1"},
    "matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": True}],
    "status": {"state": "active"},
    "silenceID": RUN,
}
ALERTMANAGER_ANSWERS = (
    json.dumps([_SILENCE]).encode(),
    json.dumps(_SILENCE).encode(),
)
CODEC_ANSWERS = (
    b'{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"eyJhIjoxfQ=="}]}',
    b'{"payloads":[{}]}',
    b'{"payloads":[]}',
)
RESULTS = (b'{"status": "completed", "message": "x", "n": [1, 2.5e3, true, null]}', b'"done"')
