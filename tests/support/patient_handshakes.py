"""Handshakes that come to what they are to be, however long a busy machine takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from stigmer_ops.sandbox.faults.scripts import LONG
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox

PATIENCE_SECONDS = 120.0

LATE = ("callback-", "token-", "stale-token", "stigmer-without-callback")
"""How faults begin that are seen once a callback was tried, or could have been."""


async def populate(sandbox: Sandbox, counts: Mapping[str, int]) -> list[Handshake]:
    """As `Sandbox.populate`, but for faults that need a run timeout of their own.

    With the usual one, whose ten minutes are ten seconds in a sandbox, the Stigmer workflows of a
    busy machine would end before their callbacks.
    """
    wanted = [fault for fault, count in counts.items() for _ in range(count)]
    started = (sandbox.start_handshake(fault, script={"run_timeout": LONG}) for fault in wanted)
    handshakes = await asyncio.gather(*started)
    await sandbox.settle(*handshakes, seconds=PATIENCE_SECONDS)
    return handshakes
