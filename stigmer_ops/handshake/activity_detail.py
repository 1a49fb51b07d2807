"""One pending activity in full, and what may safely be typed next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from stigmer_ops.handshake.activity import Failure, PendingActivity
from stigmer_ops.handshake.duration import short_duration
from stigmer_ops.handshake.remedies import extension_of, reference, shell_word
from stigmer_ops.handshake.workers import Poller, PollerState, QueueWorkers, TaskKind


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`temporal.api.common.v1.RetryPolicy`; `maximum_attempts` 0 means unlimited."""

    initial_interval: timedelta | None = None
    backoff_coefficient: float = 0.0
    maximum_interval: timedelta | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """When, by whom and why an activity was paused; a workflow rule has its id as `identity`."""

    time: datetime | None = None
    identity: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ActivityDetail:
    """What can be known of a pending activity without its payloads.

    Attributes:
        activity: As described, with the time of its first schedule from the history.
        scheduled_event_id: Of the ActivityTaskScheduled event; 0 for a standalone activity.
        retry_policy: As in force.
        failures: The last failure and its causes, outermost first.
        last_attempt_complete_time: When the attempt before this one ended.
        next_attempt_time: When a retry that backs off will be scheduled.
        pause: Why it is paused.
        workflow_expiration_time: When its workflow's run times out, and the activity with it.
        queue: The workers of its task queue.
    """

    activity: PendingActivity
    scheduled_event_id: int = 0
    retry_policy: RetryPolicy = RetryPolicy()
    failures: tuple[Failure, ...] = ()
    last_attempt_complete_time: datetime | None = None
    next_attempt_time: datetime | None = None
    pause: Pause | None = None
    workflow_expiration_time: datetime | None = None
    queue: QueueWorkers | None = None

    @property
    def worker(self) -> tuple[Poller, PollerState] | None:
        """The worker of the last attempt among the pollers; None if it is not listed any more."""
        if self.queue is None:
            return None
        identity = self.activity.last_worker_identity
        return next(
            (
                (poller, self.queue.state(poller))
                for poller in self.queue.of(TaskKind.ACTIVITY)
                if poller.identity == identity
            ),
            None,
        )

    @property
    def live_pollers(self) -> int:
        """How many workers take activity tasks from its queue."""
        return 0 if self.queue is None else len(self.queue.live(TaskKind.ACTIVITY))

    def next_commands(self) -> tuple[str, ...]:
        """What to type next; none of it changes anything."""
        activity = self.activity
        named = reference(activity)
        namespace = f"-n {shell_word(activity.namespace)}"
        lines = [f"stigmer-ops diagnose {named}"]
        if activity.state.token_is_live:
            lines.append(f"stigmer-ops activity complete {named} --dry-run")
            by = short_duration(extension_of(activity))
            lines.append(f"stigmer-ops activity extend {named} --by {by} --dry-run")
        elif not self.live_pollers:
            queue = shell_word(activity.task_queue)
            lines.append(f"stigmer-ops worker check --passive {namespace} -t {queue}")
        return tuple(lines)
