"""The screen of the live view: panels, a list, keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.live import Waiting
from stigmer_ops.handshake.selection import SortKey
from stigmer_ops.render.watch import panels
from stigmer_ops.render.watch.help import HelpScreen
from stigmer_ops.render.watch.listing import Listing
from stigmer_ops.render.watch.source import Left, Manner, Source
from stigmer_ops.render.watch.why import WhyScreen

TICK_SECONDS = 1.0
"""How often ages are drawn anew."""
MANY, PATIENCE = 5000, 5
"""With so many activities ages are drawn anew so many times more seldom: that is work too."""
WIDE = 120
"""Columns from which on the nearest deadlines have a panel of their own."""
MARGIN = 1
"""Cells at both sides of everything, as the list has them."""
HIGH = 18
"""Lines from which on there is room for panels above the list."""


class Words(Input):
    """Where the words of a filter are typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Filter by these"),
        Binding("escape", "screen.unfilter", "Show all", key_display="Esc"),
    ]


class Overview(Screen[None]):
    """Everything at a glance, read again and again."""

    DEFAULT_CSS = """
    Overview #head, Overview #verdicts, Overview #choice { height: 1; padding: 0 1; }
    Overview #troubles { height: auto; max-height: 3; padding: 0 1; }
    Overview #panels { height: 8; padding: 0 1; }
    Overview #panels Static { height: 8; margin: 0 2 0 0; }
    Overview #deadlines { display: none; }
    Overview.wide #deadlines { display: block; }
    Overview.low #panels { display: none; }
    Overview Listing { height: 1fr; }
    Overview #filter { display: none; height: 1; border: none; padding: 0 1; }
    Overview.filtering #filter { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "Reverse", show=False),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("d", "diagnose", "Diagnose all"),
        Binding("r", "reread", "Read anew"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Quit"),
        Binding("escape", "unfilter", "Show all", show=False),
    ]

    def __init__(self, source: Source, manner: Manner, fail: Callable[[Exception], None]) -> None:
        """Show nothing yet.

        Args:
            source: What is shown.
            manner: How it begins.
            fail: Ends the view with an error.
        """
        super().__init__()
        self._fail = fail
        self._source = source
        self._manner = manner
        self._choice = manner.choice
        self._live = source.live()
        self._found: list[Waiting] = []
        self._everything = False
        self._wanted = asyncio.Event()
        self._busy = 0
        self._ticks = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # --- Life ------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Head, panels, list, keys."""
        yield Static(id="head")
        yield Static(id="troubles")
        with Horizontal(id="panels"):
            yield Static(id="pending")
            yield Static(id="queues")
            yield Static(id="deadlines")
        yield Static(id="verdicts")
        yield Static(id="choice")
        yield Listing()
        yield Words(id="filter", placeholder="words of an id, type, queue or verdict", compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one(Listing).focus()
        self.set_interval(TICK_SECONDS, self._tick)
        self._start(self._follow())

    def on_unmount(self) -> None:
        """Nobody waits for answers any more."""
        for task in self._tasks:
            task.cancel()

    def on_resize(self) -> None:
        """Show what fits."""
        self.call_after_refresh(self._draw)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the terminal is put right first; then it is raised
            self._fail(error)

    # --- Reading ---------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            due = time.monotonic() + self._manner.interval.total_seconds()
            everything, self._everything = self._everything, False
            await self._source.refresh(everything=everything)
            self._learn()
            if self._source.round_is_due and (marked := self._live.marked()):
                self._start(self._judge(marked))
            if self._live.refreshes == self._manner.refreshes:
                self.app.exit(self.left())
                return
            await self._pause(due - time.monotonic())

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def _judge(self, waiting: list[Waiting]) -> None:
        if self._busy or not waiting:
            return
        self._busy = len(waiting)
        self._draw()
        try:
            await self._source.judge(waiting)
        finally:
            self._busy = 0
        self._learn()

    def _learn(self) -> None:
        self._live = self._source.live()
        self._list()

    def _list(self) -> None:
        """Choose anew what is listed: only news and keys change it, not the time."""
        self._found = self._choice.of(self._live)
        self._draw()

    def _tick(self) -> None:
        self._ticks += 1
        if len(self._live.waiting) > MANY and self._ticks % PATIENCE:
            return
        self._live = replace(self._live, now=self._source.now(), described=self._source.described)
        self._draw()

    # --- Drawing ---------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not (self.is_mounted and self.is_attached):
            return
        width, height = self.size.width - 2 * MARGIN, self.size.height
        live, three = self._live, self.size.width >= WIDE
        self.set_class(three, "wide")
        self.set_class(height < HIGH, "low")
        listing = self.query_one(Listing)
        listing.show(self._found, live, self.size.width)
        shares = panels.shares(width, three=three)
        drawn = {
            "head": panels.head(live, self._manner.interval, width),
            "troubles": panels.troubles(live),
            "pending": panels.pending(live, shares[0]),
            "queues": panels.queues(live, shares[1]),
            "deadlines": panels.deadlines(live, shares[2]),
            "verdicts": panels.verdicts(live, width),
            "choice": panels.listed(
                live, self._choice, count=len(self._found), busy=self._busy, width=width
            ),
        }
        for name, text in drawn.items():
            self.query_one(f"#{name}", Static).update(text)
        self.query_one("#troubles").display = bool(drawn["troubles"])
        for name, share in zip(("pending", "queues", "deadlines"), shares, strict=True):
            self.query_one(f"#{name}").styles.width = share

    # --- Keys ------------------------------------------------------------------------------------

    def left(self, *, interrupted: bool = False) -> Left:
        """How it is left now."""
        return Left(self._live, interrupted=interrupted)

    def action_leave(self) -> None:
        """End."""
        self.app.exit(self.left())

    def action_sort(self) -> None:
        """The next order."""
        keys = list(SortKey)
        following = keys[(keys.index(self._choice.key) + 1) % len(keys)]
        self._choice = replace(self._choice, key=following, reverse=False)
        self._list()

    def action_reverse(self) -> None:
        """The other way round."""
        self._choice = replace(self._choice, reverse=not self._choice.reverse)
        self._list()

    def action_filter(self) -> None:
        """Ask for words."""
        self.add_class("filtering")
        field = self.query_one("#filter", Input)
        field.value = self._choice.words
        field.focus()

    def action_unfilter(self) -> None:
        """Show all again."""
        self._choice = replace(self._choice, words="")
        self._close_filter()

    def _close_filter(self) -> None:
        self.remove_class("filtering")
        self.query_one(Listing).focus()
        self._list()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if self.has_class("filtering"):
            self._choice = replace(self._choice, words=event.value)
            self._list()

    def on_input_submitted(self) -> None:
        """Back to the list, filtered."""
        self._close_filter()

    def action_diagnose(self) -> None:
        """Look why everything waits that is listed, or could be, once its verdict is known."""
        waiting = self._found
        if not waiting:
            everything = replace(self._choice, words="").of(self._live)
            waiting = [one for one in everything if one.key not in self._live.verdicts]
        self._start(self._judge(waiting))

    def action_reread(self) -> None:
        """Read everything, now."""
        self._everything = True
        self._wanted.set()

    def action_help(self) -> None:
        """The page of keys."""
        self.app.push_screen(HelpScreen(self._live))

    def action_why(self) -> None:
        """Why the chosen one waits."""
        waiting = self.query_one(Listing).chosen
        if waiting is not None:
            self.app.push_screen(WhyScreen(waiting, self._live, self._source), self._left_why)

    def _left_why(self, printed: Diagnosis | None) -> None:
        if printed is not None:
            self.app.exit(Left(self._live, printed=printed))
        else:
            self._learn()
