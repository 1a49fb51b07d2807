"""Every check, in the order in which they run.

An entry here, a page in runbooks/checks/ and a test make a check; a contract test notices what is
missing.
"""

from __future__ import annotations

from stigmer_ops.procedures.checks import (
    canary,
    deployment,
    handshake,
    monitoring,
    settings,
    stigmer_service,
    task_queues,
    temporal,
    workers,
)
from stigmer_ops.procedures.checks.check import Check
from stigmer_ops.procedures.checks.context import CheckContext

CHECKS: tuple[Check[CheckContext], ...] = (
    *settings.CHECKS,
    *temporal.CHECKS,
    *task_queues.CHECKS,
    *workers.CHECKS,
    *stigmer_service.CHECKS,
    *handshake.CHECKS,
    *monitoring.CHECKS,
    *canary.CHECKS,
    *deployment.CHECKS,
)

CATEGORIES = tuple(dict.fromkeys(check.category for check in CHECKS))
"""In the order of their checks."""
