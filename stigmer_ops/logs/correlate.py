"""From log files to handshakes: read, join, link, judge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta, tzinfo
from typing import Self

from stigmer_ops.handshake.execution import Claim
from stigmer_ops.logs.joins import Group, Joins
from stigmer_ops.logs.judgement import delivered, handshake_of, proves_token
from stigmer_ops.logs.messages import MESSAGES
from stigmer_ops.logs.notes import Reading
from stigmer_ops.logs.result import Correlation, Entry, FileRead, Place, Unjoined
from stigmer_ops.logs.scan import ByteStream, Scanner
from stigmer_ops.logs.selection import Selector
from stigmer_ops.logs.sighting import Sighting, sighting_in
from stigmer_ops.logs.sources import READ_ERRORS, LogFile
from stigmer_ops.logs.spool import Spool, SpooledLine
from stigmer_ops.logs.stages import CALLBACK_DELIVERED
from stigmer_ops.logs.times import LineClock

_CALLBACK_ENDS = frozenset(m.id for m in MESSAGES if m.stage is CALLBACK_DELIVERED)


class Correlator:
    """Reads logs one after the other, then tells what they say.

    A context manager: on leaving, the temporary file is deleted.

    Args:
        zone: The zone of times that name none.
        selector: Which handshakes to show with a timeline; None for a summary of all. Only with a
            selector are single lines kept, in a temporary file.
    """

    def __init__(self, *, zone: tzinfo = UTC, selector: Selector | None = None) -> None:
        self._zone = zone
        self._selector = selector
        self._spool = Spool() if selector else None
        self._joins = Joins()
        self._files: list[FileRead] = []
        self._scanners: list[Scanner] = []
        self._corrections: dict[int, timedelta] = {}
        self._preview_only = Unjoined()
        self._without_ids = Unjoined()
        self._claims: dict[str, Claim] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            self._spool.close()

    def read(self, log: LogFile, stream: ByteStream) -> None:
        """Read a log to its end. What cannot be read is told in the result, not raised.

        Raises:
            UnavailableError: There is no room for the temporary file.
        """
        source = len(self._files)
        file = FileRead(log.name)
        self._files.append(file)
        scanner = Scanner(stream)
        self._scanners.append(scanner)
        clock = LineClock(self._zone, log.written)
        try:
            for record in scanner:
                sighting = sighting_in(record, clock)
                if sighting is not None:
                    file.recognised += 1
                    self._add(source, sighting)
        except READ_ERRORS as error:
            file.problem = f"cannot be read beyond line {scanner.lines}: {error}"
        file.lines, file.bytes = scanner.lines, scanner.bytes
        self._corrections[source] = clock.correction

    @property
    def bytes_read(self) -> int:
        """How much was read so far, after decompression."""
        return sum(scanner.bytes for scanner in self._scanners)

    def unlinked_executions(self) -> list[str]:
        """Executions whose external activity is asked for, or of interest, and named by no line.

        Without a selector, those whose callback was not delivered. With one, none if it can be
        answered without.
        """
        groups = [group for group in self._joins.groups() if group.legs]
        selector = self._selector
        unlinked = [group for group in groups if group.execution_ids and not group.activities]
        if selector is None:
            wanted = [group for group in unlinked if proves_token(group) and not delivered(group)]
        elif selector.execution_ids:
            wanted = [g for g in unlinked if not selector.execution_ids.isdisjoint(g.execution_ids)]
        elif any(selector.matches(group) and group.execution_ids for group in groups):
            wanted = []
        else:
            wanted = unlinked
        return [execution_id for group in wanted for execution_id in group.execution_ids]

    def link(self, claims: Mapping[str, Claim]) -> None:
        """Take in what Temporal says: execution id to what its token says."""
        self._claims.update(claims)
        for execution_id, claim in claims.items():
            if claim.activity_id:
                self._joins.link(execution_id, claim)

    def result(self) -> Correlation:
        """The handshakes. Nothing may be read or linked afterwards."""
        groups = [group for group in self._joins.groups() if group.legs]
        meant = self._selector.matches if self._selector else proves_token
        shown = [group for group in groups if meant(group)]
        reading = Reading(
            [file.name for file in self._files],
            self._corrections,
            self._claims,
            self._outcomes_without_ids(),
            self._selector.fingerprint if self._selector else "",
        )
        handshakes = [
            handshake_of(group, reading, timeline)
            for group, timeline in zip(shown, self._timelines(shown), strict=True)
        ]
        handshakes.sort(key=lambda each: each.first.timestamp() if each.first else math.inf)
        return Correlation(
            tuple(handshakes),
            tuple(self._files),
            self._preview_only,
            self._without_ids,
            0 if self._selector else len(groups) - len(shown),
        )

    def _add(self, source: int, sighting: Sighting) -> None:
        node = self._joins.add(source, sighting)
        if node is None:
            unjoined = self._preview_only if sighting.has_preview else self._without_ids
            unjoined.add(sighting, self._place(source, sighting.line))
        elif self._spool is not None:
            self._spool.add(node, source, sighting)

    def _timelines(self, groups: Sequence[Group]) -> list[tuple[Entry, ...]]:
        if self._spool is None:
            return [() for _ in groups]
        lines: list[list[SpooledLine]] = [[] for _ in groups]
        group_of = {root: at for at, group in enumerate(groups) for root in group.roots}
        for line in self._spool.lines():
            at = group_of.get(self._joins.leg_of(line.node))
            if at is not None:
                lines[at].append(line.corrected(self._corrections[line.source]))
        return [
            tuple(self._entry(line) for line in sorted(of_group, key=SpooledLine.order))
            for of_group in lines
        ]

    def _entry(self, line: SpooledLine) -> Entry:
        return Entry(
            line.time,
            line.day_counted and line.time is not None,
            self._place(line.source, line.line),
            line.message,
            line.execution_id,
            line.activity,
            line.attempt,
            line.fingerprint,
            line.error,
        )

    def _outcomes_without_ids(self) -> bool:
        told = self._preview_only.by_message.keys() | self._without_ids.by_message.keys()
        return not _CALLBACK_ENDS.isdisjoint(told)

    def _place(self, source: int, line: int) -> Place:
        return Place(self._files[source].name, line)
