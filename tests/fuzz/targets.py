"""The readers of foreign content: files, variables, payloads, and what servers answer."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from fuzz import seeds
from fuzz.target import Target, from_answer, from_file
from stigmer_ops.audit.verification import verify
from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.exporter.state import StateFile
from stigmer_ops.exporter.web.config import parse as parse_web_config
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.registration import parse_not_registered
from stigmer_ops.handshake.token import damage_of, read_form
from stigmer_ops.logs.correlate import Correlator
from stigmer_ops.logs.selection import Selector
from stigmer_ops.logs.sources import LogFile
from stigmer_ops.monitoring.alertmanager import Alertmanager
from stigmer_ops.monitoring.lint import baseline, external
from stigmer_ops.monitoring.lint.known import Known, KnownSeries
from stigmer_ops.monitoring.lint.project import project_of
from stigmer_ops.monitoring.lint.run import Options, lint
from stigmer_ops.monitoring.lint.sources.files import read_files
from stigmer_ops.monitoring.mutation.reviews import read_reviews
from stigmer_ops.monitoring.preview.dashboard_json import read as read_dashboard
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.monitoring.rule_tests.suite import rules_of
from stigmer_ops.procedures.apply.journal import journal_path, read_journal
from stigmer_ops.procedures.batch.pages import rows_in
from stigmer_ops.procedures.deployment.snapshot import read_snapshot as read_deployment
from stigmer_ops.procedures.maintenance.snapshot import FILE_NAME, read_snapshot
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.procedures.redelivery import without_token
from stigmer_ops.procedures.runner.journal import ProcedureJournal
from stigmer_ops.settings import PREFIX
from stigmer_ops.settings_sources import load
from stigmer_ops.stigmer.execution_input import UnreadableInputError, read_execution_input
from stigmer_ops.temporal.callbacks import go_callback, java_callback
from stigmer_ops.temporal.codec_server import CodecServer
from stigmer_ops.temporal.history import CLOSES_ACTIVITY
from stigmer_ops.temporal.results import parse_json
from support.log_lines import EXECUTION

_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
_LINT = Options(_AT.date(), Known({"up": KnownSeries("up")}, ("app_",)))
_SECOND = timedelta(seconds=5)


def _token(content: bytes) -> None:
    damage_of(content, "01a20c32-a5a5-70ac-ab7d-e001a720a694")
    claim_of(content)
    read_form(content)


def _plan(path: Path) -> None:
    with open_plan(path) as plan:
        for _ in plan.rows():
            pass


def _settings_variable(content: bytes) -> None:
    name, _, value = content.decode(errors="surrogateescape").partition("=")
    load(None, {PREFIX + name: value})


def _rule_files(content: bytes) -> None:
    """The name of the file on the first line, then what is in it."""
    name, _, text = content.partition(b"\n")
    suffix = Path(name.decode(errors="replace")).suffix

    def read(path: Path) -> None:
        lint(project_of(read_files([path])), _LINT)
        for _ in rules_of(path):
            pass

    from_file("file" + (suffix if suffix in (".yaml", ".json", ".md") else ".yaml"), read)(text)


def _log_lines(content: bytes) -> None:
    for selector in (None, Selector(execution_id=EXECUTION)):
        with Correlator(selector=selector) as correlator:
            correlator.read(LogFile("-", _AT), io.BufferedReader(io.BytesIO(content)))
            correlator.unlinked_executions()
            correlator.result()


def _payload(content: bytes) -> None:
    payload = Payload.FromString(content)
    claim_of(read_execution_input(dict(payload.metadata), payload.data).token)


def _execution(content: bytes) -> None:
    claim_of(read_execution_input({"encoding": b"json/plain"}, content).token)


def _history_event(content: bytes) -> None:
    event = HistoryEvent.FromString(content)
    java_callback(event)
    go_callback(event, event if event.event_type in CLOSES_ACTIVITY else None, {})


def _failure_message(content: bytes) -> None:
    parse_not_registered(content.decode(errors="replace"))


def _result(content: bytes) -> None:
    json.dumps(without_token(parse_json(content, "argument")))


def _plan_journal(path: Path) -> None:
    plan_path = path.with_name("plan.jsonl")
    plan_path.write_bytes(seeds.PLAN)
    with open_plan(plan_path) as plan:
        # The digest of the plan, whatever the journal says first.
        text = path.read_bytes().replace(
            b'"plan_sha256": ""', f'"plan_sha256": "{plan.sha256}"'.encode()
        )
        journal_path(plan_path).write_bytes(text)
        with read_journal(plan) as journal:
            assert journal is not None
            for row in range(1, journal.rows + 1):
                journal.outcome(row)


def _procedure_journal(content: bytes) -> None:
    ProcedureJournal(Path("folder")).load(content)


def _exporter_state(path: Path) -> None:
    StateFile(path, {"default": "ns-1"}).load()


def _window_snapshot(path: Path) -> None:
    for activity in read_snapshot(path.parent):
        activity.deadline  # noqa: B018 - it is computed from what was read


def _prometheus(url: str) -> None:
    prometheus = Prometheus(url, _SECOND)
    _each(
        lambda: prometheus.query("up"),
        lambda: prometheus.query_range("up", _AT, _AT + _SECOND, _SECOND),
        prometheus.rules,
        lambda: prometheus.data("metadata"),
    )


def _alertmanager(url: str) -> None:
    alertmanager = Alertmanager(url, _SECOND)
    _each(alertmanager.silences, lambda: alertmanager.silence("x"))


def _codec_server(url: str) -> None:
    asyncio.run(CodecServer(url, "default").decode([Payload()]))


def _each(*calls: Callable[[], object]) -> None:
    """Make all of the calls, and raise the last of their errors."""
    last: StigmerOpsError | None = None
    for call in calls:
        try:
            call()
        except StigmerOpsError as error:
            last = error
    if last is not None:
        raise last


def _dashboard(content: bytes) -> None:
    read_dashboard(content.decode(errors="replace"), "dashboard.json")


TARGETS: tuple[Target, ...] = (
    Target("token", _token, seeds.TOKENS),
    Target("plan", from_file("plan.yaml", _plan), seeds.PLANS),
    Target("settings", from_file("settings.yaml", lambda path: load(path, {})), seeds.SETTINGS),
    Target("settings-variable", _settings_variable, seeds.VARIABLES),
    Target("rule-files", _rule_files, seeds.RULE_FILES),
    Target("log-lines", _log_lines, seeds.LOGS),
    Target("payload", _payload, seeds.PAYLOADS, (UnreadableInputError, DecodeError)),
    Target("execution", _execution, seeds.EXECUTIONS, (UnreadableInputError,)),
    Target("history-event", _history_event, seeds.EVENTS, (DecodeError,)),
    Target(
        "failure-message",
        _failure_message,
        (b'unable to find activityType=a. Supported types: ["b","c"]', b"Known types are: a,b"),
    ),
    Target("result", _result, seeds.RESULTS),
    Target("plan-journal", from_file("journal.jsonl", _plan_journal), seeds.PLAN_JOURNALS),
    Target("procedure-journal", _procedure_journal, seeds.PROCEDURE_JOURNALS),
    Target("audit-trail", from_file("audit.jsonl", verify), seeds.AUDIT_TRAILS),
    Target("exporter-state", from_file("state.json", _exporter_state), seeds.EXPORTER_STATES),
    Target("window-snapshot", from_file(FILE_NAME, _window_snapshot), seeds.WINDOW_SNAPSHOTS),
    Target(
        "deployment-snapshot",
        from_file("snapshot.json", lambda path: read_deployment(path, "orders")),
        seeds.DEPLOYMENT_SNAPSHOTS,
    ),
    Target("web-config", from_file("web.yaml", parse_web_config), seeds.WEB_CONFIGS),
    Target("batch-page", rows_in, seeds.BATCH_PAGES, (ValueError,)),
    Target("catalogue", from_file("metrics.yaml", external.read), seeds.CATALOGUES),
    Target("baseline", from_file("baseline.json", baseline.read), seeds.BASELINES),
    Target("reviews", from_file("reviewed.yaml", read_reviews), seeds.REVIEWS),
    Target("dashboard", _dashboard, seeds.DASHBOARDS),
    Target("prometheus", from_answer(_prometheus), seeds.PROMETHEUS_ANSWERS, asks=True),
    Target("alertmanager", from_answer(_alertmanager), seeds.ALERTMANAGER_ANSWERS, asks=True),
    Target("codec-server", from_answer(_codec_server), seeds.CODEC_ANSWERS, asks=True),
)

BY_NAME = {target.name: target for target in TARGETS}
