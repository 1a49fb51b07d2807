"""Windows begun on other machines, whose journals are there: known by the silences they made.

Two windows at once would each take the other's rates and timeouts for those of everyday.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from stigmer_ops.monitoring.alertmanager import Alertmanager, matchers_of
from stigmer_ops.settings import Settings

_MARK = re.compile(
    r"\[stigmer-ops maintenance (?P<run>\S+) of (?P<namespace>\S+) on (?P<host>.+?)"
    r" since (?P<since>[0-9TZ.]+)\]"
)


@dataclass(frozen=True, slots=True)
class WindowElsewhere:
    """A window whose silence is active.

    Attributes:
        run: Its journal's name, on the machine where it was begun.
        host: That machine.
        operator: Who began it.
        ends: When its silence ends, UTC.
        silence_id: That silence's UUID.
    """

    run: str
    host: str
    operator: str
    ends: datetime
    silence_id: str

    def __str__(self) -> str:
        return (
            f"window {self.run} of this namespace was begun on {self.host} by {self.operator} and "
            f"has not ended: silence {self.silence_id} is active until "
            f"{self.ends:%Y-%m-%dT%H:%M:%SZ}"
        )


def mark(*, run: str, namespace: str, host: str, begin: datetime) -> str:
    """What the comment of a window's silence begins with, and that of no other."""
    return f"[stigmer-ops maintenance {run} of {namespace} on {host} since {_since(begin)}]"


def windows_elsewhere(
    manager: Alertmanager,
    settings: Settings,
    namespace: str,
    *,
    host: str = "",
    begin: datetime | None = None,
) -> list[WindowElsewhere]:
    """The open windows of a namespace of this installation, but for our own.

    Args:
        manager: Where windows make their silences.
        settings: `monitoring.silence_matchers` tells installations apart.
        namespace: The external namespace.
        host: Of our own window, where there is one.
        begin: When that began.

    Raises:
        StigmerOpsError: Alertmanager cannot be reached, or refuses us.
    """
    here = set(matchers_of(settings.monitoring.silence_matchers))
    own = (host, _since(begin)) if begin else None
    found = []
    for silence in manager.silences():
        marked = _MARK.match(silence.comment)
        if (
            marked is not None
            and silence.state == "active"
            and marked["namespace"] == namespace
            and (marked["host"], marked["since"]) != own
            and {each for each in silence.matchers if each.name != "alertname"} == here
        ):
            run, host_there = marked["run"], marked["host"]
            found.append(
                WindowElsewhere(run, host_there, silence.created_by, silence.ends, silence.id)
            )
    return found


def _since(begin: datetime) -> str:
    return f"{begin:%Y%m%dT%H%M%S}.{begin.microsecond // 1000:03d}Z"
