"""stigmer-ops in a process that kills itself, as kill -9 does, at one exact place.

    python -m support.killed "TaskBegun silence" maintenance begin ...

The place is a line of a procedure's journal (kind and task), just after it is on disk; or one of
`created` (a silence was made, and nothing of it is written down), `rows N` (the Nth group of rows
of a plan is written down).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from stigmer_ops.cli.main import main
from stigmer_ops.monitoring.alertmanager import Alertmanager
from stigmer_ops.procedures.apply.journal import Journal
from stigmer_ops.procedures.runner.journal import ProcedureJournal


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after_line(kind: str, task: str) -> None:
    """Die when this line of the procedure's journal is on disk."""
    append = ProcedureJournal._append

    def appended(self: ProcedureJournal, record: dict[str, Any]) -> None:
        append(self, record)
        if record["kind"] == kind and record.get("task", "") == task:
            die()

    ProcedureJournal._append = appended  # type: ignore[method-assign]


def after_creation() -> None:
    """Die when a silence is made, before its id is written down."""
    create: Callable[..., str] = Alertmanager.create

    def created(self: Alertmanager, silence: Any) -> str:
        create(self, silence)
        die()
        raise AssertionError("it went on")

    Alertmanager.create = created  # type: ignore[method-assign]


def after_rows(groups: int) -> None:
    """Die when so many groups of lines are in the journal of a plan."""
    append = Journal.append
    left = [groups]

    def appended(self: Journal, lines: Any) -> None:
        append(self, lines)
        left[0] -= 1
        if not left[0]:
            die()

    Journal.append = appended  # type: ignore[method-assign]


PLACES: Mapping[str, Callable[[str], None]] = {
    "created": lambda _: after_creation(),
    "rows": lambda count: after_rows(int(count)),
}

if __name__ == "__main__":
    word, _, rest = sys.argv[1].partition(" ")
    plant = PLACES.get(word)
    if plant is None:
        after_line(word, rest)
    else:
        plant(rest)
    sys.argv = ["stigmer-ops", *sys.argv[2:]]
    main()
