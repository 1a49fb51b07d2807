"""The whole exporter while real handshakes come and go, told of them by events alone."""

from __future__ import annotations

import asyncio
from collections import Counter

from temporalio.client import Client

from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.sandbox.sandbox import Sandbox
from support.exporter import Watcher
from support.frontends import frontend_of
from support.patient_handshakes import populate
from support.tracking import scanned, settings_of

NO_SLOW_SWEEP = {"STIGMER_OPS_EXPORTER_FULL_SWEEP_EVERY": "0s"}
TURNS = 3
HANDSHAKES = {
    "healthy": 4,
    "healthy-java": 2,
    "callback-fails": 1,
    "still-running": 2,
    "token-not-passed": 1,
}
SERVICES = Counter({"go": 3, "unknown": 1})
"""Of those that wait in the end, one turn's: callbacks that failed, what runs, what was lost."""


async def test_events_alone_lead_to_what_a_scan_finds(isolated_sandbox: Sandbox) -> None:
    address, namespace = isolated_sandbox.address, isolated_sandbox.namespace
    frontend = await frontend_of(await Client.connect(address, namespace=namespace))
    watcher = Watcher({**isolated_sandbox.environment(), **NO_SLOW_SWEEP})
    assert await watcher.cycle()

    for _ in range(TURNS):
        populating = asyncio.create_task(populate(isolated_sandbox, HANDSHAKES))
        while not populating.done():
            assert await watcher.cycle()
            await asyncio.sleep(0.3)
        await populating

    waiting = await scanned(frontend, settings_of())
    expected = Counter({name: count * TURNS for name, count in SERVICES.items()})
    assert len(waiting) == expected.total()
    async with asyncio.timeout(60):  # visibility takes a moment
        while watcher.page.value(m.TRACKED.name) != len(waiting):
            assert await watcher.cycle()
            await asyncio.sleep(0.2)
    page = watcher.page
    told = {name: page.value(m.PENDING.name, service=name) for name in ("go", "java", "unknown")}
    assert told == {"go": expected["go"], "java": 0, "unknown": expected["unknown"]}
    assert page.value(m.OLDEST.name) == min(one.since for one in waiting.values())
    assert page.value(m.COMPLETIONS.name, service="java", status="success") == 2 * TURNS
