"""What the callbacks' reader found: which execution belongs to which activity, and what ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from stigmer_ops.handshake.execution import Claim, Edition

Status = Literal["success", "failure"]
ErrorType = Literal["token_empty", "client_error", "timeout", "unknown"]
Service = Literal["go", "java", "unknown"]

SERVICES: dict[Edition | None, Service] = {
    Edition.GO: "go",
    Edition.JAVA: "java",
    None: "unknown",
}
"""Value of the label `service` by edition."""


class Link(NamedTuple):
    """An execution, by the external activity that its token names.

    `edition` is None while no workflow task of the execution has ended, so that nothing tells.
    """

    claim: Claim
    edition: Edition | None


@dataclass(frozen=True, slots=True)
class CallbackEnd:
    """One callback that came to its end.

    Attributes:
        claim: What its execution's token says of the external activity.
        namespace: Name of the external activity's namespace; Stigmer's own where the token does
            not tell one, or names one that does not exist.
        service: Edition that ran it.
        status: As the catalogue's label says; None for a callback without a token, which does
            nothing, and so is neither a success nor a failure of a completion.
        duration: From its scheduling to its end, retries included: see `Callback.scheduled`.
        error_type: None where nothing went wrong.
        time: When it ended, by the server's clock.
    """

    claim: Claim
    namespace: str
    service: Service
    status: Status | None
    duration: timedelta
    error_type: ErrorType | None
    time: datetime | None = None


@dataclass(slots=True)
class CallbackNews:
    """What one reading found.

    Attributes:
        links: Executions that started since, and again those whose callback ended. The same one
            may come more than once.
        ended: Callbacks that ended. They are in the totals already.
        unreadable: Counts by the catalogue's label `item` of what could not be read this time.
        given_up: Those among them that are not tried again.
        caught_up: Whether there is nothing more to read now. If not, save the state, then read on.
    """

    links: list[Link] = field(default_factory=list)
    ended: list[CallbackEnd] = field(default_factory=list)
    unreadable: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    caught_up: bool = True
