"""A tracker of the exporter's beside a full scan of the same namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client

from stigmer_ops.exporter.pending.records import NO_LINK, Records, Run, TrackedActivity
from stigmer_ops.exporter.pending.tracker import PendingTracker
from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.settings import Exporter as ExporterSettings
from stigmer_ops.settings import External, Settings
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.scan import scan
from support.frontends import frontend_of
from support.hand_worker import ACTIVITY_TYPE, HandWorker
from support.pending import hand_worker

NEVER_AGAIN = timedelta(0)
"""`full_sweep_every` of a tracker that learns of changes by events only."""

Everything = dict[ActivityKey, TrackedActivity]


def now() -> datetime:
    return datetime.now(UTC)


def settings_of(**exporter: Any) -> Settings:
    return Settings(
        external=External(activity_types=(ACTIVITY_TYPE,)),
        exporter=ExporterSettings(
            **{"interval": timedelta(seconds=1), "full_sweep_every": NEVER_AGAIN, **exporter}
        ),
    )


def tracked(tracker: PendingTracker) -> Everything:
    """What the tracker holds, without the links, of which a scan knows nothing."""
    return {
        ActivityKey(run.workflow_id, run.run_id, activity.activity_id): replace(
            activity, link=NO_LINK
        )
        for run, activity in tracker.activities()
    }


async def scanned(frontend: Frontend, settings: Settings) -> Everything:
    """What a full scan finds, in the terms of the tracker."""
    records, at = Records(settings), now()
    selection = Selection(
        activity_types=frozenset(settings.external.activity_types),
        other_than=frozenset(KIND_BY_WORKFLOW_TYPE),
    )
    found: Everything = {}
    async with aclosing(scan(frontend, selection, now=at)) as items:
        async for item in items:
            assert isinstance(item, PendingActivity), f"unreadable: {item}"
            found[item.key] = records.record(item, at)
    return found


def differences(ours: Mapping[ActivityKey, Any], theirs: Mapping[ActivityKey, Any]) -> set[Run]:
    """The runs of what one has and the other has not, or has otherwise."""
    keys = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    return {Run.of(key) for key in keys}


@dataclass
class Tracking:
    """A tracker of a namespace of its own."""

    client: Client
    frontend: Frontend
    settings: Settings
    tracker: PendingTracker

    async def differences(self) -> set[Run]:
        return differences(tracked(self.tracker), await scanned(self.frontend, self.settings))

    async def follow(self, *, later: timedelta = timedelta(0)) -> int:
        """One reading; how many workflows and activities it described."""
        before = self.tracker.workflows_scanned
        await self.tracker.follow(now() + later)
        return self.tracker.workflows_scanned - before

    async def follow_until(self, holds: Any) -> None:
        """Follow until something is so: visibility takes a moment."""
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.1)
                await self.tracker.follow(now())

    async def visible(self, workflow_id: str, *, closed: bool) -> None:
        async with asyncio.timeout(30):
            query = f"WorkflowId = '{workflow_id}' AND ExecutionStatus"
            query += " != 'Running'" if closed else " = 'Running'"
            while not (await self.client.count_workflows(query)).count:  # noqa: ASYNC110 - visibility tells nobody
                await asyncio.sleep(0.1)

    def of(self, worker: HandWorker) -> TrackedActivity | None:
        return next(
            (one for run, one in self.tracker.activities() if run.run_id == worker.run_id), None
        )


@asynccontextmanager
async def tracking_of(client: Client, **exporter: Any) -> AsyncIterator[Tracking]:
    frontend = await frontend_of(client)
    settings = settings_of(**exporter)
    yield Tracking(client, frontend, settings, PendingTracker(frontend, settings))


async def started(tracking: Tracking, **options: Any) -> HandWorker:
    """A workflow with a started activity that the tracker knows."""
    worker = hand_worker(tracking.client, **options)
    await worker.started()
    await tracking.follow_until(lambda: tracking.of(worker) is not None)
    assert await tracking.differences() == set()
    return worker
