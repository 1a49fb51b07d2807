"""What the exporter tells of itself while it runs: events, which the command line writes down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from temporalio.service import RPCError

from stigmer_ops.errors import StigmerOpsError


class Level(StrEnum):
    """How much an event matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log.

    Attributes:
        level: How much it matters.
        message: What happened, the same words each time.
        fields: What it happened to.
        cause: What went wrong, for its traceback where that is wanted.
    """

    level: Level
    message: str
    fields: Mapping[str, str | int | float] = field(default_factory=dict)
    cause: BaseException | None = None


Log = Callable[[Event], None]
"""Writes an event down. May be called from any thread."""


def told(error: Exception) -> dict[str, str]:
    """What may be said of an error: of an unforeseen one only its kind, as it may hold a secret."""
    if isinstance(error, StigmerOpsError):
        return {"error": error.happened, "reference": error.reference, "next": error.advice}
    if isinstance(error, RPCError):
        return {"error": error.message or error.status.name, "reference": error.status.name}
    return {"error": f"a defect in stigmer-ops: {type(error).__name__}", "reference": "internal"}


class Health:
    """Whether one thing that is tried again and again works; only changes are logged."""

    def __init__(self, log: Log, message: str, **fields: str) -> None:
        """Healthy until something is reported.

        Args:
            log: Where changes go.
            message: What does not work, as in "cannot read the namespace".
            fields: What it concerns.
        """
        self._log = log
        self._message = message
        self._fields = fields
        self._wrong = ""

    def failed(self, error: Exception) -> None:
        """It did not work this time."""
        said = told(error)
        if self._wrong != said["reference"]:
            self._wrong = said["reference"]
            self._log(Event(Level.ERROR, self._message, {**self._fields, **said}, error))

    def worked(self) -> None:
        """It worked this time."""
        if self._wrong:
            self._wrong = ""
            self._log(Event(Level.INFO, f"recovered: {self._message}", self._fields))
