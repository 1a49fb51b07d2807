"""Where a handshake stopped, as far as log lines can tell: one entry a verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from stigmer_ops.handshake.execution import Edition, ExecutionKind
from stigmer_ops.logs import stages
from stigmer_ops.logs.messages import MESSAGES, Message, Outcome
from stigmer_ops.logs.stages import STAGE_BY_ID, STAGES, Service, Stage


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the lines of the newest execution of a handshake say.

    Attributes:
        messages: Which messages were seen.
        kind: Whether the execution is an agent's or a workflow's; None if no line tells.
        outcomes_without_ids: Whether the logs hold ends of callbacks that carry only the preview
            of a token, so that any of them may be this handshake's.
    """

    messages: frozenset[Message]
    kind: ExecutionKind | None = None
    outcomes_without_ids: bool = False

    @property
    def reached(self) -> Stage | None:
        """The furthest stage that was reached; None if all that is there are failures."""
        stages_passed = (_passed(message) for message in self.messages)
        return max(filter(None, stages_passed), key=lambda stage: stage.rank, default=None)

    @property
    def unseen(self) -> tuple[Stage, ...]:
        """Stages before the furthest of which there is no line: a log may be missing.

        Not those that these editions do not log.
        """
        reached = self.reached
        told = {message.stage for message in self.messages}
        passed = STAGES[: reached.rank if reached else 0]
        return tuple(s for s in passed if s not in told and loggers_of(s, self.editions))

    def tells(self, outcome: Outcome, stage: Stage) -> bool:
        """Whether a line says `outcome` of `stage`."""
        return any(m.outcome is outcome and m.stage is stage for m in self.messages)

    @property
    def editions(self) -> frozenset[Edition]:
        """The editions whose lines were seen."""
        return frozenset(m.edition for m in self.messages if m.edition is not None)


def _passed(message: Message) -> Stage | None:
    """The stage that must have been reached for `message` to be logged."""
    if message.outcome is not Outcome.FAILED:
        return message.stage
    # What failed was tried, so the stage before it was reached.
    return next((stage for stage in STAGES if stage.follows == message.stage.id), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One way for a handshake to have ended, or not.

    Attributes:
        id: Kebab-case name.
        title: The sentence to print.
        finished: Nothing more is to come: the external activity has its result.
        advice: What to look at next.
        applies: Whether it is this one; the first in `VERDICTS` that applies counts.
    """

    id: str
    title: str
    finished: bool
    advice: str
    applies: Callable[[Evidence], bool]


def _delivered(evidence: Evidence) -> bool:
    return evidence.tells(Outcome.REACHED, stages.CALLBACK_DELIVERED)


def _without_callback_code(evidence: Evidence) -> bool:
    return (
        evidence.kind is ExecutionKind.WORKFLOW
        and Edition.JAVA not in evidence.editions
        and stages.AGENT_FINISHED is evidence.reached
    )


def _unproven(evidence: Evidence) -> bool:
    return evidence.reached is stages.CALLBACK_STARTED and evidence.outcomes_without_ids


VERDICTS: tuple[Verdict, ...] = (
    Verdict(
        "delivered",
        "the callback was delivered",
        True,
        "If the activity still waits, another attempt of it does: stigmer-ops diagnose",
        _delivered,
    ),
    Verdict(
        "callback-failed",
        "the callback failed",
        False,
        "The error says why; stigmer-ops diagnose proves it, activity redeliver repairs it",
        lambda evidence: evidence.tells(Outcome.FAILED, stages.CALLBACK_DELIVERED),
    ),
    Verdict(
        "token-missing",
        "the callback found no token",
        False,
        "The caller must pass its task token as spec.callback_token",
        lambda evidence: any(m.outcome is Outcome.NO_TOKEN for m in evidence.messages),
    ),
    Verdict(
        "create-failed",
        "Stigmer did not accept the execution",
        False,
        "The external activity has failed at once; its workflow decides what follows",
        lambda evidence: evidence.tells(Outcome.FAILED, stages.EXECUTION_CREATED),
    ),
    Verdict(
        "no-callback-code",
        "the execution ended, and workflow executions have no callback in this edition",
        False,
        "Nothing more will come by itself: stigmer-ops activity redeliver",
        _without_callback_code,
    ),
    Verdict(
        "outcome-not-joined",
        "the callback was started; its end cannot be told from these logs",
        False,
        "Lines with the end of a callback carry only the token's preview, which is the same for "
        "all tokens of the namespace: stigmer-ops diagnose asks Temporal instead",
        _unproven,
    ),
    Verdict(
        "token-not-seen",
        "no line shows that the execution carries a token",
        False,
        "The token was not passed, or the log that would show it is missing: stigmer-ops diagnose",
        lambda evidence: not any(message.proves_token for message in evidence.messages),
    ),
    Verdict(
        "stopped",
        "the logs end before the callback",
        False,
        "stigmer-ops diagnose tells from Temporal whether it still runs",
        lambda _: True,
    ),
)
"""All verdicts, in the order in which they are tried."""


def verdict_on(evidence: Evidence) -> Verdict:
    """The verdict on a handshake."""
    return next(verdict for verdict in VERDICTS if verdict.applies(evidence))


def expected(evidence: Evidence) -> Stage | None:
    """The stage that should come next and be logged; None where the handshake has ended."""
    reached = evidence.reached
    stage = STAGE_BY_ID.get(reached.follows) if reached else stages.TOKEN_EXTRACTED
    while stage is not None and not loggers_of(stage, evidence.editions):
        stage = STAGE_BY_ID.get(stage.follows)
    return stage


def loggers_of(stage: Stage, editions: Collection[Edition]) -> tuple[tuple[Service, str], ...]:
    """Who would log that `stage` was reached, and in which words.

    Args:
        stage: The stage.
        editions: Only these editions, and what is common to both; all if empty.
    """
    logged = (
        (message.service, message.text)
        for message in MESSAGES
        if message.stage is stage
        and message.outcome is Outcome.REACHED
        and (message.edition is None or not editions or message.edition in editions)
    )
    return tuple(dict.fromkeys(logged))
