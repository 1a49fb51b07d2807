"""Tokens built from ids, which the server accepts for exactly one attempt."""

from __future__ import annotations

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.token.task import ComponentRef, TaskToken, encode, is_uuid

STANDALONE_ARCHETYPE_ID = 3332429922
"""The server's id for standalone activities in a component reference (measured on 1.32)."""


def synthesise(
    *,
    namespace_id: str,
    workflow_id: str,
    run_id: str,
    scheduled_event_id: int,
    attempt: int,
    activity_id: str,
) -> bytes:
    """Build the token that the server accepts if, and only if, exactly this attempt is pending.

    This is the fence of every write: the by-id calls act on whichever attempt is current. Measured
    on server 1.32; the server refuses another attempt or event with NOT_FOUND.

    Args:
        namespace_id: The namespace's UUID, not its name.
        workflow_id: Not empty.
        run_id: UUID. Without it the server would act on the current run, so it is required.
        scheduled_event_id: Of the ActivityTaskScheduled event; without it there is no fence.
        attempt: From 1.
        activity_id: Not compared by the server, but every server writes it.

    Raises:
        UsageError: A part is missing or not of its form.
    """
    _require(is_uuid(namespace_id), "the namespace id must be a UUID")
    _require(bool(workflow_id), "the workflow id must not be empty")
    _require(is_uuid(run_id), "the run id must be a UUID")
    _require(scheduled_event_id > 0, "the scheduled event id must be positive")
    _require(attempt > 0, "the attempt must be positive")
    _require(bool(activity_id), "the activity id must not be empty")
    return encode(
        TaskToken(
            raw=b"",
            namespace_id=namespace_id,
            workflow_id=workflow_id,
            run_id=run_id,
            scheduled_event_id=scheduled_event_id,
            attempt=attempt,
            activity_id=activity_id,
        )
    )


def synthesise_standalone(
    *, namespace_id: str, activity_id: str, run_id: str, attempt: int
) -> bytes:
    """Build the fenced token of a standalone activity's attempt.

    Measured on server 1.32: accepted for exactly the pending attempt; for another one NOT_FOUND
    `activity not found for ID: ...`.

    Args:
        namespace_id: The namespace's UUID, not its name.
        activity_id: Not empty.
        run_id: UUID of the activity's run.
        attempt: From 1.

    Raises:
        UsageError: A part is missing or not of its form.
    """
    _require(is_uuid(namespace_id), "the namespace id must be a UUID")
    _require(bool(activity_id), "the activity id must not be empty")
    _require(is_uuid(run_id), "the run id must be a UUID")
    _require(attempt > 0, "the attempt must be positive")
    ref = ComponentRef(namespace_id, activity_id, run_id, STANDALONE_ARCHETYPE_ID)
    return encode(
        TaskToken(
            raw=b"",
            namespace_id=namespace_id,
            attempt=attempt,
            activity_id=activity_id,
            component_ref=ref,
        )
    )


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise UsageError(f"no task token can be built: {rule}", not_done="nothing was sent")
