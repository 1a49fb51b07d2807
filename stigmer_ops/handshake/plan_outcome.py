"""What became of the rows of a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stigmer_ops.errors import ExitCode


class RowState(StrEnum):
    """The one outcome that a row has."""

    DONE = "done"
    """By this plan, in this run of it or an earlier one."""
    ALREADY_DONE = "already done"
    """By somebody else, or before the journal began."""
    REFUSED = "refused"
    """The attempt is not pending any more, and will not be: nothing was changed."""
    NOT_EXTENDABLE = "not extendable"
    """An extension of an attempt that no timeout runs for: it has no deadline to be moved."""
    FAILED = "failed"
    """Not done for another reason; running the plan again tries it again."""
    NOT_TRIED = "not tried"
    """The run ended before it."""
    SKIPPED = "skipped"
    """The plan says so."""
    WOULD_BE_DONE = "would be done"
    """In a dry run: nothing stands against it."""

    @property
    def settled(self) -> bool:
        """Whether running the plan again leaves the row alone."""
        return self in _SETTLED

    @property
    def troubling(self) -> bool:
        """Whether somebody should look at the row: it was tried, and what it asks for is not so."""
        return self in _TROUBLING


_SETTLED = frozenset(
    {
        RowState.DONE,
        RowState.ALREADY_DONE,
        RowState.REFUSED,
        RowState.NOT_EXTENDABLE,
        RowState.SKIPPED,
    }
)
_TROUBLING = frozenset({RowState.REFUSED, RowState.NOT_EXTENDABLE, RowState.FAILED})


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row.

    Attributes:
        state: In a word.
        detail: In a sentence: what shows it, what the activity is now, or why it failed.
        by: Identity of whoever ended the activity, as its history keeps it.
        time: When the activity ended; None where that was not read.
        event_id: The history event that shows it; 0 where it was not read, or there is none.
        in_doubt: Whether a call was made, and what became of it could not be read.
        unreachable: Whether it failed because the server did not answer, as others then will.
    """

    state: RowState
    detail: str = ""
    by: str = ""
    time: datetime | None = None
    event_id: int = 0
    in_doubt: bool = False
    unreachable: bool = False


def exit_code(states: Counter[RowState]) -> ExitCode:
    """PARTIAL where running again would try a row, REFUSED where one can never be done, else OK."""
    if states[RowState.FAILED] or states[RowState.NOT_TRIED]:
        return ExitCode.PARTIAL
    never = states[RowState.REFUSED] or states[RowState.NOT_EXTENDABLE]
    return ExitCode.REFUSED if never else ExitCode.OK
