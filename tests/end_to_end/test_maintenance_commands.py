"""`maintenance` as a person and a change ticket use it: asked, guarded, by hand, cut off, ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest, UnpauseActivityRequest
from temporalio.client import Client

from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.workers import Role
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.queue_rate import queue_rate, set_queue_rate
from support.alertmanager import running_alertmanager, silences
from support.awaiting import ACTIVITY_ID, TASK_QUEUE, Awaiting, AwaitsAgent, awaiting
from support.command_line import Finished, killed_at, stigmer_ops
from support.kubectl import RecordingKubectl
from support.pending import listed

CONSENT = ("--reason", "CHG-7 upgrade", "--yes")
WINDOW = ("--for", "1h", "--margin", "10m")


@dataclass
class Operator:
    """Whoever types, in a namespace of their own."""

    folder: Path
    waiting: Awaiting
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.variables |= {
            "TEMPORAL_ADDRESS": self.waiting.client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": self.waiting.client.namespace,
            "STIGMER_OPS_PROCEDURES_PATH": str(self.folder / "procedures"),
            "STIGMER_OPS_AUDIT_PATH": str(self.folder / "audit.jsonl"),
        }

    async def types(self, verb: str, *options: str, **variables: str) -> Finished:
        return await stigmer_ops(
            "maintenance", verb, *options, variables=self.variables | variables
        )

    @property
    def journals(self) -> list[Path]:
        return sorted((self.folder / "procedures").rglob("journal.jsonl"))


@pytest.fixture(scope="module")
async def waiting(sandbox: Sandbox) -> AsyncIterator[Awaiting]:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as population:
        await population.start(["usual-1", "usual-2"], start_to_close=1800)
        yield population


@pytest.fixture
def operator(waiting: Awaiting, tmp_path: Path) -> Operator:
    return Operator(tmp_path, waiting)


def step(document: Any, key: str) -> Any:
    steps = (*document.get("begin_steps", ()), *document.get("end_steps", ()))
    return next(each for each in steps if each["step"] == key)


async def test_preflight_says_go_and_begin_can_be_tried_without_effect(operator: Operator) -> None:
    preflight = await operator.types("preflight", *WINDOW, "-o", "json")
    dry = await operator.types("begin", *WINDOW, "--dry-run", "-o", "json")
    table = await operator.types("preflight", *WINDOW)
    assert (preflight.code, preflight.json["go"], preflight.json["reasons"]) == (0, True, [])
    assert preflight.json["forecast"] == dry.json["forecast"] == {"expires": 2}
    assert {each["workflow_id"] for each in preflight.json["endangered"]} == {"usual-1", "usual-2"}
    steps = {each["step"]: each["skipped_because"] for each in dry.json["steps"]}
    assert "alerts will be sent" in steps["silence"]
    assert table.out.rstrip().endswith("GO")
    assert "2 would time out within the window or its margin" in table.out
    assert (operator.journals, (operator.folder / "audit.jsonl").exists()) == ([], False)


async def test_begin_is_guarded_like_every_write(operator: Operator) -> None:
    begin = ("begin", *WINDOW)
    refusals = await asyncio.gather(
        operator.types(*begin, "--yes"),
        operator.types(*begin, "--reason", "CHG-7"),
        operator.types(*begin, *CONSENT, STIGMER_OPS_READ_ONLY="1"),
        operator.types(
            *begin,
            *CONSENT,
            STIGMER_OPS_WRITES_PROTECTED_NAMESPACES=operator.variables["TEMPORAL_NAMESPACE"],
        ),
        operator.types("begin", *CONSENT),
        operator.types("begin", *WINDOW, "--throttle-queue", "q", *CONSENT),
        operator.types("end", *CONSENT),
        operator.types("preflight", *WINDOW, "--address", "127.0.0.1:1"),
    )
    assert [each.code for each in refusals] == [2, 4, 4, 4, 2, 2, 4, 3]
    assert "--reason is missing" in refusals[0].err
    assert "nobody can be asked" in refusals[1].err
    assert "--confirm-namespace" in refusals[3].err
    assert "--for is missing" in refusals[4].err
    assert "no maintenance window was begun" in refusals[6].err
    assert operator.journals == []


async def test_status_without_a_window_says_so(operator: Operator) -> None:
    status = await operator.types("status", "-o", "json")
    assert (status.code, status.json["state"]) == (0, "none")
    assert "no maintenance window" in (await operator.types("status")).out


async def test_what_nobody_can_save_is_a_no_go(sandbox: Sandbox, tmp_path: Path) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as population:
        await client.start_workflow(
            AwaitsAgent.run,
            id="ends-itself",
            task_queue=TASK_QUEUE,
            run_timeout=timedelta(minutes=20),
        )
        await population.reached([("ends-itself", 1)])
        operator = Operator(tmp_path, population)
        found = await operator.types("preflight", *WINDOW, "-o", "json")
        table = await operator.types("preflight", *WINDOW)
        await client.start_workflow(
            AwaitsAgent.run,
            args=[False, 300.0, 0.0],
            id="ends-in-the-margin",
            task_queue=TASK_QUEUE,
            run_timeout=timedelta(minutes=20),
        )
        await population.reached([("ends-in-the-margin", 1)])
        longer = await operator.types("preflight", "--for", "10m", "--margin", "15m", "-o", "json")
    assert (found.code, found.json["forecast"]) == (1, {"workflow-ends": 1})
    assert "which nothing can put off" in found.json["reasons"][0]
    assert "NO-GO" in table.out
    assert (longer.code, longer.json["forecast"]) == (0, {"expires": 1, "safe": 1})
    (only,) = longer.json["endangered"]
    assert only["extend_to"] < only["workflow_expiration_time"]


async def test_what_is_paused_and_overdue_survives_its_unpausing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    namespace, execution = client.namespace, WorkflowExecution(workflow_id="paused")
    async with awaiting(client) as population:
        await population.start(["paused"], start_to_close=3)
        await client.workflow_service.pause_activity(
            PauseActivityRequest(namespace=namespace, execution=execution, id=ACTIVITY_ID)
        )
        await asyncio.sleep(3.5)  # until its own timeout is past
        operator = Operator(tmp_path, population)
        found = await operator.types("preflight", *WINDOW, "-o", "json")
        begun = await operator.types("begin", *WINDOW, *CONSENT, "-o", "json")
        await client.workflow_service.unpause_activity(
            UnpauseActivityRequest(namespace=namespace, execution=execution, id=ACTIVITY_ID)
        )
        ended = await operator.types("end", *CONSENT, "-o", "json")
    assert found.json["forecast"] == {"paused-overdue": 1}
    assert step(begun.json, "extend")["data"]["extended"] == 1
    assert (ended.code, step(ended.json, "reconcile")["data"]["accounts"]) == (0, {"pending": 1})


async def test_a_window_is_begun_once_shown_and_ended_twice(operator: Operator) -> None:
    begun = await operator.types("begin", *WINDOW, *CONSENT, "-o", "jsonl")
    again = await operator.types("begin", *WINDOW, *CONSENT)
    shown = await operator.types("status")
    preflight = await operator.types("preflight", *WINDOW, "-o", "json")
    dry = await operator.types("end", "--dry-run", "-o", "json")
    ended = await operator.types("end", *CONSENT)
    twice = await operator.types("end", *CONSENT, "-o", "json")
    assert (begun.code, begun.lines[-1]["kind"]) == (0, "MaintenanceWindow")
    states = [(each["step"], each["state"]) for each in begun.lines[:-1]]
    assert states[:2] == [("snapshot", "begun"), ("snapshot", "done")]
    assert states[-3] == ("scale-down", "skipped")
    assert states[-1] == ("extend-latecomers", "done")
    assert (again.code, "is open" in again.err) == (4, True)
    assert (shown.code, "2 deadlines moved behind" in shown.out) == (0, True)
    assert (preflight.code, "has not ended" in preflight.json["reasons"][0]) == (1, True)
    assert {each["step"] for each in dry.json["steps"]} >= {"undo-extend", "reconcile"}
    assert ended.code == 0, ended.err
    assert "2 activities have their own timeouts again" in ended.out
    assert (twice.code, twice.json["state"]) == (0, "ended")
    assert len(operator.journals) == 1


async def test_what_begins_to_wait_meanwhile_is_extended_and_what_comes_later_is_listed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as population:
        operator = Operator(tmp_path, population)
        await population.start(["early"], start_to_close=1800)
        begin = ("maintenance", "begin", *WINDOW, *CONSENT)
        await killed_at("TaskEnded extend", *begin, variables=operator.variables)
        await population.start(["meanwhile"], start_to_close=1800)
        await listed(client, 2)
        begun = await operator.types("begin", *CONSENT, "-o", "json")
        await population.start(["afterwards-1", "afterwards-2"], start_to_close=1800)
        await listed(client, 4)
        dry = await operator.types("end", "--dry-run")
        ended = await operator.types("end", *CONSENT, "-o", "json")
        page = await operator.types("status")
        timeouts = {name: await _start_to_close(client, name) for name in ("early", "meanwhile")}
    late = step(begun.json, "extend-latecomers")
    assert begun.code == 0, begun.err
    assert step(begun.json, "extend")["data"]["extended"] == 1
    assert (late["data"]["activities"], late["data"]["extended"]) == (1, 1)
    assert "1 have begun to wait since the snapshot" in late["detail"]
    assert (dry.code, ended.code) == (0, 0), ended.err
    restored = [step(ended.json, f"undo-{key}")["data"] for key in ("extend", late["step"])]
    assert [data["restored"] for data in restored] == [1, 1]
    assert timeouts == {"early": 1800, "meanwhile": 1800}
    assert step(ended.json, "reconcile")["data"]["accounts"] == {"pending": 2}
    newcomers = step(ended.json, "newcomers")
    assert newcomers["data"]["newcomers"] == 2
    names = sorted(line.split(":")[0] for line in newcomers["lines"])
    assert names == ["afterwards-1 5", "afterwards-2 5"]
    assert kept_in(newcomers["data"]["file"]) == {"afterwards-1", "afterwards-2"}
    assert "afterwards-1 5: times out at " in page.out


def kept_in(path: str) -> set[str]:
    lines = Path(path).read_text().splitlines()
    return {json.loads(line)["workflow_id"] for line in lines}


async def _start_to_close(client: Client, workflow_id: str) -> int:
    description = await client.get_workflow_handle(workflow_id).describe()
    (pending,) = description.raw_description.pending_activities
    return pending.activity_options.start_to_close_timeout.seconds


async def test_what_is_not_accounted_for_is_listed(sandbox: Sandbox, tmp_path: Path) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as population:
        await population.start(["waits", "retried", "terminated"])
        operator = Operator(tmp_path, population)
        assert (await operator.types("begin", *WINDOW, *CONSENT)).code == 0
        await population.retry("retried")
        await client.get_workflow_handle("terminated").terminate()
        ended = await operator.types("end", *CONSENT, "-o", "json")
        again = await operator.types("end", *CONSENT)
        status = await operator.types("status", "-o", "json")
    found = step(ended.json, "reconcile")
    assert (ended.code, again.code, status.code) == (1, 1, 1)
    assert found["data"]["accounts"] == {"pending": 1, "retried": 1, "workflow closed": 1}
    assert sorted(line.split(",")[0] for line in found["lines"]) == [
        "retried 5: retried",
        "terminated 5: workflow closed",
    ]
    assert "attempt 1 then, attempt 2 now" in again.out
    assert (status.json["state"], ended.json["state"]) == ("ended", "ended")


async def test_what_somebody_else_has_changed_since_is_left_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    frontend = Frontend(client, Pace())
    queues = {"reason": "INC-9", "identity": "bob"}
    async with awaiting(client) as population:
        await population.start(["ours", "theirs"], start_to_close=1800)
        operator = Operator(tmp_path, population)
        throttled = ("--throttle", "5", "--throttle-queue", "one", "--throttle-queue", "two")
        begun = await operator.types("begin", *WINDOW, *throttled, *CONSENT, "-o", "json")
        await set_queue_rate(frontend, "two", 3, **queues)
        extended = await stigmer_ops(
            *("activity", "extend", "-w", "theirs", "-a", ACTIVITY_ID, "--by", "5h", *CONSENT),
            variables=operator.variables,
        )
        ended = await operator.types("end", *CONSENT, "-o", "json")
        rates = [(await queue_rate(frontend, name)).rps for name in ("one", "two")]
    assert (begun.code, extended.code, ended.code) == (0, 0, 0), ended.err
    assert rates == [None, 3]
    assert step(ended.json, "undo-throttle")["lines"] == [
        "two was set to 3 tasks a second by bob: left as it is"
    ]
    restored = step(ended.json, "undo-extend")["data"]
    assert (restored["restored"], restored["changed"]) == (1, 1)


async def test_an_alertmanager_that_is_down_stops_begin_which_resumes(operator: Operator) -> None:
    with running_alertmanager(operator.folder / "alertmanager") as url:
        pass
    operator.variables["STIGMER_OPS_MONITORING_ALERTMANAGER"] = url
    preflight = await operator.types("preflight", *WINDOW, "-o", "json")
    stopped = await operator.types("begin", *WINDOW, *CONSENT)
    status = await operator.types("status", "-o", "json")
    other = await operator.types("begin", "--for", "2h", *CONSENT)
    assert (preflight.code, "cannot reach" in preflight.json["reasons"][0]) == (1, True)
    assert (stopped.code, "cannot reach Alertmanager" in stopped.err) == (5, True)
    assert (status.code, status.json["state"]) == (1, "beginning")
    assert step(status.json, "extend")["state"] == "pending"
    assert (other.code, "with other values of --for, --margin" in other.err) == (4, True)
    with running_alertmanager(operator.folder / "alertmanager") as url:
        operator.variables["STIGMER_OPS_MONITORING_ALERTMANAGER"] = url
        resumed = await operator.types("begin", *CONSENT, "-o", "json")
        active = [each["status"]["state"] for each in silences(url)]
        ended = await operator.types("end", *CONSENT)
        after = [each["status"]["state"] for each in silences(url)]
    assert (resumed.code, resumed.json["window"], active) == (0, "0001", ["active"])
    assert (ended.code, after) == (0, ["expired"])


async def test_window_of_another_machine_is_seen_by_its_silence(operator: Operator) -> None:
    other = Operator(operator.folder / "other", operator.waiting)
    with running_alertmanager(operator.folder / "alertmanager") as url:
        for each in (operator, other):
            each.variables["STIGMER_OPS_MONITORING_ALERTMANAGER"] = url
        begun = await operator.types("begin", *WINDOW, *CONSENT)
        seen = await other.types("preflight", *WINDOW, "-o", "json")
        tried = await other.types("begin", *WINDOW, *CONSENT, "--dry-run", "-o", "json")
        refused = await other.types("begin", *WINDOW, *CONSENT)
        ended = await operator.types("end", *CONSENT)
        free = await other.types("preflight", *WINDOW, "-o", "json")
    told = "window 0001 of this namespace was begun on"
    assert (begun.code, ended.code) == (0, 0)
    assert (seen.code, told in seen.json["reasons"][0]) == (1, True)
    assert (tried.code, told in tried.json["reasons"][0]) == (0, True)
    assert (refused.code, told in refused.err) == (4, True)
    assert other.journals == []
    assert (free.code, free.json["reasons"]) == (0, [])


async def test_kubectl_scales_to_zero_and_back_to_what_was(operator: Operator) -> None:
    cluster = RecordingKubectl(operator.folder / "kubectl")
    operator.variables |= cluster.variables
    cluster.set(unreachable=True)
    begin = ("begin", *WINDOW, "--kind", "extended", "--execute", *CONSENT, "-o", "json")
    failed = await operator.types(*begin)
    cluster.set(unreachable=False)
    begun = await operator.types(*begin)
    down = cluster.replicas
    ended = await operator.types("end", "--execute", *CONSENT)
    assert (failed.code, step(failed.json, "scale-down")["state"]) == (5, "failed")
    assert "was refused" in failed.err
    assert (begun.code, down) == (0, {"stigmer-server": 0, "stigmer-service": 0})
    assert (ended.code, cluster.replicas) == (0, {"stigmer-server": 3, "stigmer-service": 2})
    scaled = [call for call in cluster.calls if call.startswith("scale")]
    assert scaled == [
        "scale deployment/stigmer-service --replicas=0",
        "scale deployment/stigmer-server --replicas=0",
        "scale deployment/stigmer-server --replicas=3",
        "scale deployment/stigmer-service --replicas=2",
    ]


async def test_without_execute_a_person_types_the_commands_and_confirms(
    operator: Operator,
) -> None:
    extended = ("--kind", "extended")
    waits = await operator.types("begin", *WINDOW, *extended, *CONSENT)
    wrong = await operator.types("begin", *CONSENT, "--confirm-step", "scaling")
    begun = await operator.types("begin", *CONSENT, "--confirm-step", "scale-down", "-o", "json")
    back = await operator.types("end", *CONSENT)
    ended = await operator.types("end", *CONSENT, "--confirm-step", "undo-scale-down")
    twice = await operator.types("end", *CONSENT, "--confirm-step", "undo-scale-down")
    assert waits.code == back.code == 5
    assert "kubectl --namespace=default scale deployment/stigmer-server --replicas=0" in waits.out
    assert "--confirm-step scale-down" in waits.out
    assert (wrong.code, "the steps are snapshot, " in wrong.err) == (2, True)
    assert (begun.code, begun.json["state"]) == (0, "open")
    assert "scale deployment/stigmer-server --replicas=3" in back.out
    assert (ended.code, twice.code) == (0, 0), ended.err + twice.err


async def test_workers_that_did_not_come_back_are_found(sandbox: Sandbox, tmp_path: Path) -> None:
    async with sandbox.isolated() as world:
        operator = Operator(tmp_path, Awaiting(world.client), world.environment())
        begun = await operator.types("begin", *WINDOW, *CONSENT, "-o", "json")
        await world.stop_worker(Role.CALLBACK)
        ended = await operator.types("end", *CONSENT, "--wait", "1s", "-o", "json")
        await world.start_worker(Role.CALLBACK)
        mended = await operator.types("end", *CONSENT, "--wait", "30s")
    assert step(begun.json, "workers")["detail"] == "7 task queues have workers"
    found = step(ended.json, "callbacks-registered")
    assert (ended.code, found["state"]) == (1, "found")
    assert {line.partition(":")[0] for line in found["lines"]} == {"agent_execution_stigmer"}
    assert step(ended.json, "reconcile")["state"] == "done"
    assert mended.code == 0, mended.out
