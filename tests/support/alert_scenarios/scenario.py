"""What a scenario is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from support.monitoring_stack import Stage


@dataclass(frozen=True)
class Scenario:
    """How an alert comes about, is explained, and ends.

    Attributes:
        play: Does all of it; it is given the name of the alert.
        seconds: About how long that takes.
        exporters: How many exporters watch.
        gateway: Whether they reach Temporal through a gateway.
    """

    play: Callable[[Stage, str], Awaitable[None]]
    seconds: int
    exporters: int = 1
    gateway: bool = False
