"""What a fault is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.conditions import Condition
from stigmer_ops.sandbox.handshake import Handshake, Kind
from stigmer_ops.sandbox.plan import Call


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong with one external activity, or does not.

    Attributes:
        id: Kebab-case name.
        title: What is the matter, in a few words.
        breaks: What the fault does, in one sentence, and what is seen of it.
        cause: Number of the cause, of the twelve that an external activity is stuck for: 1 its time
            is not up; 2 no token was passed; 3 no runner; 4 the runner retries; 5 the Stigmer
            workflow closed without a callback; 6 the callback failed; 7 its input cannot be
            decoded; 8 it is not registered, or its queue not polled; 9 the edition has none; 10 the
            token is stale; 11 the token is damaged; 12 paused. None where it is none of them.
        verdict: What `diagnose` says of the activity, by id; None where it does not stay pending.
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
    verdict: str | None
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
        if not self.call.settings.polled:
            return 0
        attempts = 2 if self.call.new_execution_each_attempt else 1
        return 0 if self.call.script.create_refused else self.call.executions * attempts
