"""The stages of the handshake that the services log, in the order in which they are passed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """Who writes the line, by the name of its deployment."""

    ZIGFLOW = "workflow-runner"
    STIGMER_GO = "stigmer-server"
    STIGMER_JAVA = "stigmer-service"
    AGENT_RUNNER = "agent-runner"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the handshake.

    Attributes:
        id: Kebab-case name.
        rank: Its place: a handshake has come as far as its highest rank.
        title: What has happened once a line of this stage is there.
        follows: Id of the stage that must come next, "" at the end. Not always the next rank: what
            the external activity does after `create` returned does not hold up the Stigmer
            workflow.
    """

    id: str
    rank: int
    title: str
    follows: str


TOKEN_EXTRACTED = Stage(
    "token-extracted", 0, "the external activity read its task token", "token-received"
)
TOKEN_RECEIVED = Stage(
    "token-received", 1, "Stigmer received the execution with its token", "workflow-started"
)
EXECUTION_CREATED = Stage(
    "execution-created", 2, "Stigmer acknowledged the execution", "workflow-started"
)
RETURNED_PENDING = Stage(
    "returned-pending", 3, "the external activity returned pending", "workflow-started"
)
WORKFLOW_STARTED = Stage("workflow-started", 4, "the Stigmer workflow started", "agent-started")
AGENT_STARTED = Stage("agent-started", 5, "an agent runner took the execution", "agent-finished")
AGENT_FINISHED = Stage("agent-finished", 6, "the execution ended", "callback-started")
CALLBACK_STARTED = Stage("callback-started", 7, "the callback was started", "callback-delivered")
CALLBACK_DELIVERED = Stage("callback-delivered", 8, "Temporal accepted the callback", "")

STAGES = (
    TOKEN_EXTRACTED,
    TOKEN_RECEIVED,
    EXECUTION_CREATED,
    RETURNED_PENDING,
    WORKFLOW_STARTED,
    AGENT_STARTED,
    AGENT_FINISHED,
    CALLBACK_STARTED,
    CALLBACK_DELIVERED,
)
"""Every stage; a stage's rank is its index."""

STAGE_BY_ID = {stage.id: stage for stage in STAGES}
