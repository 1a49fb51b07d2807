"""A sandbox that real exporters, Prometheus and Alertmanager watch, and what these say of it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from stigmer_ops.handshake.remedies import TICKET_TO_FILL_IN
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Alert
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.sandbox.faults.scripts import LONG
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.monitoring import Monitoring, watch_of
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.webhook import Notification
from stigmer_ops.settings import Settings
from stigmer_ops.settings_sources import load
from support.command_line import Finished, environment, stigmer_ops
from support.commands import parse
from support.gateway import gateway_to

PATIENCE_SECONDS = 150.0
"""How long an alert may take; the slowest needs a minute and a half on an idle machine."""
RECEIVERS = {"critical": "stigmer-oncall", "warning": "stigmer-tickets", "info": "shown-only"}
SHARP = {
    "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": "0s",
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
    "STIGMER_OPS_THRESHOLDS_STUCK_AFTER": "8s",
    "STIGMER_OPS_THRESHOLDS_NEAR_DEADLINE_SHARE": "0.2",
    "STIGMER_OPS_THRESHOLDS_BACKLOG": "3",
    "STIGMER_OPS_MONITORING_THRESHOLDS_CRITICAL_AGE": "25s",
    "STIGMER_OPS_MONITORING_THRESHOLDS_IMMINENT_SHARE": "0.3",
    # Nominal: 30 s in the sandbox's time.
    "STIGMER_OPS_MONITORING_WINDOW": "30m",
    "STIGMER_OPS_SCAN_RPS": "0",
}
"""Settings with which faults become alerts within seconds."""


class Board:
    """What has been told so far, and a way to wait for more."""

    def __init__(self) -> None:
        self.told: list[Notification] = []
        self._more = asyncio.Event()

    def tell(self, notification: Notification) -> None:
        """Take one."""
        self.told.append(notification)
        self._more.set()
        self._more = asyncio.Event()

    async def until(
        self, wanted: Callable[[Notification], bool], *, since: int, what: str
    ) -> Notification:
        """The first that is wanted, among those from number `since` on.

        Raises:
            AssertionError: There is none in time; it says what there was.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    more = self._more
                    for notification in self.told[since:]:
                        if wanted(notification):
                            return notification
                    await more.wait()
        except TimeoutError:
            lines = "\n".join(one.message for one in self.told[since:])
            raise AssertionError(f"nobody was told: {what}\nbut:\n{lines}") from None


@dataclass
class Refused:
    """An interception of a gateway that refuses methods, as a server in trouble does."""

    methods: frozenset[str] = frozenset()
    status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE

    async def __call__(self, method: str, _request: bytes) -> grpc.StatusCode | None:
        """The status where the method is refused; `*` is every method."""
        return self.status if {method, "*"} & self.methods else None


