"""What is done to one row: to which attempt, with what, by which call, and what became of it.

Rows that end an activity are fenced by the server: a task token built from the row is accepted if,
and only if, that attempt is pending. So nothing is read before they are sent, if the plan holds the
scheduled event; what is refused is explained by reading. Extensions have no such fence: the attempt
is read just before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure

from stigmer_ops.audit import Parameters
from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome
from stigmer_ops.temporal.respond import Answer


@dataclass(frozen=True, slots=True)
class Content:
    """What is delivered.

    Attributes:
        body: As the call takes it. It may hold anything, so it is in no repr and no record.
        parameters: What the audit keeps of it.
        effect: What it does, in a few words.
        until: For an extension: the deadline that is meant.
    """

    body: Payloads | Failure | TimeoutChange
    parameters: Parameters
    effect: str
    until: datetime | None = None

    def __repr__(self) -> str:
        return f"Content({self.effect})"


class Deed(Protocol):
    """How rows of some actions are carried out. Only `send` changes anything.

    Attributes:
        answer_proves: Whether the server's answer says that it was done as it was meant.
    """

    answer_proves: bool

    async def target(self, row: PlanRow) -> AttemptFence:
        """The attempt that is meant, read as far as the plan does not say it."""

    async def look(
        self, row: PlanRow, fence: AttemptFence, until: datetime | None
    ) -> RowOutcome | None:
        """What became of it; None while the attempt is pending, and nothing was done to it."""

    async def content(
        self, row: PlanRow, fence: AttemptFence, until: datetime | None
    ) -> Content | RowOutcome:
        """What is to be sent; or, as the row's outcome, why it never can be."""

    async def send(self, fence: AttemptFence, content: Content, identity: str) -> Answer:
        """Make the call, once."""
