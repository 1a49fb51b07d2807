"""Scans of a namespace for tests, without the command line."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.scan import scan
from support.hand_worker import ACTIVITY_TYPE

EXTERNAL = frozenset({ACTIVITY_TYPE})


async def everything(
    frontend: Frontend, selection: Selection, report: ScanReport | None = None
) -> tuple[list[PendingActivity], list[Unreadable]]:
    """What a scan finds, and what it cannot read."""
    found: list[PendingActivity] = []
    unread: list[Unreadable] = []
    async with aclosing(scan(frontend, selection, now=datetime.now(UTC), report=report)) as items:
        async for item in items:
            if isinstance(item, Unreadable):
                unread.append(item)
            else:
                found.append(item)
    return found, unread
