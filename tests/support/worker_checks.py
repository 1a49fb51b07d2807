"""Checks of single queues on a real server, and what they must not leave there."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from stigmer_ops.handshake.queue_verdicts import (
    QueueCheck,
)
from stigmer_ops.handshake.registration import ProbeAccount, ProbeMethod
from stigmer_ops.handshake.workers import ExpectedQueue, TaskKind
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.probe import PROBE_TYPE
from stigmer_ops.temporal.worker_check import ProbeChoice, check_workers
from support.workers import until

STANDALONE, WORKFLOW = ProbeMethod.STANDALONE_ACTIVITY, ProbeMethod.WORKFLOW
BOTH_WAYS = pytest.mark.parametrize("method", [STANDALONE, WORKFLOW])


def now() -> datetime:
    return datetime.now(UTC)


async def check(
    frontend: Frontend,
    queue: str,
    *types: str,
    method: ProbeMethod | None = None,
    stale_after: float = 60,
) -> tuple[QueueCheck, ProbeAccount]:
    kinds = frozenset({TaskKind.ACTIVITY})
    expected = ExpectedQueue(queue, frontend.namespace, activity_types=types, kinds=kinds)
    (found,), account = await check_workers(
        frontend,
        [expected],
        ProbeChoice(method),
        clock=now,
        stale_after=timedelta(seconds=stale_after),
    )
    return found, account


async def assert_nothing_left(client: Client) -> None:
    left: list[object] = []

    async def gone() -> bool:
        left[:] = [
            *[item async for item in client.list_activities(f'ActivityType="{PROBE_TYPE}"')],
            *[item async for item in client.list_workflows(f'WorkflowType="{PROBE_TYPE}"')],
        ]
        return not left

    with suppress(TimeoutError):
        await until(gone)
    assert left == []


def said(found: QueueCheck) -> dict[str, tuple[str, ...]]:
    return {identity: told.registered for identity, told in found.registration.said}


def evidence(found: QueueCheck) -> dict[str, tuple[str, ...]]:
    return {finding.verdict.id: finding.evidence for finding in found.findings}
