"""The faults that a simulated handshake can have: one entry each, selectable by name.

They stand in the order of the handshake; what is wrong with the waiting activity comes last.
"""

from __future__ import annotations

from stigmer_ops.errors import UsageError
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults import (
    activities,
    callbacks,
    executions,
    healthy,
    start,
    tokens,
)

FAULTS: tuple[Fault, ...] = (
    *healthy.FAULTS,
    *start.FAULTS,
    *executions.FAULTS,
    *callbacks.FAULTS,
    *tokens.FAULTS,
    *activities.FAULTS,
)

BY_ID = {fault.id: fault for fault in FAULTS}
"""The faults by name."""


def fault(name: str) -> Fault:
    """The fault of that name.

    Raises:
        UsageError: If there is none.
    """
    try:
        return BY_ID[name]
    except KeyError:
        raise UsageError(
            f"there is no fault {name!r}",
            not_done="the handshake was not started",
            next_step=f"one of: {', '.join(BY_ID)}",
        ) from None
