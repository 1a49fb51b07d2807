"""What a canary handshake is to do, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class StigmerRequest:
    """The execution to create where the canary goes through Stigmer.

    Attributes:
        agent_id: The agent to run; empty leaves it to the session.
        session_id: The session to run it in; empty leaves it to Stigmer.
        message: What to ask the agent.
    """

    agent_id: str = ""
    session_id: str = ""
    message: str = "Answer with the word ok."


@dataclass(frozen=True, slots=True)
class SmokePlan:
    """What to do.

    Attributes:
        rounds: How many measured handshakes, one after another.
        timeout: How long each may take.
        budget: What the handshake may add to the agent's own time, at the 95th percentile.
        stigmer: The execution to create; None where the command itself is the other side.
    """

    rounds: int
    timeout: timedelta
    budget: timedelta
    stigmer: StigmerRequest | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """The times of one handshake.

    Attributes:
        dispatch: From the external activity's scheduling to its start; the server's clock.
        call: How long the call took that ended the activity, or that created the execution.
        agent: From that call's answer to the callback; zero where no agent works.
        resume: From the callback to the external workflow's going on; the server's clock.
    """

    dispatch: timedelta
    call: timedelta
    agent: timedelta
    resume: timedelta

    @property
    def overhead(self) -> timedelta:
        """What the handshake adds to the agent's own time."""
        return self.dispatch + self.call + self.resume


@dataclass(frozen=True, slots=True)
class Spread:
    """How a time is spread over the rounds: percentiles by nearest rank, and the largest."""

    p50: timedelta
    p95: timedelta
    max: timedelta

    @classmethod
    def of(cls, times: Sequence[timedelta]) -> Spread:
        """The spread of one or more times."""
        ranked = sorted(times)

        def rank(share: float) -> timedelta:
            return ranked[math.ceil(share * len(ranked)) - 1]

        return cls(rank(0.50), rank(0.95), ranked[-1])


@dataclass(slots=True)
class SmokeReport:
    """What came of it, filled while it runs.

    Attributes:
        plan: What was to be done.
        task_queue: The canary's own queue; its workflow id is the same.
        completed: How many measured handshakes have come through.
        rounds: Their times, once all have.
        stopped: Why it stopped before its end; empty if it did not.
        hint: What to type next where it stopped.
        execution_id: The Stigmer execution that was created.
        left: What could not be removed afterwards, a sentence each.
    """

    plan: SmokePlan
    task_queue: str
    completed: int = 0
    rounds: list[Round] = field(default_factory=list)
    stopped: str = ""
    hint: str = ""
    execution_id: str = ""
    left: list[str] = field(default_factory=list)

    @property
    def overhead(self) -> Spread | None:
        """The overhead's spread; None before the first round."""
        return Spread.of([one.overhead for one in self.rounds]) if self.rounds else None

    @property
    def over_budget(self) -> bool:
        """Whether the handshake takes too long. Stigmer's own calls have no budget."""
        overhead = self.overhead
        if overhead is None or self.plan.stigmer is not None:
            return False
        return overhead.p95 > self.plan.budget

    @property
    def passed(self) -> bool:
        """Whether every round was completed, within the budget."""
        return bool(self.rounds) and not self.stopped and not self.over_budget
