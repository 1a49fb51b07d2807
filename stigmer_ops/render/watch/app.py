"""The live view on a terminal, from its first drawing to a terminal that is as it was before."""

from __future__ import annotations

import asyncio
import signal
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from stigmer_ops.render.watch.overview import Overview
from stigmer_ops.render.watch.source import Left, Manner, Source


class WatchApp(App[Left]):
    """The screens. It ends with how it was left.

    Attributes:
        failure: What ended it instead, to be raised by whoever ran it.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen, Static, DataTable, Footer, Input, VerticalScroll { background: ansi_default; }
    VerticalScroll { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
    ]

    def __init__(self, source: Source, manner: Manner) -> None:
        super().__init__()
        self.theme = "ansi-dark"  # the terminal's own colours, whether it is dark or light
        self.failure: Exception | None = None
        self._overview = Overview(source, manner, self.fail)

    def on_mount(self) -> None:
        """Show what there is."""
        self.push_screen(self._overview)

    def fail(self, error: Exception) -> None:
        """End because of an error."""
        self.failure = error
        self.exit()

    def _fatal_error(self) -> None:
        """End without Textual's traceback: it prints the values of variables, secrets included."""
        self.failure = self.failure or self._exception
        self._close_messages_no_wait()

    def stop(self, number: signal.Signals) -> None:
        """End because of a signal."""
        self.exit(self._overview.left(interrupted=number is signal.SIGINT))

    def action_interrupt(self) -> None:
        """End, as interrupted: on this screen Ctrl-C is a key, and no signal."""
        self.exit(self._overview.left(interrupted=True))


async def watch_on_screen(source: Source, manner: Manner) -> Left:
    """Show it until it is left, or a signal ends it.

    Raises:
        StigmerOpsError: Nothing could be read at the start.
    """
    app = WatchApp(source, manner)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, app.stop, number)
    # Without the mouse, the terminal's own selection copies what is shown.
    left = await app.run_async(mouse=False)
    if app.failure is not None:
        raise app.failure
    return left or Left(source.live())
