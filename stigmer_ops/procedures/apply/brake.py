"""When a run of a plan does more harm than good."""

from __future__ import annotations

from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState

RATE_SAMPLE = 20
"""Rows that must have been tried before a rate of errors means anything."""

GIVE_UP_AFTER = 8
"""Rows in a row that failed because nobody answered, after which the rest would fail too."""

_ERRORS = frozenset({RowState.REFUSED, RowState.FAILED})


def too_many_errors(tried: int, errors: int, error_rate: float) -> str:
    """Why to stop, of so many rows that were refused or failed; empty to go on.

    Args:
        tried: Rows tried.
        errors: Rows of them that were refused or failed.
        error_rate: Percent that may.
    """
    if tried >= RATE_SAMPLE and 100 * errors / tried > error_rate:
        return f"{errors} of {tried} rows were refused or failed: more than {error_rate:g} %"
    return ""


class Brake:
    """Follows the outcomes of a run.

    Args:
        error_rate: Percent of the rows tried that may be refused or fail.
        tried: Rows that were tried before.
        errors: Rows of them that were refused or failed.
    """

    def __init__(self, error_rate: float, *, tried: int = 0, errors: int = 0) -> None:
        self._error_rate = error_rate
        self._tried = tried
        self._errors = errors
        self._unreachable_in_a_row = 0

    def after(self, outcome: RowOutcome) -> str:
        """Why to stop after this outcome; empty to go on."""
        self._tried += 1
        self._errors += outcome.state in _ERRORS
        self._unreachable_in_a_row = self._unreachable_in_a_row + 1 if outcome.unreachable else 0
        if self._unreachable_in_a_row >= GIVE_UP_AFTER:
            return f"Temporal does not answer: {outcome.detail}"
        return too_many_errors(self._tried, self._errors, self._error_rate)
