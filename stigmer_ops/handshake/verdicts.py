"""Why an external activity waits: every answer that `diagnose` can give.

An entry here, a rule in reasoning.py, a fault in the sandbox and a page in runbooks/verdicts/
make a verdict; a contract test notices what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How urgent, most urgent last, so that they compare."""

    OK = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        """The name in lower case, as in alerts."""
        return self.name.lower()


class Action(StrEnum):
    """What a plan may do to an activity."""

    COMPLETE = "complete"
    FAIL = "fail"
    REDELIVER = "redeliver"
    EXTEND = "extend"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer.

    Attributes:
        id: Kebab-case, stable, never used for anything else.
        title: What is the case, in one sentence in the present tense.
        severity: How urgent it is.
        stuck: Whether the activity will not complete by itself, so that `diagnose` exits 1.
        action: What the plan proposes for the activity; instead of failing it, a plan delivers what
            Stigmer found out, where that is known.
        remedy: What to do, in a sentence or two; the commands are made from `action`.
    """

    id: str
    title: str
    severity: Severity
    stuck: bool
    action: Action
    remedy: str


def _stuck(id: str, title: str, action: Action, remedy: str) -> Verdict:
    return Verdict(id, title, Severity.CRITICAL, True, action, remedy)


def _warning(id: str, title: str, action: Action, remedy: str) -> Verdict:
    return Verdict(id, title, Severity.WARNING, False, action, remedy)


_REFUSED = (
    "The callback is refused. Deliver what the execution found out, or fail the activity where it "
    "has not ended. "
)
_NOBODY = (
    "Nobody will complete the activity. Deliver Stigmer's outcome where it has one, else fail it, "
    "or complete it with a result that you trust."
)

RUNNING = Verdict(
    "running",
    "The execution is running and its time is not up",
    Severity.OK,
    False,
    Action.SKIP,
    "Nothing to do.",
)
NEAR_DEADLINE = _warning(
    "near-deadline",
    "The execution is running, but the activity is about to time out",
    Action.EXTEND,
    "Extend the deadline; the token stays valid.",
)
UNSAFE_SETTINGS = _warning(
    "unsafe-settings",
    "The execution is running, but the activity's settings are unsafe for async completion",
    Action.SKIP,
    "Mend the activity options where the external workflow is written.",
)
NOT_STARTED = _stuck(
    "external-activity-not-started",
    "No worker has started this attempt, so Stigmer was not called",
    Action.SKIP,
    "Start a worker that polls the activity's task queue, or mend what makes its attempts fail.",
)
ACTIVITY_PAUSED = Verdict(
    "activity-paused",
    "The activity is paused; it times out at once on unpause if its deadline has passed",
    Severity.WARNING,
    True,
    Action.SKIP,
    "Extend the deadline before unpausing: an overdue timer fires on unpause.",
)
WORKFLOW_PAUSED = Verdict(
    "workflow-paused",
    "The external workflow is paused",
    Severity.WARNING,
    True,
    Action.SKIP,
    "Unpause the workflow, after extending what is overdue.",
)
TOKEN_NOT_PASSED = _stuck(
    "token-not-passed",
    "No Stigmer execution carries this activity's token",
    Action.FAIL,
    "Nothing will ever complete it: fail it, so that the workflow can react, and look why the "
    "activity returned pending without an execution.",
)
TOKEN_STALE = _stuck(
    "token-stale",
    "The activity was retried: the execution holds the token of another attempt",
    Action.FAIL,
    _REFUSED + "Limit the activity to one attempt: the agent's work is done once per attempt.",
)
DELIVERED_ELSEWHERE = _stuck(
    "delivered-to-another-attempt",
    "The execution ended and its callback was delivered to another attempt",
    Action.FAIL,
    "Nothing holds this attempt's token. Fail it, and make the failures of Stigmer final.",
)
SEVERAL_EXECUTIONS = Verdict(
    "several-executions",
    "Several executions hold this activity's tokens: the agent's work runs more than once",
    Severity.WARNING,
    False,
    Action.SKIP,
    "The first to finish completes the activity. Find out who created the others.",
)
TOKEN_DOUBLE_ENCODED = _stuck(
    "token-double-encoded",
    "Stigmer stores the token's base64 text instead of its bytes",
    Action.FAIL,
    _REFUSED + "Mend the caller, which encodes the token twice.",
)
TOKEN_TRUNCATED = _stuck(
    "token-truncated",
    "Stigmer stores only the beginning of the token",
    Action.FAIL,
    _REFUSED + "Find what cuts the token off between caller and Stigmer.",
)
TOKEN_WRONG_NAMESPACE = _stuck(
    "token-wrong-namespace",
    "The execution's token names another namespace",
    Action.FAIL,
    "The callback goes to the wrong namespace. A restored or copied database is the usual cause: "
    "find out whose execution it is before you deliver anything of it.",
)
RUNNER_MISSING = _stuck(
    "runner-missing",
    "The Stigmer workflow waits for an agent runner, and nobody polls the runner queue",
    Action.SKIP,
    "Start the agent runner; the execution then goes on by itself if its run timeout allows.",
)
RUNNER_RETRYING = _stuck(
    "runner-retrying",
    "The agent activity keeps failing or lost its heartbeat",
    Action.SKIP,
    "Read the last failure; mend the runner. The execution fails when its attempts are used up.",
)
STIGMER_WORKER_MISSING = _stuck(
    "stigmer-worker-missing",
    "The Stigmer workflow has a workflow task that no worker takes",
    Action.SKIP,
    "Start stigmer-server; the execution then goes on by itself if its run timeout allows.",
)
STIGMER_TIMED_OUT = _stuck(
    "stigmer-workflow-timed-out",
    "The Stigmer workflow hit its run timeout and closed without attempting the callback",
    Action.FAIL,
    _NOBODY,
)
STIGMER_TERMINATED = _stuck(
    "stigmer-workflow-terminated",
    "The Stigmer workflow was terminated before it attempted the callback",
    Action.FAIL,
    _NOBODY,
)
STIGMER_CANCELLED = _stuck(
    "stigmer-workflow-cancelled",
    "The Stigmer workflow was cancelled before it attempted the callback",
    Action.FAIL,
    _NOBODY,
)
STIGMER_FAILED = _stuck(
    "stigmer-workflow-failed",
    "The Stigmer workflow failed before it attempted the callback",
    Action.FAIL,
    _NOBODY,
)
CALLBACK_NOT_ATTEMPTED = _stuck(
    "callback-not-attempted",
    "The Stigmer workflow completed without attempting the callback",
    Action.REDELIVER,
    "Deliver what Stigmer should have delivered.",
)
CALLBACK_FAILED = _stuck(
    "callback-failed",
    "The callback failed on all its attempts",
    Action.REDELIVER,
    "Mend what the failure names, then deliver what Stigmer would have delivered.",
)
CALLBACK_RETRYING = _stuck(
    "callback-retrying",
    "The callback keeps failing and is being retried",
    Action.SKIP,
    "Mend what the failure names; the next attempt then goes through.",
)
CALLBACK_DECODE_ERROR = _stuck(
    "callback-decode-error",
    "The callback activity cannot decode its input",
    Action.REDELIVER,
    "Deliver the failure that Stigmer meant to deliver; the Go edition cannot deliver failures.",
)
CALLBACK_NOT_REGISTERED = _stuck(
    "callback-not-registered",
    "The worker that polls the callback's queue does not have the callback activity",
    Action.REDELIVER,
    "Deploy a worker that registers the callback, then redeliver where attempts are used up.",
)
CALLBACK_NOT_POLLED = _stuck(
    "callback-not-polled",
    "The callback is scheduled, and nobody polls its queue for activities",
    Action.SKIP,
    "Start a worker that polls the queue; the callback then goes through by itself.",
)
WORKFLOW_EDITION = _stuck(
    "workflow-edition-without-callback",
    "The token was given to a workflow execution, whose Go edition has no callback",
    Action.FAIL,
    "The token will never be used. Wait until the execution has ended and deliver what it found "
    "out, or fail the activity.",
)
UNKNOWN = Verdict(
    "unknown",
    "It cannot be told from what could be read",
    Severity.WARNING,
    False,
    Action.SKIP,
    "Read the evidence for what could not be read, and run diagnose again.",
)

VERDICTS: tuple[Verdict, ...] = (
    TOKEN_NOT_PASSED,
    TOKEN_STALE,
    DELIVERED_ELSEWHERE,
    TOKEN_DOUBLE_ENCODED,
    TOKEN_TRUNCATED,
    TOKEN_WRONG_NAMESPACE,
    STIGMER_TIMED_OUT,
    STIGMER_TERMINATED,
    STIGMER_CANCELLED,
    STIGMER_FAILED,
    CALLBACK_NOT_ATTEMPTED,
    CALLBACK_FAILED,
    CALLBACK_RETRYING,
    CALLBACK_DECODE_ERROR,
    CALLBACK_NOT_REGISTERED,
    CALLBACK_NOT_POLLED,
    WORKFLOW_EDITION,
    RUNNER_MISSING,
    RUNNER_RETRYING,
    STIGMER_WORKER_MISSING,
    NOT_STARTED,
    ACTIVITY_PAUSED,
    WORKFLOW_PAUSED,
    SEVERAL_EXECUTIONS,
    NEAR_DEADLINE,
    UNSAFE_SETTINGS,
    UNKNOWN,
    RUNNING,
)
"""Every verdict, in the order in which equally urgent ones are told."""

BY_ID = {verdict.id: verdict for verdict in VERDICTS}
