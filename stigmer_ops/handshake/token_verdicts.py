"""What a task token is worth at a live server: every answer that `token validate` can give.

Each verdict says what the server would answer if the token were used in
`RespondActivityTaskCompleted` by a client of the namespace that was asked. The answers are those of
Temporal Server 1.32, and a test sends the token after each verdict to compare.
"""

from __future__ import annotations

from dataclasses import dataclass

from stigmer_ops.handshake.token.damage import (
    DIFFERENT_NAMESPACE,
    NOT_DESERIALIZED,
    NOT_PENDING,
    ServerAnswer,
)
from stigmer_ops.handshake.verdicts import Severity

ACCEPTED = ServerAnswer("OK", "")
NO_PENDING_ID = ServerAnswer(
    "NOT_FOUND",
    "cannot find pending activity with ActivityID {activity_id}, "
    "check workflow execution history for more details",
)
NO_STANDALONE = ServerAnswer("NOT_FOUND", "activity not found for ID: {activity_id}")
WORKFLOW_COMPLETED = ServerAnswer("NOT_FOUND", "workflow execution already completed")
NO_RUN = ServerAnswer(
    "NOT_FOUND",
    'workflow execution not found for workflow ID "{workflow_id}" and run ID "{run_id}"',
)
NO_WORKFLOW = ServerAnswer("NOT_FOUND", "workflow not found for ID: {workflow_id}")
STALE_STATE = ServerAnswer("UNKNOWN", "something went wrong, please retry (...)")
NO_NAMESPACE = ServerAnswer("NOT_FOUND", "Namespace {namespace_id} is not found.")

_COMPLETE = "stigmer-ops activity complete {activity} --dry-run"
_SHOW = "stigmer-ops pending show {activity}"
_SHOW_CURRENT_RUN = "stigmer-ops pending show {current_run}"
_PROOF = "{proof}"
_CONFIG = "stigmer-ops config show"


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """One answer of `token validate`.

    Attributes:
        id: Kebab-case, stable, never used for anything else.
        title: What is the case, in one sentence in the present tense.
        severity: OK where the token works; INFO where the work is done already; WARNING where a
            result is lost; CRITICAL where an activity still waits and this token will not end it.
        finding: The sentence with the facts of this token, as a format string over
            `token_validation.facts_of`.
        answer: What the server would answer to a token that names a scheduled event, its message
            a format string too.
        next_step: The next safe command, a format string too. None of them writes.
    """

    id: str
    title: str
    severity: Severity
    finding: str
    answer: ServerAnswer
    next_step: str


