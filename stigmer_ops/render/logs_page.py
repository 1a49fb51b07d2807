"""Handshakes found in logs, for people: a timeline of each, or a table of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.remedies import shell_word
from stigmer_ops.logs.messages import Outcome
from stigmer_ops.logs.result import Correlation, Entry, Handshake, Unjoined
from stigmer_ops.logs.stages import Stage
from stigmer_ops.logs.verdicts import VERDICTS, loggers_of
from stigmer_ops.render.logs import PREVIEW_EXPLAINED
from stigmer_ops.render.tables import Cell, Column, id_column, table_of
from stigmer_ops.render.text import visible

_PROVED = "green"
_FAILED = "bold red"
_OPEN = "yellow"
_OUTCOMES = {Outcome.FAILED: " failed", Outcome.NO_TOKEN: " without token"}


def timeline_page(console: Console, handshakes: Sequence[Handshake], *, wide: bool) -> None:
    """Print each handshake with all its lines, where it stopped, and what to type next."""
    for handshake in handshakes:
        _print_ids(console, handshake)
        columns, rows = _timeline(handshake.timeline, wide=wide)
        console.print(table_of(columns, rows))
        console.print()
        for text, style in _conclusion(handshake):
            console.print(visible(text), style=style)
        console.print()


def summary_page(console: Console, handshakes: Sequence[Handshake], *, wide: bool) -> None:
    """Print a table with one row a handshake."""
    columns = [
        Column("VERDICT", fold=False),
        Column("REACHED", fold=False),
        Column("LAST", fold=False),
        id_column("EXECUTION"),
        id_column("WORKFLOW"),
        id_column("ACTIVITY"),
        Column("ERROR"),
    ]
    if wide:
        columns += [id_column("RUN"), Column("EDITIONS"), Column("LINES", "right", fold=False)]
    console.print(table_of(columns, (_row(each, wide=wide) for each in handshakes)))


def totals(handshakes: Sequence[Handshake]) -> str:
    """How many handshakes have which verdict, in one line."""
    counted = Counter(handshake.verdict for handshake in handshakes)
    parts = [f"{counted[verdict]} {verdict.id}" for verdict in VERDICTS if counted[verdict]]
    return f"{_counted(len(handshakes), 'handshake')}: {', '.join(parts) or 'nothing to show'}"


def reading_remarks(correlation: Correlation) -> Iterator[str]:
    """What a person must know of the reading: what failed, and what could not be joined."""
    for file in correlation.files:
        if file.problem:
            yield f"{file.name}: {file.problem}"
    lines = sum(file.lines for file in correlation.files)
    recognised = sum(file.recognised for file in correlation.files)
    yield f"read {_counted(lines, 'line')}, {recognised:,} of them of the handshake"
    if correlation.preview_only.count:
        yield _remark(correlation.preview_only, PREVIEW_EXPLAINED)
    if correlation.without_ids.count:
        yield _remark(correlation.without_ids, "they carry no id at all")
    if correlation.without_token:
        executions = _counted(correlation.without_token, "execution")
        yield f"left out: {executions} of which no line shows a token"


def _remark(unjoined: Unjoined, what: str) -> str:
    places = ", ".join(str(place) for place in unjoined.places)
    more = ", …" if unjoined.count > len(unjoined.places) else ""
    return f"{_counted(unjoined.count, 'line')} cannot be joined: {what} ({places}{more})"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _print_ids(console: Console, handshake: Handshake) -> None:
    for key in handshake.activities:
        run = f"  run {key.run_id}" if key.run_id else ""
        whose = key.workflow_id or "standalone"
        text = f"{whose}{run}  activity {key.activity_id}"
        console.print(visible(text), style="bold", soft_wrap=True)
    for execution_id in handshake.execution_ids:
        console.print(visible(f"execution {execution_id}"), style="bold", soft_wrap=True)
    for fingerprint in handshake.fingerprints:
        console.print(visible(f"token {fingerprint}"), soft_wrap=True)


def _timeline(entries: Sequence[Entry], *, wide: bool) -> tuple[list[Column], list[list[Cell]]]:
    columns = [
        Column("TIME", fold=False),
        Column("SERVICE", fold=False),
        Column("STAGE", fold=False),
        Column("LINE"),
        Column("WHAT"),
    ]
    if wide:
        columns += [id_column("EXECUTION"), Column("ATTEMPT", "right", fold=False), Column("TOKEN")]
    return columns, [_entry_row(entry, wide=wide) for entry in entries]


def _entry_row(entry: Entry, *, wide: bool) -> list[Cell]:
    message = entry.message
    style = "" if message.outcome is Outcome.REACHED else _FAILED
    what = f"{message.text}: {entry.error}" if entry.error else message.text
    row: list[Cell] = [
        f"{'~' if entry.day_counted else ''}{_clock(entry.time)}",
        message.service.value,
        (message.stage.id + _OUTCOMES.get(message.outcome, ""), style),
        str(entry.place),
        (what, style),
    ]
    if wide:
        row += [entry.execution_id or "-", str(entry.attempt or "-"), entry.fingerprint or "-"]
    return row


def _conclusion(handshake: Handshake) -> Iterator[tuple[str, str]]:
    """Lines with their styles: where it stopped, why, what should come, what to do."""
    yield f"{handshake.verdict.id}: {handshake.verdict.title}", _style(handshake)
    if handshake.failure is not None:
        failure = handshake.failure
        yield f"  {failure.place}: {failure.error or failure.message.text}", _FAILED
    if handshake.reached is not None:
        yield f"  reached: {handshake.reached.id}, {handshake.reached.title}", ""
    if handshake.expected is not None:
        yield f"  next should be: {_announced(handshake.expected, handshake)}", ""
    if handshake.unseen:
        yield f"  no line of: {', '.join(_missing(handshake))}", "dim"
    for note in handshake.notes:
        yield f"  note: {note}", ""
    if not handshake.verdict.finished:
        yield f"  {handshake.verdict.advice}", ""
        for key in handshake.activities:
            yield f"  $ stigmer-ops diagnose {_named(key)}", "cyan"


def _announced(stage: Stage, handshake: Handshake) -> str:
    loggers = loggers_of(stage, handshake.editions)
    words = " or ".join(f"“{text}” ({service.value})" for service, text in loggers[:2])
    return f"{stage.id}, {stage.title}: {words}"


def _missing(handshake: Handshake) -> Iterator[str]:
    for stage in handshake.unseen:
        services = dict.fromkeys(service for service, _ in loggers_of(stage, handshake.editions))
        yield f"{stage.id} ({' or '.join(services)})"


def _named(key: ActivityKey) -> str:
    run = f" -r {shell_word(key.run_id)}" if key.run_id else ""
    workflow = f"-w {shell_word(key.workflow_id)}" if key.workflow_id else "--standalone"
    return f"{workflow}{run} -a {shell_word(key.activity_id)}"


def _row(handshake: Handshake, *, wide: bool) -> list[Cell]:
    style = _style(handshake)
    failure = handshake.failure
    row: list[Cell] = [
        (handshake.verdict.id, style),
        handshake.reached.id if handshake.reached else "-",
        _clock(handshake.last),
        _lines(handshake.execution_ids),
        _lines(key.workflow_id or "standalone" for key in handshake.activities),
        _lines(key.activity_id for key in handshake.activities),
        (failure.error or failure.message.text) if failure else "-",
    ]
    if wide:
        row += [
            _lines(key.run_id or "-" for key in handshake.activities),
            _lines(edition.value for edition in handshake.editions),
            str(handshake.lines),
        ]
    return row


def _lines(texts: Iterator[str] | Sequence[str]) -> Cell:
    return [(text, "") for text in texts] or "-"


def _style(handshake: Handshake) -> str:
    if handshake.verdict.finished:
        return _PROVED
    return _FAILED if handshake.failure is not None else _OPEN


def _clock(time: datetime | None) -> str:
    if time is None:
        return "-"
    return time.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
