"""What was done in an incident, from audit trails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from stigmer_ops.audit import RecordedOperation, is_missing, read_operations, verify
from stigmer_ops.errors import StigmerOpsError

OPERATIONS = 100
"""The latest, from all audit trails together."""


@dataclass(frozen=True, slots=True)
class Trail:
    """An audit trail that was read.

    Attributes:
        path: Where it is.
        there: Whether there is such a file; without one, nothing was written from here.
        head: Digest of its last record, for `audit verify --expect` later.
        broken: Where and how its chain is broken; empty if it is whole.
        unreadable: Lines that are no records.
    """

    path: Path
    there: bool = True
    head: str = ""
    broken: str = ""
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Actions:
    """What was done from here in the window.

    Attributes:
        since: From when on.
        operations: The latest, oldest first.
        cut: Whether there are earlier ones in the window.
        trails: Where they were read.
        elsewhere: Addresses of other servers on which the same was done to a namespace of that
            name; those operations are left out.
    """

    since: datetime
    operations: tuple[RecordedOperation, ...] = ()
    cut: bool = False
    trails: tuple[Trail, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which operations an incident is about.

    Attributes:
        since: From when on: an operation counts whose last record is no older.
        namespaces: Those of both sides; none for any.
        servers: Addresses of the cluster, as they were recorded; none for any.
        tickets: One of which the reason has to name; none for any reason.
    """

    since: datetime
    namespaces: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    tickets: tuple[str, ...] = ()

    def but_for_the_server(self, operation: RecordedOperation) -> bool:
        """Whether it is one of them, wherever it was."""
        record = operation.record
        here = not self.namespaces or record.intent.namespace in self.namespaces
        return here and record.time >= self.since and self._named(record.intent.reason)

    def on_the_server(self, operation: RecordedOperation) -> bool:
        """Whether it was done to the cluster."""
        return not self.servers or operation.record.intent.server_address in self.servers

    def _named(self, reason: str) -> bool:
        return not self.tickets or any(names(reason, ticket) for ticket in self.tickets)


def names(reason: str, ticket: str) -> bool:
    """Whether a reason has this ticket in it, and not only a longer one: INC-7, but no INC-70."""
    pattern = rf"(?<![\w-]){re.escape(ticket)}(?![\w-])"
    return re.search(pattern, reason, re.IGNORECASE) is not None


def read_actions(paths: Sequence[Path], asked: Wanted) -> Actions:
    """What audit trails hold of what is asked for.

    Args:
        paths: The trails; one that is not there is told as such.
        asked: Which operations.

    Raises:
        InputError: A trail cannot be read.
    """
    elsewhere: set[str] = set()

    def wanted(operation: RecordedOperation) -> bool:
        if not asked.but_for_the_server(operation):
            return False
        if asked.on_the_server(operation):
            return True
        elsewhere.add(operation.record.intent.server_address)
        return False

    trails: list[Trail] = []
    operations: dict[UUID, RecordedOperation] = {}
    cut = False
    for path in dict.fromkeys(paths):
        if is_missing(path):
            trails.append(Trail(path, there=False))
            continue
        found = read_operations(path, wanted=wanted, limit=OPERATIONS)
        # Who copies a trail may hand in both.
        operations |= {one.record.operation_id: one for one in found.operations}
        cut = cut or found.cut
        trails.append(_trail(path, found.unreadable))
    kept = sorted(operations.values(), key=lambda one: one.record.time)[-OPERATIONS:]
    return Actions(
        asked.since,
        tuple(kept),
        cut or len(kept) < len(operations),
        tuple(trails),
        tuple(sorted(elsewhere)),
    )


def _trail(path: Path, unreadable: int) -> Trail:
    try:
        found = verify(path)
    except StigmerOpsError as error:
        return Trail(path, broken=error.happened, unreadable=unreadable)
    broken = found.broken
    told = "" if broken is None else f"line {broken.line}: {broken.reason.value}: {broken.detail}"
    return Trail(path, head=found.head, broken=told, unreadable=unreadable)