CURRENT = TokenVerdict(
    "current",
    "The token is of the attempt that is pending",
    Severity.OK,
    "attempt {attempt} is pending ({pending_state}): using the token completes it",
    ACCEPTED,
    _COMPLETE,
)
UNFENCED = TokenVerdict(
    "unfenced",
    "The token names an activity id but no attempt, and completes whichever is pending",
    Severity.WARNING,
    "activity {activity_id} is pending at attempt {pending_attempt} ({pending_state}); the token "
    "lacks the field by which the server would check the attempt",
    ACCEPTED,
    _COMPLETE,
)
STALE_ATTEMPT = TokenVerdict(
    "stale-attempt",
    "The token is of an earlier attempt: the activity was retried and has another token now",
    Severity.CRITICAL,
    "the token is of attempt {attempt}, and the activity is now at attempt {pending_attempt} "
    "({pending_state})",
    NOT_PENDING,
    _SHOW,
)
NOT_STARTED = TokenVerdict(
    "not-started",
    "No worker has started this attempt, so no token of it is valid yet",
    Severity.WARNING,
    "attempt {attempt} was never started: it is {pending_state}",
    NOT_PENDING,
    _SHOW,
)
ACTIVITY_RESET = TokenVerdict(
    "activity-reset",
    "The activity was reset: its attempts count from 1 again, and the token is of one before that",
    Severity.CRITICAL,
    "the token is of attempt {attempt}, but the activity is at attempt {pending_attempt} "
    "({pending_state}): a reset set it back, and voided the token",
    NOT_PENDING,
    _SHOW,
)
ACTIVITY_COMPLETED = TokenVerdict(
    "activity-completed",
    "The activity is already completed",
    Severity.INFO,
    "it completed at {ended_time}{ended_where}{ended_by}",
    NOT_PENDING,
    _PROOF,
)
ACTIVITY_FAILED = TokenVerdict(
    "activity-failed",
    "The activity has already failed",
    Severity.WARNING,
    "it failed at {ended_time}{ended_where}{ended_by}",
    NOT_PENDING,
    _PROOF,
)
ACTIVITY_TIMED_OUT = TokenVerdict(
    "activity-timed-out",
    "The activity has already timed out",
    Severity.WARNING,
    "it timed out at {ended_time}{ended_where}",
    NOT_PENDING,
    _PROOF,
)
ACTIVITY_CANCELED = TokenVerdict(
    "activity-canceled",
    "The activity is already cancelled",
    Severity.WARNING,
    "it was cancelled at {ended_time}{ended_where}{ended_by}",
    NOT_PENDING,
    _PROOF,
)
ACTIVITY_TERMINATED = TokenVerdict(
    "activity-terminated",
    "The standalone activity was terminated",
    Severity.WARNING,
    "it was terminated at {ended_time}",
    NOT_PENDING,
    _PROOF,
)
ACTIVITY_ENDED = TokenVerdict(
    "activity-ended",
    "The activity has ended, and how is not yet in the history",
    Severity.INFO,
    "the activity with {named} is no longer pending; the server writes how it ended when the "
    "workflow task that is under way is done",
    NOT_PENDING,
    "stigmer-ops token validate",
)
NO_SUCH_ACTIVITY = TokenVerdict(
    "no-such-activity",
    "The token's run has no activity such as the token names",
    Severity.WARNING,
    "the run has no activity with {named}: the token is of another kind of task, or was built by "
    "hand",
    NOT_PENDING,
    _PROOF,
)
EVENT_NOT_WRITTEN = TokenVerdict(
    "event-not-written",
    "The token's scheduled event is beyond the end of the history",
    Severity.WARNING,
    "the run has no event {scheduled_event_id} yet: the token was built by hand, or the server "
    "lost history; SDKs try this answer again until their own deadline",
    STALE_STATE,
    _PROOF,
)
RUN_SUPERSEDED = TokenVerdict(
    "run-superseded",
    "The workflow's run was replaced by another, in which the token means nothing",
    Severity.CRITICAL,
    "run {run_id} was {succession} at {close_time}{successor}",
    WORKFLOW_COMPLETED,
    _SHOW_CURRENT_RUN,
)
WORKFLOW_CLOSED = TokenVerdict(
    "workflow-closed",
    "The workflow is closed, so nothing waits for the activity any more",
    Severity.WARNING,
    "the workflow was closed ({run_status}) at {close_time}{closed_by}; the activity "
    "{ended_before}{successor}",
    WORKFLOW_COMPLETED,
    _PROOF,
)
RUN_NOT_FOUND = TokenVerdict(
    "run-not-found",
    "The workflow exists, but not the token's run of it",
    Severity.CRITICAL,
    "there is no run {run_id} of workflow {workflow_id}: it was deleted, or its retention is over"
    "{successor}",
    NO_RUN,
    _SHOW_CURRENT_RUN,
)
WORKFLOW_NOT_FOUND = TokenVerdict(
    "workflow-not-found",
    "There is no such workflow in the namespace",
    Severity.CRITICAL,
    "namespace {namespace} has no workflow {workflow_id}: it was deleted, or its retention is over",
    NO_RUN,
    _CONFIG,
)
ACTIVITY_NOT_FOUND = TokenVerdict(
    "activity-not-found",
    "There is no such standalone activity in the namespace",
    Severity.CRITICAL,
    "namespace {namespace} has no standalone activity {activity_id} with run {run_id}",
    NO_STANDALONE,
    _CONFIG,
)
WRONG_NAMESPACE = TokenVerdict(
    "wrong-namespace",
    "The token belongs to another namespace of this server",
    Severity.CRITICAL,
    "the token is of namespace {token_namespace}, and {namespace} was asked",
    DIFFERENT_NAMESPACE,
    "stigmer-ops token validate --namespace {token_namespace}",
)
MALFORMED = TokenVerdict(
    "malformed",
    "The token is damaged, or is no task token",
    Severity.CRITICAL,
    "{damage}",
    NOT_DESERIALIZED,
    "stigmer-ops token decode",
)
DOUBLE_ENCODED = TokenVerdict(
    "double-encoded",
    "The holder has base64 text instead of a token, and will be refused",
    Severity.CRITICAL,
    "{damage}; of the token inside: {inside}",
    NOT_DESERIALIZED,
    "stigmer-ops token decode",
)
UNKNOWN_NAMESPACE = TokenVerdict(
    "unknown-namespace",
    "The token belongs to a namespace that this server does not have",
    Severity.CRITICAL,
    "no namespace here has the id {namespace_id}: the token is of another Temporal server, or of "
    "a namespace that was deleted",
    NO_NAMESPACE,
    _CONFIG,
)

ENDED: dict[str, TokenVerdict] = {
    "COMPLETED": ACTIVITY_COMPLETED,
    "FAILED": ACTIVITY_FAILED,
    "TIMED_OUT": ACTIVITY_TIMED_OUT,
    "CANCELED": ACTIVITY_CANCELED,
    "TERMINATED": ACTIVITY_TERMINATED,
}
"""By how the activity ended, in Temporal's words."""

TOKEN_VERDICTS: tuple[TokenVerdict, ...] = (
    CURRENT,
    UNFENCED,
    STALE_ATTEMPT,
    NOT_STARTED,
    ACTIVITY_RESET,
    *ENDED.values(),
    ACTIVITY_ENDED,
    NO_SUCH_ACTIVITY,
    EVENT_NOT_WRITTEN,
    RUN_SUPERSEDED,
    WORKFLOW_CLOSED,
    RUN_NOT_FOUND,
    WORKFLOW_NOT_FOUND,
    ACTIVITY_NOT_FOUND,
    WRONG_NAMESPACE,
    UNKNOWN_NAMESPACE,
    DOUBLE_ENCODED,
    MALFORMED,
)
"""The registry."""
