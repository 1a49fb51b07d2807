"""The lines of a timeline, kept outside memory until it is known whose they are.

Which handshake a line belongs to may only be known at the end of the last file: a run id is tied to
an execution by another line. The lines wait in an unnamed temporary file, without any token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from tempfile import SpooledTemporaryFile

from stigmer_ops.errors import UnavailableError
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.logs.messages import MESSAGES, Message
from stigmer_ops.logs.sighting import Sighting

_IN_MEMORY_BYTES = 4 * 1024 * 1024
_INDEX = {message.id: index for index, message in enumerate(MESSAGES)}


@dataclass(frozen=True, slots=True)
class SpooledLine:
    """A sighting as it comes back.

    Attributes:
        node: The number that `Joins.add` gave it.
        source: Number of its file.
        line: Line number in the file, from 1.
        message: The registered message.
        time: When it was written, None if it does not tell.
        position: `time`, or that of the last line above it that tells.
        day_counted: The day of `position` is still to be corrected.
        execution_id: "" if the line has none.
        activity: None if the line does not name it.
        attempt: 0 if the line does not tell.
        fingerprint: "" if there is no whole token in the line.
        error: "" if it reports none.
    """

    node: int
    source: int
    line: int
    message: Message
    time: datetime | None
    position: datetime | None
    day_counted: bool
    execution_id: str
    activity: ActivityKey | None
    attempt: int
    fingerprint: str
    error: str

    def corrected(self, by: timedelta) -> SpooledLine:
        """The line with the correction of its file, if its day was counted."""
        if not self.day_counted or self.position is None:
            return self
        position = self.position + by
        return replace(self, position=position, time=self.time and position)

    def order(self) -> tuple[float, int, int]:
        """Where it stands in a timeline: by time, then by file, then by line."""
        at = self.position.timestamp() if self.position else -math.inf
        return (at, self.source, self.line)


class Spool:
    """Lines in the order in which they were read."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, mode="w+b")  # noqa: SIM115 - closed by close()
        self._source = -1
        self._position: float | None = None
        self._day_counted = False

    def add(self, node: int, source: int, sighting: Sighting) -> None:
        """Append a line of file number `source`.

        Raises:
            UnavailableError: There is no room for it.
        """
        if source != self._source:
            self._source, self._position, self._day_counted = source, None, False
        if sighting.time is not None:
            self._position = sighting.time.at.timestamp()
            self._day_counted = sighting.time.day_counted
        activity = sighting.activity
        row = [
            node,
            source,
            sighting.line,
            _INDEX[sighting.message.id],
            sighting.time is not None,
            self._position,
            self._day_counted,
            sighting.execution_id,
            activity and [activity.workflow_id, activity.run_id, activity.activity_id],
            sighting.attempt,
            sighting.fingerprint,
            sighting.error,
        ]
        try:
            self._file.write(json.dumps(row).encode() + b"\n")
        except OSError as error:
            raise UnavailableError(
                f"cannot write a temporary file: {error.strerror}",
                next_step="set TMPDIR to a directory with room for the lines that were recognised",
            ) from error

    def lines(self) -> Iterator[SpooledLine]:
        """Read everything back. Nothing may be added afterwards."""
        self._file.seek(0)
        for row in self._file:
            node, source, line, message, timed, position, counted, *rest = json.loads(row)
            at = None if position is None else datetime.fromtimestamp(position, UTC)
            execution_id, activity, attempt, fingerprint, error = rest
            yield SpooledLine(
                node,
                source,
                line,
                MESSAGES[message],
                at if timed else None,
                at,
                counted,
                execution_id,
                ActivityKey(*activity) if activity else None,
                attempt,
                fingerprint,
                error,
            )

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
