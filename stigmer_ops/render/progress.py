"""How far a long read has come, on standard error, where somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(
    wanted: bool,
    description: str,
    *,
    done: Callable[[], int],
    total: int | None = None,
    told: Callable[[], str] = str,
) -> Iterator[None]:
    """Show a bar while the block runs, and remove it at its end.

    Args:
        wanted: Whether to show it (`Invocation.progress_wanted`).
        description: What is being done, as in "reading workflows".
        done: How much was done; asked whenever the bar is drawn.
        total: How much there is to do, where that is known.
        told: What else to show beside the bar; asked as `done` is.
    """
    if not wanted:
        yield
        return
    from rich.console import Console, RenderableType  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    class Following(Progress):
        """Asks for the count by itself, so that nobody has to report every step."""

        def get_renderables(self) -> Iterator[RenderableType]:
            for task_id in self.task_ids:
                self.update(task_id, completed=done(), told=told())
            yield from super().get_renderables()

    bar = Following(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[told]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        bar.add_task(description, total=total, told=told())
        yield
