"""The faults that a simulated handshake can have: one entry each, selectable by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.errors import UsageError

from . import conditions
from .conditions import Condition
from .handshake import Handshake, Kind
from .plan import (
    Call,
    Script,
    TokenState,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LONG = 20 * HOUR
"""How long agents work, and their Stigmer workflows may run, where the state is to hold still."""

BRIEF = timedelta(seconds=10)
"""How long agents work that are to be over soon."""

_LONG_RUN = Script(runs_for=LONG, run_timeout=LONG)
_BRIEF_RUN = Script(runs_for=BRIEF)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong with one external activity, or does not.

    Attributes:
        id: Kebab-case name.
        title: What is the matter, in a few words.
        breaks: What the fault does, in one sentence, and what is seen of it.
        cause: Number of the cause, of the twelve that an activity can be stuck for (see
            `CAUSES`); None where it is none of them.
        call: What both sides do. All times are nominal.
        visible: Holds once the fault can be seen.
        act: Something that a person does to an activity of a handshake, once `act_when` holds.
        act_when: See `act`.
        kind: The kind of handshake, if the fault is about one.
    """

    id: str
    title: str
    breaks: str
    cause: int | None
    call: Call
    visible: Condition
    act: Callable[[Handshake, str], Awaitable[None]] | None = None
    act_when: Condition = conditions.agent_running
    kind: Kind | None = None

    @property
    def stays_pending(self) -> bool:
        """Whether the external activity is still pending when the fault is visible."""
        return self.visible is not conditions.closed

    @property
    def executions(self) -> int:
        """How many executions Stigmer has for the activity when the fault is visible."""
        attempts = 2 if self.call.new_execution_each_attempt else 1
        return 0 if self.call.script.create_refused else self.call.executions * attempts


FAULTS: tuple[Fault, ...] = (
    Fault(
        id="healthy",
        title="Nothing is wrong",
        breaks="The agent works for a minute, and the external activity completes.",
        cause=None,
        call=Call(script=Script(runs_for=MINUTE)),
        visible=conditions.closed,
    ),
    Fault(
        id="still-running",
        title="The agent is at work",
        breaks="Nothing is broken: the agent takes hours, and its time is not up.",
        cause=1,
        call=Call(script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="token-not-passed",
        title="The token was not passed",
        breaks="The execution is created without a token, and finishes; nobody calls back.",
        cause=2,
        call=Call(token=TokenState.ABSENT, script=_BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
)

BY_ID = {fault.id: fault for fault in FAULTS}
"""The faults by name."""


def fault(name: str) -> Fault:
    """The fault of that name.

    Raises:
        UsageError: If there is none.
    """
    try:
        return BY_ID[name]
    except KeyError:
        raise UsageError(
            f"there is no fault {name!r}",
            not_done="the handshake was not started",
            next_step=f"one of: {', '.join(BY_ID)}",
        ) from None
