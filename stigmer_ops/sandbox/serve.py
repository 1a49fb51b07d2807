"""The sandbox for a person: started, filled with handshakes, and kept until it is interrupted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox.child import first_to_end
from stigmer_ops.sandbox.environment_file import places_in, write_environment
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.monitoring import Monitoring, require_programs, watch_of
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.webhook import Notification

DEFAULT_FAULTS: Mapping[str, int] = {
    "healthy": 3,
    "still-running": 2,
    "token-not-passed": 1,
    "stigmer-workflow-terminated": 1,
    "callback-fails": 1,
    "callback-decode-error": 1,
    "stale-token": 1,
    "token-truncated": 1,
    "near-deadline": 1,
}
"""A small population with something for every command to find."""


class Step(StrEnum):
    """What `serve` has just done."""

    STARTED = "started"
    WATCHED = "watched"
    HANDSHAKE = "handshake"
    NOT_SEEN = "not-seen"
    READY = "ready"
    NOTIFIED = "notified"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of progress.

    Attributes:
        step: What has happened.
        message: The same in a few words, for a person.
        data: STARTED and READY: the environment variables to paste. HANDSHAKE: `fault`, `kind`,
            `workflow_id` (empty for a standalone activity), `activity_ids` (separated by spaces).
            WATCHED: a program, `exporter`, `prometheus` or `alertmanager`, and its URL.
        file: READY: a file for `.` of a shell that sets them; gone when the sandbox is.
    """

    step: Step
    message: str
    data: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None


async def serve(
    report: Callable[[Event], None],
    *,
    faults: Mapping[str, int] = DEFAULT_FAULTS,
    time_scale: float = 1 / 60,
    namespace: str = "default",
    stigmer_namespace: str | None = None,
    port: int | None = None,
    db_filename: Path | None = None,
    monitoring: bool = False,
    inherited: Mapping[str, str] | None = None,
) -> None:
    """Run a sandbox until the calling task is cancelled, or the process gets SIGTERM.

    A fault that cannot be seen in time is told, and the others go on without it. What commands
    write in the terminal that `Event.file` was pasted into is in a directory that ends with it.

    Args:
        report: Called at each step.
        faults: How many handshakes of each fault to start.
        time_scale: As in `Sandbox.start`, like the following.
        namespace: See there.
        stigmer_namespace: See there.
        port: See there.
        db_filename: See there.
        monitoring: Whether an exporter, Prometheus and Alertmanager run beside it.
        inherited: The environment of those programs, but for what is ours.

    Raises:
        CancelledError: When it was cancelled and everything has stopped.
        UsageError: If there is no such fault.
        CapabilityError: If the Temporal server, or what monitors it, is not installed.
        UnavailableError: If one of them does not start, or ends by itself.
    """
    if monitoring:
        require_programs()
    _cancel_on_sigterm()
    try:
        async with AsyncExitStack() as stack:
            directory = Path(stack.enter_context(TemporaryDirectory(prefix="stigmer-ops-sandbox-")))
            sandbox = await stack.enter_async_context(
                Sandbox.start(
                    time_scale=time_scale,
                    namespace=namespace,
                    stigmer_namespace=stigmer_namespace,
                    port=port,
                    db_filename=db_filename,
                )
            )
            environment = sandbox.environment()
            report(Event(Step.STARTED, f"Temporal listens at {sandbox.address}", environment))
            programs = None
            if monitoring:
                watched = _watched(sandbox, report, inherited or {})
                programs = await stack.enter_async_context(watched)
                environment = programs.environment()
            await _populate(sandbox, faults, report)
            environment = {**environment, **places_in(directory)}
            file = write_environment(directory, environment)
            ready = "everything is in place; Ctrl-C stops it"
            report(Event(Step.READY, ready, environment, file))
            try:
                await _first_to_end(sandbox, programs)
            finally:
                report(Event(Step.STOPPING, "stopping workers and servers"))
    finally:
        _leave_sigterm()


async def _populate(
    sandbox: Sandbox, faults: Mapping[str, int], report: Callable[[Event], None]
) -> None:
    def not_seen(handshake: Handshake, error: UnavailableError) -> None:
        report(Event(Step.NOT_SEEN, error.happened, {"fault": handshake.fault_names}))

    for handshake in await sandbox.populate(faults, not_seen=not_seen):
        report(_handshake(handshake))


@asynccontextmanager
async def _watched(
    sandbox: Sandbox, report: Callable[[Event], None], inherited: Mapping[str, str]
) -> AsyncIterator[Monitoring]:
    def tell(notification: Notification) -> None:
        report(Event(Step.NOTIFIED, notification.message))

    watch = replace(watch_of(sandbox), inherited=inherited, tell=tell)
    async with Monitoring.start(watch) as monitoring:
        urls = {
            "exporter": f"{monitoring.exporters[0].url}/metrics",
            "prometheus": monitoring.prometheus.url,
            "alertmanager": monitoring.alertmanager.url,
        }
        for name, url in urls.items():
            report(Event(Step.WATCHED, f"{name} listens at {url}", {name: url}))
        yield monitoring


async def _first_to_end(sandbox: Sandbox, monitoring: Monitoring | None) -> None:
    """Wait until the server, or what monitors it, ends by itself.

    Raises:
        UnavailableError: When it has.
    """
    others = () if monitoring is None else (monitoring.ended(),)
    await first_to_end(sandbox.server.ended(), *others)


def _handshake(handshake: Handshake) -> Event:
    ids = " ".join(handshake.activity_ids)
    return Event(
        Step.HANDSHAKE,
        f"{handshake.fault_names}: {handshake.place}",
        {
            "fault": handshake.fault_names,
            "kind": handshake.kind.value,
            "workflow_id": handshake.workflow_id,
            "activity_ids": ids,
        },
    )


def _cancel_on_sigterm() -> None:
    task = asyncio.current_task()
    assert task is not None
    # Only the main thread may handle signals; elsewhere SIGTERM ends the process at once, and the
    # server's supervisor cleans up.
    with suppress(RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _leave_sigterm() -> None:
    with suppress(RuntimeError, ValueError):
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
