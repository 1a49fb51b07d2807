"""What the audit keeps of timeouts that are changed, before the call is made: new and old ones.

Were the old ones kept in the outcome only, nobody could put them back where that was not written.
"""

from __future__ import annotations

from typing import Any

from stigmer_ops.audit import Parameters
from stigmer_ops.handshake.extension import TimeoutChange


def timeout_parameters(change: TimeoutChange, *, plan_sha256: str | None = None) -> Parameters:
    """The parameters of an operation that makes `change`; the server compares no attempt then."""
    timeouts: dict[str, Any] = {}
    for name in change.changed:
        timeouts[f"{name}_timeout"] = getattr(change.after, name)
        timeouts[f"{name}_timeout_before"] = getattr(change.before, name)
    return Parameters(fenced=False, plan_sha256=plan_sha256, **timeouts)
