"""Every log message that tells of the handshake: one entry each, from which all else follows.

The texts are those of the sources of Stigmer OSS (`create.go`, `invoke_workflow_impl.go`,
`complete_external_activity.go`, `task_builder_call_agent_activities.go`, `execute_graphton.py`) and
of the operator's runbook for Stigmer Cloud. Emoji and bracketed prefixes, which come and go between
versions, are not part of a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stigmer_ops.handshake.execution import Edition
from stigmer_ops.logs import stages
from stigmer_ops.logs.stages import Service, Stage


class Outcome(StrEnum):
    """What a line says of its stage."""

    REACHED = "reached"
    FAILED = "failed"
    """The stage was tried and failed; a retry may still succeed."""
    AGENT_FAILED = "agent-failed"
    """The agent's own failure: the stage is reached, and the callback reports the failure."""
    NO_TOKEN = "no-token"  # noqa: S105 - a name
    """The callback found no token to use."""


class Side(StrEnum):
    """Whose workflow, run and activity ids a line carries."""

    EXTERNAL = "external"
    STIGMER = "stigmer"


@dataclass(frozen=True, slots=True)
class Message:
    """A registered log message.

    Attributes:
        id: Kebab-case name.
        text: The words to find; of several texts in one line, the longest counts.
        service: Who logs it.
        stage: What it tells.
        outcome: What it says of that stage.
        edition: The edition that logs it, None where both do.
        side: Whose ids the line carries.
        markers: One of these must be in the line too, where two editions share the words.
        execution_follows: The execution id comes right after the text, not as a key.
        proves_token: The line is only logged where the execution has a callback token.
    """

    id: str
    text: str
    service: Service
    stage: Stage
    outcome: Outcome = Outcome.REACHED
    edition: Edition | None = None
    side: Side = Side.STIGMER
    markers: tuple[str, ...] = ()
    execution_follows: bool = False
    proves_token: bool = True

    def marked(self, text: str) -> bool:
        """Whether one of the markers, if there are any, is in the line `text`."""
        return not self.markers or any(marker in text for marker in self.markers)

    @property
    def reports_error(self) -> bool:
        """Whether the line carries the text of an error."""
        return self.outcome is not Outcome.REACHED or " error" in self.text


def _zigflow(id_: str, text: str, stage: Stage, outcome: Outcome = Outcome.REACHED) -> Message:
    return Message(id_, text, Service.ZIGFLOW, stage, outcome, side=Side.EXTERNAL)


def _go(
    id_: str,
    text: str,
    stage: Stage,
    outcome: Outcome = Outcome.REACHED,
    *,
    proves_token: bool = True,
) -> Message:
    return Message(
        id_, text, Service.STIGMER_GO, stage, outcome, Edition.GO, proves_token=proves_token
    )


def _java(
    id_: str, logger: str, text: str, stage: Stage, outcome: Outcome = Outcome.REACHED
) -> Message:
    # The class may be missing from a custom layout; Java's keys then still tell the edition.
    markers = (logger, "tokenPreview", "executionId")
    return Message(id_, text, Service.STIGMER_JAVA, stage, outcome, Edition.JAVA, markers=markers)


def _runner(
    id_: str,
    text: str,
    stage: Stage,
    outcome: Outcome = Outcome.REACHED,
    *,
    execution_follows: bool = True,
) -> Message:
    return Message(
        id_,
        text,
        Service.AGENT_RUNNER,
        stage,
        outcome,
        execution_follows=execution_follows,
        proves_token=False,
    )


