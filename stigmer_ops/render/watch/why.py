"""The pane that says why one activity waits."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.live import Live, Waiting, Why
from stigmer_ops.render.diagnosis import print_group
from stigmer_ops.render.text import rfc3339, short_duration, visible
from stigmer_ops.render.watch.panels import whose
from stigmer_ops.render.watch.wrapping import hanging

if TYPE_CHECKING:
    from stigmer_ops.render.watch.source import Source

_MARGIN = 4
"""Cells beside the text: both margins, and the scroll bar."""


class WhyScreen(Screen[Diagnosis | None]):
    """One activity: what is known of it at once, and why it waits as soon as that is known.

    It ends with a diagnosis that is to be printed, or with None.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,backspace", "dismiss(None)", "Back", key_display="Esc"),
        Binding("r", "look", "Look again"),
        Binding("p", "leave", "Quit, and print this"),
    ]

    def __init__(self, waiting: Waiting, live: Live, source: Source) -> None:
        super().__init__()
        self._waiting = waiting
        self._live = live
        self._source = source
        self._why: Why | None = None
        self._error: StigmerOpsError | None = None
        self._looking: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        """The text, scrolling, above the keys."""
        with VerticalScroll():
            yield Static(id="why")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to look."""
        self.action_look()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._show()

    def on_unmount(self) -> None:
        """Whoever has gone waits for no answer."""
        if self._looking is not None:
            self._looking.cancel()

    def action_look(self) -> None:
        """Look why it waits, unless that is being done."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    def action_leave(self) -> None:
        """End the view, with the diagnosis on the terminal."""
        if self._why is not None and self._why.diagnosis is not None:
            self.dismiss(self._why.diagnosis)

    async def _look(self) -> None:
        self._why, self._error = None, None
        self._show()
        try:
            self._why = await self._source.why(self._waiting.key)
        except StigmerOpsError as error:
            self._error = error
        self._show()

    def _show(self) -> None:
        width = max(20, self.size.width - _MARGIN)
        page = facts(self._waiting, self._live)
        page.append("\n\n").append_text(self._conclusion())
        self.query_one("#why", Static).update(hanging(page, width))

    def _conclusion(self) -> Text:
        if self._error is not None:
            return _refusal(self._error)
        if self._why is None:
            return Text("looking why it waits …", style="cyan")
        if self._why.diagnosis is None:
            return Text("it settled while it was looked at", style="green")
        text = diagnosis_text(self._why.diagnosis, self._source)
        for note in self._why.notes:
            text.append(f"\nnote: {visible(note)}", style="yellow")
        return text.append(f"\n{self._why.calls:,} calls", style="dim")


def facts(waiting: Waiting, live: Live) -> Text:
    """What is known of an activity without asking."""
    key, now = waiting.key, live.now
    text = Text(visible(f"{whose(waiting)}  activity {key.activity_id}"), style="bold")
    lines = (
        ("run", key.run_id),
        ("type", waiting.activity_type),
        ("queue", waiting.task_queue),
        ("waiting", f"{short_duration(waiting.age(now))}, since {rfc3339(waiting.since)}"),
        ("deadline", _deadline(waiting, live)),
    )
    for name, value in lines:
        text.append(f"\n  {name:<9} ", style="not bold dim").append(visible(value), "not bold")
    return text


def _deadline(waiting: Waiting, live: Live) -> str:
    if waiting.deadline is None:
        return "none"
    left = short_duration(waiting.time_left(live.now))
    return f"in {left}, at {rfc3339(waiting.deadline)}"


def diagnosis_text(diagnosis: Diagnosis, source: Source) -> Text:
    """What `diagnose` prints of it; lines are as long as they are."""
    console = Console(
        file=io.StringIO(),
        width=10_000,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=True,
        color_system="standard",
    )
    with console.capture() as printed:
        print_group(console, diagnosis.verdict, [diagnosis], source.now(), everything=True)
    return Text.from_ansi(printed.get())


def _refusal(error: StigmerOpsError) -> Text:
    text = Text(visible(" ".join(error.happened.split())), style="bold red")
    return text.append(f"\n  next: {visible(error.advice)}" if error.advice else "", "not bold")
