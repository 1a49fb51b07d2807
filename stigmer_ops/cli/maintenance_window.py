"""A maintenance window on the command line: asked for, connected, remembered and shown."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters, Connection, Mutation
from stigmer_ops.cli.pending_scan import selection_of
from stigmer_ops.cli.procedure_run import next_step, procedures_path
from stigmer_ops.cli.window_options import WindowOptions
from stigmer_ops.errors import ExitCode, RefusedError, StigmerOpsError, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.diagnosis.diagnose import Systems
    from stigmer_ops.procedures.maintenance.forecast import Outlook
    from stigmer_ops.procedures.maintenance.window import Window, World
    from stigmer_ops.procedures.runner.journal import ProcedureJournal
    from stigmer_ops.procedures.runner.run import Standing

MARGIN = timedelta(minutes=15)
"""How long after a window nothing may time out, unless it is told."""

NOTHING_CHANGED = "nothing was changed"
END_COMMAND = "stigmer-ops maintenance end --reason '…'"


@dataclass
class Setting:
    """What every command of the group has in common, once it is connected."""

    invocation: Invocation
    systems: Systems
    namespace_id: str
    reason: str

    @property
    def folder(self) -> Path:
        """Where the windows' journals are."""
        from stigmer_ops.procedures.maintenance.procedure import NAME

        return procedures_path(self.invocation) / NAME

    async def latest(self) -> ProcedureJournal | None:
        """The latest window of this namespace."""
        from stigmer_ops.procedures.maintenance.procedure import latest_window

        namespace = self.systems.external.namespace
        return latest_window(self.folder, namespace, namespace_id=self.namespace_id)

    def parameters(self, window: Window) -> dict[str, Any]:
        """What the head of a window's journal says."""
        external = self.systems.external
        return {
            "namespace": external.namespace,
            "namespace_id": self.namespace_id,
            "address": external.address,
            "operator": f"{self.invocation.operator()}@{self.invocation.host()}",
            **window.as_record(),
        }

    def require_own(self, journal: ProcedureJournal, window: Window) -> None:
        """Refuse the journal of a window that somebody else has just begun.

        Raises:
            RefusedError: It is.
        """
        kept = journal.parameters
        if (
            kept["namespace_id"] != self.namespace_id
            or kept["begin"] != window.as_record()["begin"]
        ):
            raise RefusedError(
                f"somebody else has just begun window {journal.folder.name}",
                not_done=NOTHING_CHANGED,
                next_step="stigmer-ops maintenance status",
            )

    def world(self, window: Window, *, execute: bool, patience: timedelta = timedelta(0)) -> World:
        """Whom and what the steps need."""
        from stigmer_ops.cli.audit_trail import audit_trail
        from stigmer_ops.handshake.identity import identity_of
        from stigmer_ops.monitoring.alertmanager import Alertmanager
        from stigmer_ops.procedures.apply.run import Operator
        from stigmer_ops.procedures.kubectl import Kubectl
        from stigmer_ops.procedures.maintenance.window import World

        invocation, settings = self.invocation, self.invocation.settings
        monitoring = settings.monitoring
        name, host = invocation.operator(), invocation.host()
        reason = self.reason.strip()
        return World(
            window=window,
            systems=self.systems,
            settings=settings,
            selection=selection_of(invocation, ActivityFilters()),
            operator=Operator(name, host, identity_of(name, host, reason), reason),
            trail=audit_trail(invocation),
            now=invocation.now,
            alertmanager=Alertmanager(monitoring.alertmanager, monitoring.prometheus_timeout)
            if monitoring.alertmanager
            else None,
            kubectl=Kubectl(settings.kubernetes, execute=execute),
            patience=patience,
        )


@asynccontextmanager
async def connected(
    invocation: Invocation, connection: Connection, reason: str
) -> AsyncIterator[Setting]:
    """Both sides of the handshake, connected, as the operator who gives this reason.

    Raises:
        StigmerOpsError: Temporal cannot be reached, or refuses us.
    """
    from stigmer_ops.cli.systems import both_sides
    from stigmer_ops.handshake.identity import identity_of

    identity = identity_of(invocation.operator(), invocation.host(), reason.strip())
    async with both_sides(invocation, connection, identity=identity) as systems:
        yield Setting(invocation, systems, await systems.external.namespace_id(), reason)


async def require_only_window(world: World) -> None:
    """Refuse to begin a window beside one that another machine has begun.

    Where that cannot be asked, the step that silences alerts says so.

    Raises:
        RefusedError: There is one.
    """
    from stigmer_ops.procedures.maintenance.silence import begun_elsewhere

    other = None
    with suppress(StigmerOpsError):
        other = await begun_elsewhere(world)
    if other is not None:
        raise RefusedError(
            str(other),
            not_done=NOTHING_CHANGED,
            next_step=f"there: {END_COMMAND}; if nobody can: "
            f"amtool silence expire {shlex.quote(other.silence_id)}",
        )