@dataclass
class Stage:
    """A sandbox, and what is told of it.

    Attributes:
        sandbox: The sandbox.
        monitoring: What watches it, and others.
        board: What all receivers are told.
        variables: The environment of an operator's terminal.
        settings: Those with which the rules were generated.
        refused: What the gateway before Temporal refuses to the exporters, where there is one.
    """

    sandbox: Sandbox
    monitoring: Monitoring
    board: Board
    variables: Mapping[str, str]
    settings: Settings
    refused: Refused
    _fired: dict[str, int] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Its Temporal namespace."""
        return self.sandbox.namespace

    def alert(self, name: str) -> Alert:
        """The alert of that name."""
        return catalogue(self.settings).alert(name)

    async def run(self, *arguments: str, code: int | None = 0) -> Finished:
        """Run a command as the operator; its exit code is to be `code` unless that is None."""
        done = await stigmer_ops(*arguments, variables=self.variables, timeout_seconds=120)
        assert code is None or done.code == code, f"{arguments}: {done.out}\n{done.err}"
        return done

    async def quiet(self, name: str) -> None:
        """Wait until an alert neither fires nor is about to, in this namespace."""
        url = self.monitoring.prometheus.url
        prometheus = Prometheus(url, self.settings.monitoring.prometheus_timeout)
        expr = f'ALERTS{{alertname="{name}",namespace="{self.namespace}"}}'
        await until(lambda: not prometheus.query(expr), f"{name} is quiet")

    async def fires(self, name: str, **labels: str) -> Notification:
        """Wait until the receiver of its severity is told that an alert fires.

        Its labels, annotations and receiver are those of the catalogue.

        Args:
            name: The alert.
            labels: Those that it is to have beside alertname and severity; the namespace is there.
        """
        wanted = {"namespace": self.namespace, **labels}
        if name in WITHOUT_NAMESPACE:
            del wanted["namespace"]
        self._fired.setdefault(name, 0)
        told = await self.board.until(
            lambda one: one.firing and _is(one, name, wanted),
            since=self._fired[name],
            what=f"{name} fires with {wanted}",
        )
        alert = self.alert(name)
        self._fired[name] = self.board.told.index(told) + 1
        assert dict(told.labels) == {
            "alertname": name,
            "severity": alert.severity.value,
            **wanted,
        }
        assert told.receiver == RECEIVERS[alert.severity.value]
        _agrees(alert, told, wanted)
        return told

    async def resolves(self, name: str) -> None:
        """Wait until the receiver is told that an alert, which has fired, is over."""
        fired = self.board.told[self._fired[name] - 1]
        await self.board.until(
            lambda one: not one.firing and one.labels == fired.labels,
            since=self._fired[name],
            what=f"{name} is over",
        )

    async def succeed(self, number: int) -> None:
        """So many handshakes that come to a good end, however long a busy machine takes."""
        handshakes = [
            await self.sandbox.start_handshake("healthy", script={"run_timeout": LONG})
            for _ in range(number)
        ]
        await self.sandbox.settle(*handshakes, seconds=PATIENCE_SECONDS)

    async def diagnosed(self, handshake: Handshake, verdict: str) -> Any:
        """What `diagnose` says of a handshake's activity, when its verdict is that one.

        A fault need not be visible yet, and a poller that is gone may be listed for a minute.
        """
        which = ("-w", handshake.workflow_id, "-a", handshake.activity_ids[0])
        last: list[Any] = []

        async def said() -> bool:
            done = await self.run("diagnose", *which, "-o", "json", code=None)
            assert done.code in (0, 1), done.err
            last[:] = done.json["items"]
            return [item["verdict"] for item in last] == [verdict]

        await until(said, f"diagnose says {verdict}")
        return last[0]

    async def mend(self, item: Any) -> None:
        """Type the last command that `diagnose` proposes, which writes, with a ticket's number."""
        command = item["commands"][-1].replace(TICKET_TO_FILL_IN, "INC-1")
        program, *arguments = shlex.split(command)
        assert program == "stigmer-ops"
        await self.run(*arguments, "--yes")

    async def worker_verdicts(self) -> dict[str, str]:
        """What `worker check` says of each task queue."""
        done = await self.run("worker", "check", "-o", "json", code=None)
        return {one["task_queue"]: one["verdict"] for one in done.json["task_queues"]}

    async def checks(self, category: str) -> dict[str, str]:
        """What `check` finds wrong: ids and causes."""
        done = await self.run("check", "--category", category, "-o", "json", code=None)
        return {
            check["id"]: check["detail"]
            for group in done.json["categories"]
            for check in group["checks"]
            if check["result"] in ("warning", "failed")
        }


WITHOUT_NAMESPACE = frozenset(
    {
        "StigmerExporterDown",
        "StigmerExporterInstanceDown",
        "StigmerMetricsMissing",
        "StigmerRollbackTriggered",
    }
)
"""Alerts on what is not in any namespace."""


def _is(told: Notification, name: str, labels: Mapping[str, str]) -> bool:
    return told.labels["alertname"] == name and labels.items() <= told.labels.items()


def _agrees(alert: Alert, told: Notification, labels: Mapping[str, str]) -> None:
    """The annotations are the catalogue's, filled in, and the next command can be typed."""
    texts = told.annotations
    assert set(texts) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert texts["summary"] == alert.summary
    assert texts["runbook_url"].endswith(f"/{alert.name}")
    assert "viewPanel=" in texts["dashboard_url"]
    filled = alert.description + alert.next_command
    for label, value in labels.items():
        if f"$labels.{label} " in filled:
            assert value in texts["description"]
    assert "{{" not in "".join(texts.values())
    assert "<no value>" not in "".join(texts.values())
    what, _, following = texts["description"].partition("\nNext: ")
    assert what
    parse(following.removeprefix("stigmer-ops "))


async def until(holds: Callable[[], object] | Callable[[], Awaitable[object]], what: str) -> None:
    """Ask again and again, without holding up the event loop."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                answer = await asyncio.to_thread(holds)
                if await answer if isinstance(answer, Awaitable) else answer:
                    return
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"not in time: {what}") from None


@asynccontextmanager
async def monitored(
    directory: Path, *, exporters: int = 1, gateway: bool = False
) -> AsyncIterator[Stage]:
    """A sandbox with a server of its own, and what watches it.

    Args:
        directory: For the operator's audit file.
        exporters: How many exporters watch it.
        gateway: Whether these reach Temporal through a gateway that `Stage.refuse` closes.
    """
    board, refused = Board(), Refused()
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox.start())
        watch = watch_of(sandbox)
        reached = {**watch.environment, **SHARP}
        if gateway:
            between = gateway_to(sandbox.address, intercept=refused)
            address = (await stack.enter_async_context(between)).address
            reached["TEMPORAL_ADDRESS"] = address
        watch = replace(
            watch,
            environment=reached,
            exporters=exporters,
            inherited=environment(),
            tell=board.tell,
        )
        monitoring = await stack.enter_async_context(Monitoring.start(watch))
        variables = {
            **monitoring.environment(),
            "TEMPORAL_ADDRESS": sandbox.address,
            "STIGMER_OPS_AUDIT_PATH": str(directory / "audit.jsonl"),
        }
        settings = load(None, variables).settings
        yield Stage(sandbox, monitoring, board, variables, settings, refused)
