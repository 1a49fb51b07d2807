"""The page of the screen's keys and words."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from stigmer_ops.handshake.live import Live
from stigmer_ops.handshake.selection import SortKey
from stigmer_ops.render.text import short_duration
from stigmer_ops.render.watch.wrapping import hanging

_KEYS = (
    ("s, S", f"the next order of the list: {', '.join(SortKey)}; S turns it round"),
    ("/", "show what has these words in an id, type, queue or verdict; Esc shows all again"),
    ("Enter", "why this one waits, with evidence and what to type"),
    ("d", "look why everything waits that is listed, the first 200; / finds them by verdict then"),
    ("r", "read everything anew, now"),
    ("↑ ↓ PgUp PgDn Home End", "move in the list (k and j too)"),
    ("q, Ctrl-C", "end"),
)


def help_text(live: Live) -> Text:
    """What the keys do, and what the words and colours mean."""
    text = Text("Keys", style="bold")
    for key, meaning in _KEYS:
        text.append(f"\n  {key:<24}", style="not bold cyan").append(meaning, style="not bold")
    text.append("\n\nWhat is shown")
    age = short_duration(live.marks.stuck_after)
    share = round(live.marks.near_deadline_share * 100)
    for paragraph in (
        "The view changes nothing in Temporal. A refresh reads what has changed, as the exporter "
        "does; what nothing tells of shows up when its turn comes in the slow sweep, or with r.",
        f"Yellow: waiting for {age}, or past {share} % of its timeout. Red: overdue. Why those "
        "wait is looked at by itself, now and then; d and Enter look at others.",
        "WF and ACT are the live pollers for workflow and activity tasks: a red 0 is a queue that "
        "nobody polls; · is a kind of task that the queue does not have.",
        f"The last refresh took {live.calls:,} calls, the last look at why "
        f"{live.round.calls:,}; {live.calls_in_all:,} in all.",
        *live.round.notes,
    ):
        text.append(f"\n\n  {paragraph}", style="not bold")
    return text


MARGINS = 4
"""Cells beside the text: both margins, and the scroll bar."""


class HelpScreen(Screen[None]):
    """Help, until a key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss(None)", "Back", key_display="Esc"),
    ]

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live

    def compose(self) -> ComposeResult:
        """The text, scrolling, above the keys."""
        with VerticalScroll():
            yield Static(id="help")
        yield Footer(show_command_palette=False)

    def on_resize(self) -> None:
        """Break the lines anew."""
        text = hanging(help_text(self._live), self.size.width - MARGINS)
        self.query_one("#help", Static).update(text)
