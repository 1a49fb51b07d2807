"""How the workers of task queues look: what was found wrong with them, and who polls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rich.padding import Padding

from stigmer_ops.handshake.queue_verdicts import QueueCheck, next_command
from stigmer_ops.handshake.registration import ProbeAccount, ProbeMethod
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.handshake.workers import (
    Poller,
    PollerState,
    QueueWorkers,
    Slots,
    TaskKind,
    WorkerHeartbeat,
)
from stigmer_ops.render.diagnosis import STYLES
from stigmer_ops.render.paragraphs import paragraph
from stigmer_ops.render.tables import Cell, Column, table_of
from stigmer_ops.render.text import short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console

FULL_WIDTH = 160
"""Columns of a terminal from which on `worker list` shows every fact."""
NO_LIMIT = 100_000
"""The rate that SDKs report where the worker sets no limit."""

_STATE_STYLES = {
    PollerState.LIVE: "green",
    PollerState.STALE: "red",
    PollerState.SHUT_DOWN: "dim",
    PollerState.NOT_CURRENT: "yellow",
}

_NOUNS = {
    ProbeMethod.STANDALONE_ACTIVITY: ("standalone activity", "standalone activities"),
    ProbeMethod.WORKFLOW: ("workflow", "workflows"),
}


def check_page(
    console: Console,
    checks: Sequence[QueueCheck],
    accounts: Mapping[str, ProbeAccount],
    *,
    wide: bool,
) -> None:
    """A line for every queue, then what was found, then what the probe did."""
    columns = [
        Column("TASK QUEUE"),
        Column("VERDICT", fold=False),
        Column("ACTIVITY", "right", fold=False),
        Column("WORKFLOW", "right", fold=False),
        Column("BACKLOG", "right", fold=False),
    ]
    if wide:
        columns += [Column("ROLE"), Column("NAMESPACE"), Column("ACTIVITY TYPES")]
    console.print(table_of(columns, [_check_row(check, wide=wide) for check in checks]))
    for check in checks:
        _print_findings(console, check, everything=wide)
    console.print()
    for namespace, account in accounts.items():
        _print_account(console, namespace, account)


def _check_row(check: QueueCheck, *, wide: bool) -> list[Cell]:
    workers, verdict = check.workers, check.verdict
    row: list[Cell] = [
        workers.expected.name,
        (verdict.id, STYLES[verdict.severity]),
        _pollers_cell(workers, TaskKind.ACTIVITY),
        _pollers_cell(workers, TaskKind.WORKFLOW),
        _backlog_cell(workers),
    ]
    if wide:
        types = sorted({name for _, said in check.registration.said for name in said.registered})
        row += [
            ", ".join(workers.expected.roles) or "-",
            workers.expected.namespace,
            ", ".join(types) or "-",
        ]
    return row


def _pollers_cell(workers: QueueWorkers, kind: TaskKind) -> Cell:
    """How many live pollers, of how many listed."""
    live, listed = len(workers.live(kind)), len({poller.identity for poller in workers.of(kind)})
    if listed:
        return str(live) if live == listed else f"{live} of {listed}"
    return ("0", "red") if kind in workers.expected.kinds else ("-", "dim")


def _backlog_cell(workers: QueueWorkers) -> str:
    backlogs = [workers.backlog(kind) for kind in TaskKind]
    count = sum(backlog.count for backlog in backlogs)
    age = max((backlog.age for backlog in backlogs if backlog.age), default=None)
    return f"{count} ({short_duration(age)})" if count and age else str(count)


def _print_findings(console: Console, check: QueueCheck, *, everything: bool) -> None:
    for finding in check.findings:
        verdict = finding.verdict
        if verdict.severity is Severity.OK or (
            verdict.severity is Severity.INFO and not everything
        ):
            continue
        console.print()
        heading = f"{str(verdict.severity).upper()}  {verdict.id}  {check.workers.expected.name}"
        console.print(visible(heading), style=STYLES[verdict.severity])
        paragraph(console, f"{verdict.title}.", 2)
        for fact in finding.evidence:
            paragraph(console, visible(fact), 4, "- ")
        paragraph(console, verdict.remedy, 2)
        console.print(
            f"    $ {visible(next_command(check, verdict))}", style="cyan", soft_wrap=True
        )
        page = PurePosixPath(verdict.page).stem
        console.print(f"  see: stigmer-ops runbook show {page}", style="dim", soft_wrap=True)


def _print_account(console: Console, namespace: str, account: ProbeAccount) -> None:
    console.print(visible(f"{namespace}: {_account_text(account)}"), style="dim")
    for left in account.left_behind:
        console.print(f"  not deleted: {visible(left)}", style="yellow")


def _account_text(account: ProbeAccount) -> str:
    because = f" ({account.reason})" if account.reason else ""
    if account.method is ProbeMethod.NONE:
        return f"the workers were not probed{because}; the failures of pending activities were read"
    if not account.started:
        return "no probe was sent: nobody would have taken it"
    one, many = _NOUNS[account.method]
    started = f"1 {one}" if account.started == 1 else f"{account.started} {many}"
    deleted = "deleted it" if account.started == 1 else "deleted all of them"
    if account.left_behind:
        deleted = f"could delete only {account.deleted}"
    return f"the probe started {started}{because} and {deleted}"


def list_page(console: Console, looked: Sequence[QueueWorkers], *, wide: bool) -> None:
    """A line for every poller, and for every worker that heartbeats and does not poll.

    On a terminal too narrow for the queue's name in each line, it stands above its lines.
    """
    columns = [
        Column("TASK QUEUE"),
        Column("TASKS", fold=False),
        Column("IDENTITY"),
        Column("STATE", fold=False),
        Column("SEEN", "right", fold=False),
        Column("SLOTS", "right", fold=False),
    ]
    if wide or console.width >= FULL_WIDTH:
        columns += [
            Column("ROLE"),
            Column("RATE", "right", fold=False),
            Column("VERSION"),
            Column("HEARTBEAT", fold=False),
            Column("SDK", fold=False),
            Column("HOST"),
        ]
    rows = [row[: len(columns)] for workers in looked for row in _list_rows(workers)]
    table = table_of(columns, rows)
    if table.width <= console.width:
        console.print(table)
        return
    for workers in looked:
        console.print(visible(workers.expected.name), style="bold")
        own = [row[1 : len(columns)] for row in _list_rows(workers)]
        console.print(Padding(table_of(columns[1:], own), (0, 0, 1, 2), expand=False))


def _list_rows(workers: QueueWorkers) -> Iterable[list[Cell]]:
    pollers = sorted(workers.pollers, key=lambda poller: (poller.kind, poller.identity))
    polling = {poller.identity for poller in pollers}
    silent = [beat for beat in workers.heartbeats or () if beat.identity not in polling]
    for poller in pollers:
        yield _poller_row(workers, poller)
    for beat in silent:
        yield _silent_row(workers, beat)
    if not pollers and not silent:
        nothing = ["-"] * 5
        yield [workers.expected.name, *"--", ("not polled", "red"), *"--", _role(workers), *nothing]


def _poller_row(workers: QueueWorkers, poller: Poller) -> list[Cell]:
    state = workers.state(poller)
    seen = poller.last_access_time
    beats = workers.heartbeats_of(poller.identity)
    # The newest is the one that lives, where a process was started again under its name.
    beat = max(beats, key=_started, default=None)
    return [
        workers.expected.name,
        poller.kind.value,
        poller.identity,
        (state.value, _STATE_STYLES[state]),
        short_duration(workers.time - seen) if seen else "-",
        _slots_cell(beat.slots(poller.kind)) if beat else "-",
        _role(workers),
        "-" if poller.rate_per_second >= NO_LIMIT else f"{poller.rate_per_second:g}/s",
        _version(poller.deployment_name, poller.build_id),
        *(_beat_cells(beat) if beat else ("-", "-", "-")),
    ]


def _silent_row(workers: QueueWorkers, beat: WorkerHeartbeat) -> list[Cell]:
    taken = beat.activity_slots or beat.workflow_slots
    seen = beat.heartbeat_time
    return [
        workers.expected.name,
        ", ".join(sorted(beat.polls)) or "-",
        beat.identity,
        _beat_state(beat),
        short_duration(workers.time - seen) if seen else "-",
        _slots_cell(taken),
        _role(workers),
        "-",
        _version(beat.deployment_name, beat.build_id),
        *_beat_cells(beat),
    ]


def _beat_state(beat: WorkerHeartbeat) -> Cell:
    """Of a worker that the server does not list as a poller, not under this identity at least."""
    if beat.shut_down:
        return "shut-down", "dim"
    return "heartbeat" if beat.polls else ("not polling", "yellow")


def _started(beat: WorkerHeartbeat) -> float:
    return beat.start_time.timestamp() if beat.start_time else 0.0


def _beat_cells(beat: WorkerHeartbeat) -> tuple[str, str, str]:
    return beat.status, f"{beat.sdk_name} {beat.sdk_version}".strip() or "-", beat.host or "-"


def _role(workers: QueueWorkers) -> str:
    return ", ".join(workers.expected.roles) or "-"


def _version(deployment_name: str, build_id: str) -> str:
    return ":".join(part for part in (deployment_name, build_id) if part) or "-"


def _slots_cell(slots: Slots | None) -> str:
    if slots is None:
        return "-"
    if slots.available is None:
        return str(slots.used)
    return f"{slots.used}/{slots.used + slots.available}"
