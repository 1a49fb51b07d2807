"""The watch over a deployment: sample, judge, pause, and again, until its time is up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from stigmer_ops.procedures.deployment.sample import Sample
from stigmer_ops.procedures.deployment.sources import Sampler
from stigmer_ops.procedures.deployment.watched import Verification


async def watch(
    sampler: Sampler, verification: Verification, *, until: datetime, every: timedelta
) -> AsyncGenerator[Sample, None]:
    """Yield each sample when it has been judged; the last one is taken when the time is up.

    Ends early where something rolls the deployment back. What cannot be read is told in the
    samples, and does not end the watch.

    Args:
        sampler: Takes the samples.
        verification: Judges them.
        until: When it ends.
        every: How long to pause after a sample.
    """
    now = sampler.context.access.now
    while True:
        last = now() >= until
        sample = await sampler.take(last=last)
        verification.take(sample)
        yield sample
        if last or verification.triggered:
            return
        left = max(until - now(), timedelta(0))
        await asyncio.sleep(min(every, left).total_seconds())
