"""Which lines belong to one handshake: joined by ids, never by the preview of a token.

The preview is the same for every token of a namespace. What joins is the execution id (a Stigmer
workflow's id contains it), the run of the Stigmer workflow, and the external activity, which is
workflow id, run id and activity id together: one external workflow may wait for several agents.

Lines of one execution are one `Leg`. Legs of one external activity are one handshake: if the
activity was retried, several executions did its work.

What is kept grows with the number of handshakes, not of lines.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import Claim, ExecutionKind
from stigmer_ops.logs.messages import MESSAGES, Message, Outcome
from stigmer_ops.logs.sighting import Sighting

_INDEX = {message.id: index for index, message in enumerate(MESSAGES)}


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that reports a failure: where it stands, and what it says."""

    message: Message
    source: int
    line: int
    error: str

    @property
    def weight(self) -> tuple[int, int, int]:
        """Of two failures of a leg, the one of the later stage counts, then the later line."""
        return (self.message.stage.rank, self.source, self.line)


@dataclass(slots=True)
class Leg:
    """What the lines of one execution say, or those of an activity that name no execution.

    Attributes:
        seen: Which messages, as a bit set over `MESSAGES`.
        lines: How many lines.
        first: Earliest time in seconds since 1970, infinity without any.
        last: Latest time, minus infinity without any.
        counted: Earliest and latest of the times whose day was counted, by source: they are to be
            corrected by what the end of the file shows.
        to_the_minute: A time was without seconds.
        failure: The failure that weighs most.
        kind: Whether the execution is an agent's or a workflow's, as far as a line told.
        attempts: Attempts of the external activity that were named.
        fingerprints: Of whole tokens in the lines.
    """

    seen: int = 0
    lines: int = 0
    first: float = math.inf
    last: float = -math.inf
    counted: dict[int, tuple[float, float]] = field(default_factory=dict)
    to_the_minute: bool = False
    failure: Failure | None = None
    kind: ExecutionKind | None = None
    attempts: frozenset[int] = frozenset()
    fingerprints: frozenset[str] = frozenset()

    def add(self, source: int, sighting: Sighting) -> None:
        """Count in one line of file number `source`."""
        message = sighting.message
        self.seen |= 1 << _INDEX[message.id]
        self.lines += 1
        self.kind = self.kind or sighting.execution_kind
        if sighting.attempt:
            self.attempts |= {sighting.attempt}
        if sighting.fingerprint:
            self.fingerprints |= {sighting.fingerprint}
        if message.outcome is not Outcome.REACHED:
            self._fail(Failure(message, source, sighting.line, sighting.error))
        if sighting.time is not None:
            self.to_the_minute |= sighting.time.to_the_minute
            at = sighting.time.at.timestamp()
            if sighting.time.day_counted:
                self._count(source, at, at)
            else:
                self.first, self.last = min(self.first, at), max(self.last, at)

    def merge(self, other: Leg) -> None:
        """Take in everything of `other`."""
        self.seen |= other.seen
        self.lines += other.lines
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        for source, (first, last) in other.counted.items():
            self._count(source, first, last)
        self.to_the_minute |= other.to_the_minute
        self.kind = self.kind or other.kind
        self.attempts |= other.attempts
        self.fingerprints |= other.fingerprints
        if other.failure is not None:
            self._fail(other.failure)

    def without_failures(self) -> Leg:
        """The same without the lines that report failures."""
        seen = self.seen
        for message in self.messages():
            if message.outcome is not Outcome.REACHED:
                seen &= ~(1 << _INDEX[message.id])
        return replace(self, seen=seen, failure=None)

    def messages(self) -> Iterator[Message]:
        """The messages seen, in the order of the registry."""
        return (message for index, message in enumerate(MESSAGES) if self.seen >> index & 1)

    def span(self, corrections: Mapping[int, timedelta]) -> tuple[float, float]:
        """First and last time; infinities without any."""
        first, last = self.first, self.last
        for source, (counted_first, counted_last) in self.counted.items():
            by = corrections[source].total_seconds()
            first, last = min(first, counted_first + by), max(last, counted_last + by)
        return first, last

    def _count(self, source: int, first: float, last: float) -> None:
        before = self.counted.get(source, (first, last))
        self.counted[source] = (min(before[0], first), max(before[1], last))

    def _fail(self, failure: Failure) -> None:
        if self.failure is None or failure.weight > self.failure.weight:
            self.failure = failure


