"""How procedures look: what would be done, what is being done, and how far a run has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stigmer_ops.render.tables import Cell, Column, table_of
from stigmer_ops.render.text import rfc3339, visible

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.runner.journal import Progress
    from stigmer_ops.procedures.runner.run import PlannedTask, Standing
    from stigmer_ops.procedures.runner.step import Task

STYLES = {
    "done": "green",
    "failed": "bold red",
    "found": "yellow",
    "waiting": "yellow",
    "begun": "yellow",
    "skipped": "dim",
    "pending": "dim",
}


def task_record(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """A task and how far it has come, for JSON."""
    return {
        "step": task.key,
        "sentence": task.sentence,
        "page": task.step.page,
        "state": progress.state.value,
        "detail": progress.detail or None,
        "lines": list(progress.lines),
        "data": progress.data,
        "began": rfc3339(progress.began),
        "ended": rfc3339(progress.ended),
        "operation_id": str(progress.operation_id) if progress.operation_id else None,
    }


def task_records(standing: Standing[Any]) -> list[dict[str, Any]]:
    """Every task of a run, in order."""
    return [task_record(task, standing.progress(task)) for task in standing.tasks]


def planned_record(planned: PlannedTask[Any]) -> dict[str, Any]:
    """What would become of a task, for JSON."""
    return {
        "step": planned.task.key,
        "sentence": planned.task.sentence,
        "page": planned.task.step.page,
        "state": planned.state.value,
        "skipped_because": planned.reason or None,
        "obstacle": planned.obstacle or None,
        "lines": list(planned.lines),
    }


def plan_table(console: Console, plan: Sequence[PlannedTask[Any]]) -> None:
    """What would be done, step by step, with the exact effects below each."""
    rows: list[list[Cell]] = []
    for number, one in enumerate(plan, 1):
        rows.append([str(number), one.task.key, _planned_lines(one)])
    columns = [Column("", "right", fold=False), Column("STEP", fold=False), Column("WHAT")]
    console.print(table_of(columns, rows))


def _planned_lines(one: PlannedTask[Any]) -> list[tuple[str, str]]:
    lines = [(one.task.sentence, "dim" if one.reason or one.state.settled else "")]
    if one.state.value != "pending":
        lines.append((f"it is {one.state.value} already", STYLES[one.state.value]))
    if one.reason:
        lines.append((f"skipped: {one.reason}", "dim"))
    if one.obstacle:
        lines.append((f"in the way: {one.obstacle}", "bold red"))
    return [*lines, *((line, "") for line in one.lines)]


def tasks_table(console: Console, standing: Standing[Any]) -> None:
    """Every task of a run, and how far it has come."""
    rows: list[list[Cell]] = []
    for task in standing.tasks:
        progress = standing.progress(task)
        state = progress.state.value
        told = [(progress.detail or task.sentence, "")]
        if state != "waiting":
            told += [(f"  {line}", "") for line in progress.lines]
        rows.append([task.key, (state, STYLES[state]), told])
    columns = [Column("STEP", fold=False), Column("STATE", fold=False), Column("WHAT")]
    console.print(table_of(columns, rows))


def commands_to_type(console: Console, standing: Standing[Any]) -> None:
    """What waits to be typed by hand, as it can be copied: no line is broken."""
    for task in standing.tasks:
        progress = standing.progress(task)
        if progress.state.value == "waiting":
            console.print(f"\nto be typed by hand ({task.key}):")
            for line in progress.lines:
                console.print(visible(line), soft_wrap=True)


def task_text(task: Task[Any], progress: Progress, number: int, total: int) -> str:
    """One line for a person who watches: what is begun, or what became of it."""
    state = progress.state.value
    what = (
        f"{task.sentence} …" if state == "begun" else f"{state}: {progress.detail or task.sentence}"
    )
    lines = [] if state == "waiting" else progress.lines  # they follow, as they can be copied
    head = f"{number}/{total} {task.key}  {visible(what)}"
    return "\n".join([head, *(f"    {visible(line)}" for line in lines)])
