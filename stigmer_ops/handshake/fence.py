"""The fence of a write: the one attempt that was inspected, and no other.

Temporal's by-id calls act on whichever attempt is current when they arrive. A task token names an
attempt, and the server compares it; so the token built from what was inspected makes the server
itself refuse a write that comes too late (domain facts measured on server 1.32).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stigmer_ops.handshake.remedies import shell_word
from stigmer_ops.handshake.token import synthesise, synthesise_standalone


@dataclass(frozen=True, slots=True)
class AttemptFence:
    """One attempt of one activity.

    Attributes:
        namespace_id: The namespace's UUID.
        workflow_id: Empty for a standalone activity.
        run_id: Run of the workflow, or of the standalone activity.
        activity_id: The activity's id.
        scheduled_event_id: Of the ActivityTaskScheduled event; 0 for a standalone activity.
        attempt: From 1.
        worker_token: The token of this attempt that a worker was given, where one is at hand: it
            is sent as it is, since it may say more than we know of. Secret.
    """

    namespace_id: str
    workflow_id: str
    run_id: str
    activity_id: str
    scheduled_event_id: int
    attempt: int
    worker_token: bytes = field(default=b"", repr=False)

    @property
    def standalone(self) -> bool:
        """Whether the activity has no workflow."""
        return not self.workflow_id

    def token(self) -> bytes:
        """The task token that the server accepts if, and only if, this attempt is pending.

        It is as secret as one from a worker.

        Raises:
            UsageError: A part of the fence is missing, so that nothing would be compared.
        """
        if self.worker_token:
            return self.worker_token
        if self.standalone:
            return synthesise_standalone(
                namespace_id=self.namespace_id,
                activity_id=self.activity_id,
                run_id=self.run_id,
                attempt=self.attempt,
            )
        return synthesise(
            namespace_id=self.namespace_id,
            workflow_id=self.workflow_id,
            run_id=self.run_id,
            scheduled_event_id=self.scheduled_event_id,
            attempt=self.attempt,
            activity_id=self.activity_id,
        )

    def options(self, namespace: str) -> str:
        """The options that name this activity's run on a command line, quoted for a shell."""
        named = activity_options(self.workflow_id, self.run_id, self.activity_id)
        return f"{named} --namespace {shell_word(namespace)}"


def activity_options(workflow_id: str, run_id: str, activity_id: str) -> str:
    """`--workflow-id … --run-id … --activity-id …` for a shell; what is empty is left out."""
    named = (
        ("--workflow-id", workflow_id),
        ("--run-id", run_id),
        ("--activity-id", activity_id),
    )
    words = [word for name, value in named if value for word in (name, value)]
    return " ".join(map(shell_word, words if workflow_id else ["--standalone", *words]))