@dataclass(frozen=True, slots=True)
class Group:
    """The legs of one handshake, and the ids that hold them together.

    Attributes:
        roots: The legs as numbers, see `Joins.leg_of`.
        execution_legs: One for each execution.
        activity_legs: Lines of the external activity that name no execution.
        execution_ids: Stigmer's.
        activities: The external activity; with its run if anything tells it.
        run_ids: Runs of the Stigmer workflows.
    """

    roots: frozenset[int]
    execution_legs: tuple[Leg, ...]
    activity_legs: tuple[Leg, ...]
    execution_ids: tuple[str, ...]
    activities: tuple[ActivityKey, ...]
    run_ids: tuple[str, ...]

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All legs."""
        return self.execution_legs + self.activity_legs


class _DisjointSets:
    """Union by linking, find by path halving."""

    def __init__(self) -> None:
        self.parent: list[int] = []

    def new(self) -> int:
        self.parent.append(len(self.parent))
        return len(self.parent) - 1

    def find(self, node: int) -> int:
        while self.parent[node] != node:
            self.parent[node] = self.parent[self.parent[node]]
            node = self.parent[node]
        return node

    def union(self, one: int, other: int) -> tuple[int, int]:
        """Join two sets; returns the root that stays and the root that no longer is one."""
        keep, drop = self.find(one), self.find(other)
        self.parent[drop] = keep
        return keep, drop


Name = str | ActivityKey | tuple[str]
"""What names a leg: an execution id, an external activity, or (in a tuple) a Stigmer run id."""


class Joins:
    """Collects sightings into legs, and legs into handshakes."""

    def __init__(self) -> None:
        self._names: dict[Name, int] = {}
        self._sets = _DisjointSets()
        self._legs: dict[int, Leg] = {}
        self._pairs: set[tuple[int, int]] = set()

    def add(self, source: int, sighting: Sighting) -> int | None:
        """Count in a line of file number `source`.

        Returns:
            The number under which `leg_of` finds its leg; None if it has no ids to be joined by.
        """
        names: list[Name] = []
        if sighting.execution_id:
            names.append(sighting.execution_id)
        if sighting.stigmer_run_id:
            names.append((sighting.stigmer_run_id,))
        if not names and sighting.activity:
            names.append(sighting.activity)
        if not names:
            return None
        node = self._node(names[0])
        for name in names[1:]:
            self._union(node, self._node(name))
        self._legs.setdefault(self._sets.find(node), Leg()).add(source, sighting)
        if sighting.activity and names[0] != sighting.activity:
            self._pairs.add((node, self._node(sighting.activity)))
        return node

    def link(self, execution_id: str, claim: Claim) -> None:
        """Join an execution with the activity that its token names."""
        node = self._node(execution_id)
        leg = self._legs.setdefault(self._sets.find(node), Leg())
        if claim.attempt:
            leg.attempts |= {claim.attempt}
        if claim.fingerprint:
            leg.fingerprints |= {claim.fingerprint}
        self._pairs.add((node, self._node(claim.key)))

    def leg_of(self, node: int) -> int:
        """The root of the leg that `add` counted a line into, as in `Group.roots`."""
        return self._sets.find(node)

    def groups(self) -> list[Group]:
        """The handshakes as they stand, in order of appearance."""
        together = self._pair_up()
        members: dict[int, list[tuple[Name, int]]] = defaultdict(list)
        for name, node in self._names.items():
            root = self._sets.find(node)
            members[together.find(root)].append((name, root))
        return [self._group(names) for names in members.values()]

    def _pair_up(self) -> _DisjointSets:
        """Legs that are of one activity. A line without a run id means the only run there is."""
        together = _DisjointSets()
        for _ in self._sets.parent:
            together.new()
        for node, activity in self._pairs:
            together.union(self._sets.find(activity), self._sets.find(node))
        runs: dict[tuple[str, str], list[int]] = defaultdict(list)
        runless: list[tuple[tuple[str, str], int]] = []
        for name, node in self._names.items():
            if isinstance(name, ActivityKey):
                without_run = (name.workflow_id, name.activity_id)
                if name.run_id:
                    runs[without_run].append(node)
                else:
                    runless.append((without_run, node))
        for without_run, node in runless:
            if len(runs[without_run]) == 1:
                together.union(self._sets.find(runs[without_run][0]), self._sets.find(node))
        return together

    def _group(self, names: list[tuple[Name, int]]) -> Group:
        roots = frozenset(root for _, root in names)
        of_activities = {root for name, root in names if isinstance(name, ActivityKey)}
        activities = [name for name, _ in names if isinstance(name, ActivityKey)]
        with_run = {(key.workflow_id, key.activity_id) for key in activities if key.run_id}
        return Group(
            roots,
            self._legs_at(roots - of_activities),
            self._legs_at(of_activities),
            tuple(name for name, _ in names if isinstance(name, str)),
            tuple(
                key
                for key in activities
                if key.run_id or (key.workflow_id, key.activity_id) not in with_run
            ),
            tuple(name[0] for name, _ in names if isinstance(name, tuple)),
        )

    def _legs_at(self, roots: Iterable[int]) -> tuple[Leg, ...]:
        return tuple(self._legs[root] for root in sorted(roots) if root in self._legs)

    def _node(self, name: Name) -> int:
        node = self._names.get(name)
        if node is None:
            node = self._names[name] = self._sets.new()
        return node

    def _union(self, one: int, other: int) -> None:
        keep, drop = self._sets.union(one, other)
        if keep != drop and (dropped := self._legs.pop(drop, None)) is not None:
            self._legs.setdefault(keep, Leg()).merge(dropped)
