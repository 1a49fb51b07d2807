"""The live view on a terminal: panels, a list, keys."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import DataTable, Footer, Input, Static

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
WIDE = 120
"""Columns from which on the nearest deadlines have a panel of their own."""
MARGIN = 1
"""Cells at both sides of everything, as the list has them."""
HIGH = 18
"""Lines from which on there is room for panels above the list."""


class WatchApp(App[Left]):
    """The screen. It ends with how it was left.

    Attributes:
        failure: What ended it instead, to be raised by whoever ran it.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; }
    Static, DataTable, Footer, VerticalScroll { background: ansi_default; }
    #head, #verdicts, #choice { height: 1; padding: 0 1; }
    #troubles { height: auto; max-height: 3; padding: 0 1; }
    #panels { height: 8; padding: 0 1; }
    #panels Static { height: 8; margin: 0 2 0 0; }
    #deadlines { display: none; }
    .wide #deadlines { display: block; }
    .low #panels { display: none; }
    DataTable { height: 1fr; }
    DataTable > .datatable--header, DataTable:focus > .datatable--header {
        background: ansi_default; text-style: bold underline;
    }
    DataTable > .datatable--even-row, DataTable > .datatable--odd-row { background: ansi_default; }
    DataTable > .datatable--cursor, DataTable:focus > .datatable--cursor {
        background: ansi_default; color: ansi_default; text-style: reverse;
    }
    #filter { display: none; height: 1; border: none; padding: 0; background: ansi_default; }
    .filtering #filter { display: block; }
    VerticalScroll { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "why", "Why"),
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "Reverse", show=False),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("d", "diagnose", "Diagnose all"),
        Binding("r", "reread", "Read anew"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Quit"),
        Binding("escape", "unfilter", "All", show=False),
        Binding("ctrl+c", "interrupt", "Interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
    ]

    def __init__(self, source: Source, manner: Manner) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.failure: Exception | None = None
        self._source = source
        self._manner = manner
        self._choice = manner.choice
        self._live = source.live()
        self._everything = False
        self._wanted = asyncio.Event()
        self._busy = 0
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
        yield Input(id="filter", placeholder="words of an id, type, queue or verdict", compact=True)
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
            self.failure = error
            self.exit()

    def _fatal_error(self) -> None:
        """End without Textual's traceback: it prints the values of variables, secrets included."""
        self.failure = self.failure or self._exception
        self._close_messages_no_wait()

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
                self.exit(self.left())
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
        self._draw()

    def _tick(self) -> None:
        self._live = replace(self._live, now=self._source.now(), described=self._source.described)
        self._draw()

    # --- Drawing ---------------------------------------------------------------------------------

    def _draw(self) -> None:
        main = self.screen_stack[0] if self.is_running else None
        if main is None or not main.is_mounted:
            return
        width, height = self.size.width - 2 * MARGIN, self.size.height
        live, three = self._live, width >= WIDE
        main.set_class(three, "wide")
        main.set_class(height < HIGH, "low")
        listing = main.query_one(Listing)
        count = listing.show(live, self._choice, self.size.width)
        shares = panels.shares(width, three=three)
        drawn = {
            "head": panels.head(live, self._manner.interval, width),
            "troubles": panels.troubles(live),
            "pending": panels.pending(live, shares[0]),
            "queues": panels.queues(live, shares[1]),
            "deadlines": panels.deadlines(live, shares[2]),
            "verdicts": panels.verdicts(live, width),
            "choice": panels.listed(live, self._choice, count=count, busy=self._busy, width=width),
        }
        for name, text in drawn.items():
            main.query_one(f"#{name}", Static).update(text)
        main.query_one("#troubles").display = bool(drawn["troubles"])
        for name, share in zip(("pending", "queues", "deadlines"), shares, strict=True):
            main.query_one(f"#{name}").styles.width = share

    # --- Keys ------------------------------------------------------------------------------------

    def left(self, *, interrupted: bool = False) -> Left:
        """How it is left now."""
        return Left(self._live, interrupted=interrupted)

    def stop(self, number: signal.Signals) -> None:
        """End because of a signal."""
        self.exit(self.left(interrupted=number is signal.SIGINT))

    def action_leave(self) -> None:
        """End."""
        self.exit(self.left())

    def action_interrupt(self) -> None:
        """End, as interrupted: on this screen Ctrl-C is a key, and no signal."""
        self.exit(self.left(interrupted=True))

    def action_sort(self) -> None:
        """The next order."""
        keys = list(SortKey)
        following = keys[(keys.index(self._choice.key) + 1) % len(keys)]
        self._choice = replace(self._choice, key=following, reverse=False)
        self._draw()

    def action_reverse(self) -> None:
        """The other way round."""
        self._choice = replace(self._choice, reverse=not self._choice.reverse)
        self._draw()

    def action_filter(self) -> None:
        """Ask for words."""
        self.screen.add_class("filtering")
        field = self.query_one("#filter", Input)
        field.value = self._choice.words
        field.focus()

    def action_unfilter(self) -> None:
        """Show all again."""
        self._choice = replace(self._choice, words="")
        self._close_filter()

    def _close_filter(self) -> None:
        self.screen.remove_class("filtering")
        self.query_one(Listing).focus()
        self._draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if self.screen.has_class("filtering"):
            self._choice = replace(self._choice, words=event.value)
            self._draw()

    def on_input_submitted(self) -> None:
        """Back to the list, filtered."""
        self._close_filter()

    def action_diagnose(self) -> None:
        """Look why everything waits that is listed."""
        self._start(self._judge(self._choice.of(self._live)))

    def action_reread(self) -> None:
        """Read everything, now."""
        self._everything = True
        self._wanted.set()

    def action_help(self) -> None:
        """The page of keys."""
        self.push_screen(HelpScreen(self._live))

    def action_why(self) -> None:
        """Why the chosen one waits."""
        waiting = self.query_one(Listing).chosen
        if waiting is not None:
            self.push_screen(WhyScreen(waiting, self._live, self._source), self._left_why)

    def on_data_table_row_selected(self, _event: DataTable.RowSelected) -> None:
        """Enter, which the list takes for itself."""
        self.action_why()

    def _left_why(self, printed: Diagnosis | None) -> None:
        if printed is not None:
            self.exit(Left(self._live, printed=printed))
        else:
            self._learn()


async def watch_on_screen(screen: WatchApp) -> Left:
    """Show it until it is left.

    Raises:
        StigmerOpsError: Nothing could be read at the start.
    """
    # Without the mouse, the terminal's own selection copies what is shown.
    left = await screen.run_async(mouse=False)
    if screen.failure is not None:
        raise screen.failure
    return left or screen.left()