def window_asked_for(invocation: Invocation, options: WindowOptions, reason: str) -> Window:
    """The window that the options ask for.

    Raises:
        UsageError: No --for, or a queue to throttle and no rate.
    """
    from stigmer_ops.procedures.maintenance.window import KINDS, Kind, Window

    if options.duration is None or not options.duration:
        raise UsageError(
            "--for is missing: how long the window lasts at the most",
            not_done=NOTHING_CHANGED,
            next_step="for example --for 2h",
        )
    if options.throttle_queue and options.throttle is None:
        raise UsageError(
            "--throttle-queue says which queues, and --throttle how much",
            not_done=NOTHING_CHANGED,
            next_step="add --throttle RPS",
        )
    kind = Kind(options.kind.value)
    scales, now = options.scale_to_zero, invocation.now()
    begin = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as the journal keeps it
    default_queue = invocation.settings.task_queues.zigflow_execution.name
    return Window(
        kind=kind,
        begin=begin,
        end=begin + options.duration,
        margin=MARGIN if options.margin is None else options.margin,
        throttle=options.throttle,
        throttled_queues=()
        if options.throttle is None
        else tuple(options.throttle_queue or (default_queue,)),
        scale_to_zero=KINDS[kind].scales_to_zero if scales is None else scales,
        reason=reason.strip(),
    )


async def outlook_for(invocation: Invocation, world: World, *, empty: bool = False) -> Outlook:
    """Read what waits, and forecast what the window does to it; nothing where `empty`."""
    from stigmer_ops.procedures.maintenance.forecast import Outlook, forecast
    from stigmer_ops.procedures.maintenance.snapshot import pending_now
    from stigmer_ops.render.progress import progress

    outlook = Outlook()
    if empty:
        return outlook
    with progress(
        invocation.progress_wanted, "reading what waits", done=lambda: outlook.activities
    ):
        async for activity in pending_now(world):
            outlook.add(forecast(activity, world.window, invocation.now()))
    return outlook


def ticket_of(mutation: Mutation) -> str:
    """The first word of the reason, for the command that goes on."""
    return (mutation.reason or "").split(" ")[0].replace("'", "")


def state_name(journal: ProcedureJournal) -> str:
    """How far the window of a journal has come, as a word."""
    from stigmer_ops.procedures.maintenance.procedure import state_of

    return state_of(journal).value


def standings(journal: ProcedureJournal) -> tuple[Standing[Any], Standing[Any]]:
    """How far what begins a window, and what ends it, has come."""
    from stigmer_ops.procedures.maintenance.procedure import MAINTENANCE
    from stigmer_ops.procedures.runner.run import Standing

    return Standing(journal, MAINTENANCE.begin), Standing(journal, MAINTENANCE.end)


def advice(journal: ProcedureJournal) -> str:
    """What to type next about a window."""
    begun, ended = standings(journal)
    if state_name(journal) == "beginning":
        return next_step(begun, "stigmer-ops maintenance begin --reason '…'", "")
    if state_name(journal) == "open":
        return f"do the work; then {END_COMMAND}"
    return next_step(ended, END_COMMAND, "")


def write_status(invocation: Invocation, journal: ProcedureJournal, what_next: str) -> ExitCode:
    """The window on standard output; FINDINGS where it needs attention."""
    from stigmer_ops.procedures.maintenance.procedure import window_in
    from stigmer_ops.render.maintenance import status_page, window_record
    from stigmer_ops.render.procedure import task_records

    window, parameters, state = window_in(journal), journal.parameters, state_name(journal)
    begun, ended = standings(journal)
    overdue = state != "ended" and invocation.now() > window.end
    head = {
        "window": journal.folder.name,
        "namespace": parameters["namespace"],
        "address": parameters["address"],
        "state": state,
        "overdue": overdue,
        **window_record(window),
        "operator": parameters["operator"],
        "journal": str(journal.path),
    }
    body = {
        **head,
        "begin_steps": task_records(begun),
        "end_steps": task_records(ended),
        "next": what_next or None,
    }

    def table(console: Console, _wide: bool) -> None:
        status_page(
            console, head, begun, ended if state in ("ending", "ended") else None, what_next
        )

    invocation.write(Document("MaintenanceWindow", body), table)
    healthy = state == "open" or (state == "ended" and ended.exit_code is ExitCode.OK)
    return ExitCode.OK if healthy and not overdue else ExitCode.FINDINGS
