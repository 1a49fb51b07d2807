"""Where the screen gets what it shows, and how it is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.live import Choice, Live, Waiting, Why


class Source(Protocol):
    """What reads both sides of the handshake."""

    def now(self) -> datetime:
        """The server's time."""

    @property
    def described(self) -> int:
        """How many workflows were described so far."""

    def live(self) -> Live:
        """All that is known; no calls."""

    async def refresh(self, *, everything: bool = False) -> None:
        """Read what has changed; StigmerOpsError where nothing was ever read."""

    @property
    def round_is_due(self) -> bool:
        """Whether it is time to look at why things wait."""

    async def judge(self, waiting: Sequence[Waiting]) -> None:
        """Look at why these wait."""

    async def why(self, key: ActivityKey) -> Why:
        """Why one waits; StigmerOpsError where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the screen begins.

    Attributes:
        interval: How often it refreshes.
        refreshes: After how many it ends; None for never.
        choice: What the list shows.
    """

    interval: timedelta
    refreshes: int | None
    choice: Choice


@dataclass(frozen=True, slots=True)
class Left:
    """How the screen was left.

    Attributes:
        live: What was last known.
        interrupted: Whether by Ctrl-C.
        printed: A diagnosis that is to stay on the terminal.
    """

    live: Live
    interrupted: bool = False
    printed: Diagnosis | None = None