MESSAGES: tuple[Message, ...] = (
    _zigflow(
        "zigflow-token-extracted",
        "Extracted Temporal task token for async completion",
        stages.TOKEN_EXTRACTED,
    ),
    _zigflow(
        "zigflow-execution-created",
        "Agent execution created with callback token",
        stages.EXECUTION_CREATED,
    ),
    _zigflow(
        "zigflow-returned-pending", "Returning activity.ErrResultPending", stages.RETURNED_PENDING
    ),
    _zigflow(
        "zigflow-create-failed",
        "Failed to create agent execution",
        stages.EXECUTION_CREATED,
        Outcome.FAILED,
    ),
    _go(
        "go-token-received",
        "Callback token present - workflow will complete external activity on finish",
        stages.TOKEN_RECEIVED,
    ),
    _go(
        "go-workflow-started",
        "Starting workflow for execution",
        stages.WORKFLOW_STARTED,
        proves_token=False,
    ),
    _go("go-token-detected", "Callback token detected", stages.WORKFLOW_STARTED),
    _go(
        "go-workflow-completed",
        "Workflow completed for execution",
        stages.AGENT_FINISHED,
        proves_token=False,
    ),
    _go(
        "go-workflow-failed",
        "Workflow execution failed",
        stages.AGENT_FINISHED,
        Outcome.AGENT_FAILED,
        proves_token=False,
    ),
    _go(
        "go-callback-scheduled",
        "Completing external activity via system activity",
        stages.CALLBACK_STARTED,
    ),
    _go("go-callback-started", "Completing external activity", stages.CALLBACK_STARTED),
    _go(
        "go-reporting-success",
        "Reporting success to external activity",
        stages.CALLBACK_STARTED,
    ),
    _go(
        "go-reporting-failure",
        "Reporting failure to external activity",
        stages.CALLBACK_STARTED,
    ),
    _go(
        "go-callback-delivered",
        "Successfully completed external activity",
        stages.CALLBACK_DELIVERED,
    ),
    _go(
        "go-workflow-saw-delivery",
        "External activity completed successfully",
        stages.CALLBACK_DELIVERED,
    ),
    _go(
        "go-callback-failed",
        "Failed to complete external activity",
        stages.CALLBACK_DELIVERED,
        Outcome.FAILED,
    ),
    _go(
        "go-callback-gave-up",
        "System activity failed to complete external activity",
        stages.CALLBACK_DELIVERED,
        Outcome.FAILED,
    ),
    _go(
        "go-client-missing",
        "Failed to get Temporal client from context",
        stages.CALLBACK_DELIVERED,
        Outcome.FAILED,
    ),
    _go(
        "go-callback-without-token",
        "CompleteExternalActivity called with empty token",
        stages.CALLBACK_STARTED,
        Outcome.NO_TOKEN,
        proves_token=False,
    ),
    _go(
        "go-workflow-without-token",
        "completeExternalActivity called with empty token",
        stages.CALLBACK_STARTED,
        Outcome.NO_TOKEN,
        proves_token=False,
    ),
    _java(
        "java-token-received",
        "StartWorkflowStep",
        "Callback token detected (async completion pattern)",
        stages.TOKEN_RECEIVED,
    ),
    _java(
        "java-callback-started",
        "InvokeAgentExecutionWorkflowImpl",
        "Completing external activity with success",
        stages.CALLBACK_STARTED,
    ),
    _java(
        "java-callback-started-with-error",
        "InvokeAgentExecutionWorkflowImpl",
        "Agent execution failed, completing external activity with error",
        stages.CALLBACK_STARTED,
    ),
    _java(
        "java-callback-delivered",
        "SystemActivitiesImpl",
        "External activity completed successfully",
        stages.CALLBACK_DELIVERED,
    ),
    _java(
        "java-callback-failed",
        "SystemActivitiesImpl",
        "Failed to complete external activity",
        stages.CALLBACK_DELIVERED,
        Outcome.FAILED,
    ),
    _runner("runner-started", "ExecuteGraphton started for execution:", stages.AGENT_STARTED),
    _runner(
        "runner-failed",
        "ExecuteGraphton failed for execution",
        stages.AGENT_FINISHED,
        Outcome.AGENT_FAILED,
    ),
    _runner(
        "runner-system-error",
        "SYSTEM ERROR in ExecuteGraphton for",
        stages.AGENT_FINISHED,
        Outcome.AGENT_FAILED,
    ),
    _runner(
        "runner-completed",
        "ExecuteGraphton completed",
        stages.AGENT_FINISHED,
        execution_follows=False,
    ),
)
"""All messages. One more is one more entry, and an example line in the tests."""

_BY_LENGTH = sorted(MESSAGES, key=lambda message: (-len(message.text), not message.markers))


def message_in(text: str) -> Message | None:
    """The registered message that `text`, a log line, contains; None if it contains none."""
    for message in _BY_LENGTH:
        if message.text in text and message.marked(text):
            return message
    return None
