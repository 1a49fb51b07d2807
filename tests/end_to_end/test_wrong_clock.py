"""A machine whose clock is off by a day: the server's counts, and that is said."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import stigmer_ops
from stigmer_ops.audit import AuditTrail, verify
from stigmer_ops.errors import ExitCode
from support.audit import intent
from support.awaiting import ACTIVITY_ID, TASK_QUEUE, Awaiting
from support.command_line import TESTS, Finished
from support.command_line import stigmer_ops as typed
from support.gateway import gateway_to, refusing
from support.metrics_page import MetricsPage

DAY = timedelta(days=1)
READ_THE_CLOCK = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time")}
WITHIN = timedelta(minutes=10)
HALF_AN_HOUR = 1800.0
CONSENT = ("--reason", "INC-1 clocks", "--yes")


@dataclass
class Machine:
    """One whose clock is ahead of the server's by `ahead`, or behind it."""

    ahead: timedelta
    population: Awaiting
    folder: Path

    async def types(self, *arguments: str, **variables: str) -> Finished:
        client = self.population.client
        return await typed(
            *arguments,
            program=(sys.executable, "-m", "support.wrong_clock", str(self.ahead.total_seconds())),
            variables={
                "PYTHONPATH": str(TESTS),
                "TEMPORAL_ADDRESS": client.service_client.config.target_host,
                "TEMPORAL_NAMESPACE": client.namespace,
                "STIGMER_OPS_AUDIT_PATH": str(self.folder / "audit.jsonl"),
                "STIGMER_OPS_PROCEDURES_PATH": str(self.folder / "procedures"),
                **variables,
            },
            directory=self.folder,
        )


@pytest.fixture(scope="module")
async def population(population: Awaiting) -> Awaiting:
    await population.start(["order-1", "order-2"], start_to_close=HALF_AN_HOUR)
    return population


@pytest.fixture(params=[DAY, -DAY], ids=["a day ahead", "a day behind"])
def machine(request: pytest.FixtureRequest, population: Awaiting, tmp_path: Path) -> Machine:
    return Machine(request.param, population, tmp_path)


def clock(ahead: timedelta) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + ahead


def is_now(text: str) -> bool:
    return abs(datetime.fromisoformat(text) - datetime.now(UTC)) < WITHIN


def is_said(machine: Machine, finished: Finished) -> bool:
    side = "ahead of" if machine.ahead > timedelta(0) else "behind"
    found = [line for line in finished.err.splitlines() if "this machine's clock is" in line]
    return len(found) == 1 and side in found[0] and "the server's time is used" in found[0]


async def test_ages_and_deadlines_are_the_servers(machine: Machine) -> None:
    listed = await machine.types("pending", "list", "-o", "json")
    summed = await machine.types("pending", "summary", "-o", "json")
    old = await machine.types("pending", "list", "--older-than", "12h", "-o", "json")

    assert listed.code == summed.code == ExitCode.OK, listed.err + summed.err
    assert is_said(machine, listed)
    assert is_now(listed.json["read_at"])
    assert len(listed.json["activities"]) == 2
    for one in listed.json["activities"]:
        assert 0 < one["age_seconds"] < WITHIN.total_seconds()
        assert 0 < one["time_left_seconds"] < HALF_AN_HOUR
    assert summed.json["by_age"]["0-1h"]["count"] == 2
    assert old.json["activities"] == []


async def test_no_plan_is_made_of_what_is_not_old(machine: Machine) -> None:
    found = await machine.types("diagnose", "-o", "json")
    old = await machine.types(
        *("plan", "create", "--action", "fail", "--message", "m", "--older-than", "12h"),
        *("--out", "old.jsonl", "-o", "json"),
    )
    near = await machine.types(
        *("plan", "create", "--action", "extend", "--by", "1h", "--expires-within", "1h"),
        *("--out", "near.jsonl", "-o", "json"),
    )

    assert is_now(found.json["time"])
    ages = [one["activity"]["age_seconds"] for one in found.json["items"]]
    assert len(ages) == 2
    assert all(0 < age < WITHIN.total_seconds() for age in ages)
    assert all(is_said(machine, one) for one in (found, old, near))
    assert old.json["counts"]["fail"] == 0
    assert near.json["counts"]["extend"] == 2
    assert is_now(near.json["created_time"])


async def test_window_and_extension_are_the_servers(machine: Machine) -> None:
    until = datetime.now(UTC) + timedelta(hours=2)
    forecast = await machine.types("maintenance", "preflight", "--for", "1h", "-o", "json")
    extended = await machine.types(
        *("activity", "extend", "-w", "order-2", "-a", ACTIVITY_ID),
        *("--until", f"{until:%Y-%m-%dT%H:%M:%SZ}", *CONSENT, "-o", "json"),
    )
    audited = await machine.types("audit", "verify", "-o", "json")
    shown = await machine.types("audit", "show", "-o", "json")

    assert is_now(forecast.json["window"]["begin"])
    assert extended.code == ExitCode.OK, extended.err
    assert audited.json["intact"]
    (operation,) = shown.json["operations"]
    assert is_now(operation["started"])


async def test_metrics_are_the_servers(machine: Machine) -> None:
    once = await machine.types("exporter", "--once")

    assert once.code == ExitCode.OK, once.err
    assert is_said(machine, once)
    page = MetricsPage.parse(once.out)
    assert page.value("stigmer_pending_external_activities") == 2
    assert page.value("stigmer_pending_external_activities", age_bucket="0-1h") == 2


async def test_waiting_for_fewer_ends_and_the_check_tells(machine: Machine) -> None:
    drained = await machine.types("drain", "--timeout", "0s", "-o", "json")
    checked = await machine.types("check", "--category", "temporal", "-o", "json")

    assert drained.code == ExitCode.FINDINGS, drained.err
    assert is_said(machine, drained)
    (clocks,) = [
        check
        for category in checked.json["categories"]
        for check in category["checks"]
        if check["id"] == "clocks-agree"
    ]
    assert "at least 86" in clocks["detail"]


async def test_reader_who_may_not_poll_goes_by_the_workers(machine: Machine) -> None:
    refusal = refusing("PollActivityTaskQueue")
    address = machine.population.client.service_client.config.target_host
    async with gateway_to(address, intercept=refusal) as gateway:
        listed = await machine.types(
            *("pending", "list", "-o", "json"),
            TEMPORAL_ADDRESS=gateway.address,
            STIGMER_OPS_TASK_QUEUES_ZIGFLOW_EXECUTION_NAME=TASK_QUEUE,
        )

    assert is_said(machine, listed)
    assert all(one["age_bucket"] == "0-1h" for one in listed.json["activities"])


async def test_right_clock_is_not_mentioned(population: Awaiting, tmp_path: Path) -> None:
    listed = await Machine(timedelta(seconds=1), population, tmp_path).types("pending", "list")
    assert (listed.code, listed.err) == (ExitCode.OK, "")


def test_trail_whose_times_go_back_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for ahead in (DAY, -DAY, timedelta(0)):
        trail = AuditTrail(path, now=clock(ahead))
        with trail.operation(intent()) as operation:
            operation.done()
    report = verify(path)
    assert (report.intact, report.records) == (True, 6)


def test_one_place_reads_the_clock() -> None:
    root = Path(stigmer_ops.__file__).parent
    readers = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id=owner), attr=name) if (
                    owner,
                    name,
                ) in READ_THE_CLOCK:
                    readers.add(str(path.relative_to(root)))
    assert {one for one in readers if not one.startswith("sandbox/")} == {"cli/context.py"}
