"""Whether what watches the handshake is there."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

from stigmer_ops.procedures.checks.check import Category, Check, Fail, Need, Ok, Outcome, Skip
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS

MONITORING = Category("monitoring", "Monitoring", after=(SETTINGS.id,))

TIMEOUT_SECONDS = 5.0


async def _prometheus(context: CheckContext) -> Outcome:
    base = context.settings.monitoring.prometheus
    if base is None:
        return Skip("no Prometheus is configured (monitoring.prometheus)")
    problem = await asyncio.to_thread(_why_not_healthy, f"{base.rstrip('/')}/-/healthy")
    return Fail(problem) if problem else Ok(base)


def _why_not_healthy(url: str) -> str:
    """Ask Prometheus's management API; empty if it answers 200."""
    try:
        # The settings allow http and https only.
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        return f"{url} answered {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"cannot reach {url}: {getattr(error, 'reason', error)}"


CHECKS = (
    Check(
        id="prometheus-reachable",
        category=MONITORING,
        sentence="Prometheus can be reached",
        needs=frozenset({Need.PROMETHEUS}),
        hint="check monitoring.prometheus: stigmer-ops config show",
        run=_prometheus,
        retry=True,
    ),
)
