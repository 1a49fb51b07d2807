"""From the legs of a handshake to what is said of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from stigmer_ops.logs.joins import Failure, Group, Leg
from stigmer_ops.logs.messages import Message, Outcome
from stigmer_ops.logs.notes import Reading, notes_on
from stigmer_ops.logs.result import Entry, Handshake, Place, ReportedFailure
from stigmer_ops.logs.stages import CALLBACK_DELIVERED
from stigmer_ops.logs.verdicts import Evidence, expected, verdict_on


def proves_token(group: Group) -> bool:
    """Whether a line shows that there is a token, without which there is no handshake."""
    return any(message.proves_token for message in _messages(group.legs))


def delivered(group: Group) -> bool:
    """Whether a line says that a callback of it was delivered."""
    return any(
        message.stage is CALLBACK_DELIVERED and message.outcome is Outcome.REACHED
        for message in _messages(group.legs)
    )


def handshake_of(group: Group, reading: Reading, timeline: tuple[Entry, ...]) -> Handshake:
    """Judge a handshake by its newest execution."""
    messages = tuple(dict.fromkeys(_messages(group.legs)))
    newest = _newest(group, reading)
    evidence = Evidence(frozenset(newest.messages()), newest.kind, reading.outcomes_without_ids)
    verdict = verdict_on(evidence)
    spans = [leg.span(reading.corrections) for leg in group.legs]
    fingerprints = frozenset[str]().union(*(leg.fingerprints for leg in group.legs))
    attempts = frozenset[int]().union(*(leg.attempts for leg in group.legs))
    return Handshake(
        execution_ids=group.execution_ids,
        activities=group.activities,
        attempts=tuple(sorted(attempts)),
        fingerprints=tuple(sorted(fingerprints)),
        services=tuple(dict.fromkeys(message.service for message in messages)),
        editions=tuple(dict.fromkeys(m.edition for m in messages if m.edition is not None)),
        first=_time(min(first for first, _ in spans)),
        last=_time(max(last for _, last in spans)),
        lines=sum(leg.lines for leg in group.legs),
        verdict=verdict,
        reached=evidence.reached,
        expected=None if verdict.finished else expected(evidence),
        unseen=evidence.unseen,
        failure=None if verdict.finished else _failure(newest.failure, reading),
        notes=notes_on(group, reading),
        timeline=timeline,
    )


def _newest(group: Group, reading: Reading) -> Leg:
    """What counts: the newest execution and what its activity logged before it.

    If the activity reports a failed `create` after everything of its last execution, that is what
    became of its last attempt.
    """

    def last(leg: Leg) -> float:
        return leg.span(reading.corrections)[1]

    activity = Leg()
    for leg in group.activity_legs:
        activity.merge(leg)
    execution = max(group.execution_legs, key=last, default=None)
    if execution is None or (activity.failure is not None and last(activity) > last(execution)):
        return activity
    newest = activity.without_failures()
    newest.merge(execution)
    return newest


def _messages(legs: Sequence[Leg]) -> Iterator[Message]:
    return (message for leg in legs for message in leg.messages())


def _failure(failure: Failure | None, reading: Reading) -> ReportedFailure | None:
    if failure is None:
        return None
    place = Place(reading.files[failure.source], failure.line)
    return ReportedFailure(failure.message, place, failure.error)


def _time(seconds: float) -> datetime | None:
    return None if math.isinf(seconds) else datetime.fromtimestamp(seconds, UTC)
