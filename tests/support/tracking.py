"""A tracker of the exporter's beside a full scan of the same namespace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client

from stigmer_ops.exporter.pending import PendingTracker
from stigmer_ops.exporter.pending_records import NO_LINK, Records, Run, TrackedActivity
from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.settings import Exporter as ExporterSettings
from stigmer_ops.settings import External, Settings
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.scan import scan
from support.hand_worker import ACTIVITY_TYPE

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


async def frontend_at(address: str, namespace: str, **pace: Any) -> Frontend:
    options = ConnectionOptions(address=address, namespace=namespace)
    return await connect(resolve(options, {}), pace=Pace(**{"rps": 0, **pace}))


async def frontend_of(client: Client, **pace: Any) -> Frontend:
    return await frontend_at(client.service_client.config.target_host, client.namespace, **pace)


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
