"""What `logs correlate` finds, ready to be shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import Edition
from stigmer_ops.logs.messages import Message
from stigmer_ops.logs.sighting import Sighting
from stigmer_ops.logs.stages import Service, Stage
from stigmer_ops.logs.verdicts import Verdict

_PLACES = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands: file name as given, and line number from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline.

    Attributes:
        time: In UTC; None where the line does not tell, it then stands below the line above it in
            its file.
        day_counted: The line has no date, and the file's age gave it.
        place: File and line.
        message: What was logged.
        execution_id: "" if the line has none.
        activity: None if the line does not name it.
        attempt: 0 if the line does not tell.
        fingerprint: Of a whole token in the line, or "".
        error: What the line reports, without tokens, or "".
    """

    time: datetime | None
    day_counted: bool
    place: Place
    message: Message
    execution_id: str
    activity: ActivityKey | None
    attempt: int
    fingerprint: str
    error: str


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """The failure that counts: the message, where it stands, and its error without tokens."""

    message: Message
    place: Place
    error: str


@dataclass(frozen=True, slots=True)
class Handshake:
    """One external activity and the executions that did its work, as the logs tell.

    Attributes:
        execution_ids: More than one if the activity was retried.
        activities: The external activity, as fully as it is named; empty if nothing names it.
        attempts: Attempts of it that lines or tokens name.
        fingerprints: Of its tokens, where a line or Temporal showed a whole one.
        services: Who logged.
        editions: Go or Java, or both.
        first: Time of the first line, None if no line tells.
        last: Time of the last line.
        lines: How many lines.
        verdict: Where it stopped. Of several executions, the newest counts.
        reached: The furthest stage with a line.
        expected: The stage that should come next, None at the end.
        unseen: Stages on the way of which there is no line.
        failure: The failure that counts, None if no line reports one or it was overcome.
        notes: What else is to be known, in sentences.
        timeline: All lines in order of time; empty in a summary.
    """

    execution_ids: tuple[str, ...]
    activities: tuple[ActivityKey, ...]
    attempts: tuple[int, ...]
    fingerprints: tuple[str, ...]
    services: tuple[Service, ...]
    editions: tuple[Edition, ...]
    first: datetime | None
    last: datetime | None
    lines: int
    verdict: Verdict
    reached: Stage | None
    expected: Stage | None
    unseen: tuple[Stage, ...]
    failure: ReportedFailure | None
    notes: tuple[str, ...]
    timeline: tuple[Entry, ...] = ()


@dataclass(slots=True)
class FileRead:
    """How reading one file went.

    Attributes:
        name: As given.
        lines: Lines read.
        bytes: Bytes read, after decompression.
        recognised: Lines that hold a registered message.
        problem: Why reading ended early, "" if it did not.
    """

    name: str
    lines: int = 0
    bytes: int = 0
    recognised: int = 0
    problem: str = ""


@dataclass(slots=True)
class Unjoined:
    """Lines that cannot be joined with any handshake.

    Attributes:
        count: How many.
        by_message: How many, by message id.
        places: Where the first few of them are.
    """

    count: int = 0
    by_message: Counter[str] = field(default_factory=Counter)
    places: list[Place] = field(default_factory=list)

    def add(self, sighting: Sighting, place: Place) -> None:
        """Count in one."""
        self.count += 1
        self.by_message[sighting.message.id] += 1
        if len(self.places) < _PLACES:
            self.places.append(place)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Everything that came out.

    Attributes:
        handshakes: In order of their first lines.
        files: How reading them went.
        preview_only: Lines that carry only the preview of a token, which joins nothing.
        without_ids: Lines that carry nothing at all to be joined by.
        without_token: Executions that were left out since no line shows a token.
    """

    handshakes: tuple[Handshake, ...]
    files: tuple[FileRead, ...]
    preview_only: Unjoined
    without_ids: Unjoined
    without_token: int
