"""Whether something true is left to deliver: the outcome of an execution, which nobody got."""

from __future__ import annotations

from stigmer_ops.handshake.case import Candidate, Case, Relation
from stigmer_ops.handshake.execution import ENDED_PHASES, CallbackState, StigmerExecution


def deliverable(case: Case) -> StigmerExecution | None:
    """The one execution whose outcome can be delivered; None where it is not one for certain."""
    known = [found.execution for found in case.candidates if _is_known(found)]
    return known[0] if len(known) == 1 else None


def _is_known(found: Candidate) -> bool:
    """Whether an execution has ended with an outcome that can be learnt, and that nobody got."""
    trace = found.trace
    if trace is None or trace.unreadable or found.execution.running:
        return False
    if not found.certain or found.relation is Relation.OTHER_NAMESPACE:
        return False  # it may be the outcome of somebody else's activity
    if trace.callback.state is CallbackState.NOT_ATTEMPTED:
        return trace.stigmer_phase in ENDED_PHASES
    return trace.callback.state is CallbackState.FAILED
