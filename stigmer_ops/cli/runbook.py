"""`runbook`: what a verdict, check, alert or trouble means, and how to mend it, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document
from stigmer_ops.runbook import PageKind

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.runbook import Page

app = typer.Typer(name="runbook", help="What it means, and how to mend it.", no_args_is_help=True)


def _names(incomplete: str) -> list[str]:
    from stigmer_ops.runbook import pages

    return [page.name for page in pages() if page.name.lower().startswith(incomplete.lower())]


@command(app, "list", examples=("runbook list", "runbook list --kind trouble -o json"))
def list_(
    invocation: Invocation,
    kind: Annotated[
        PageKind | None, typer.Option("--kind", help="Only the pages of this kind")
    ] = None,
) -> ExitCode:
    """List the pages of the runbook: name, kind and title."""
    from stigmer_ops.render.runbook import page_record, page_table
    from stigmer_ops.runbook import pages

    found = [page for page in pages() if kind in (None, page.kind)]
    records = [page_record(page) for page in found]

    def table(console: Console, _wide: bool) -> None:
        page_table(console, found)

    lines = [("RunbookPage", record) for record in records]
    invocation.write(Document("RunbookPages", {"pages": records}, lines), table)
    return ExitCode.OK


@command(
    app,
    "show",
    examples=(
        "runbook show stigmer-workflow-timed-out",
        "runbook show activity-never-completes",
        "runbook show verdicts/token-stale -o json",
    ),
)
def show(
    invocation: Invocation,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A verdict, check, alert or trouble, or the path of its page",
            autocompletion=_names,
        ),
    ],
) -> ExitCode:
    """Show one page: what it means, who is hurt, how to confirm it and how to mend it."""
    from stigmer_ops.render.runbook import page_record, print_page
    from stigmer_ops.runbook import find_page

    page = find_page(name)

    def table(console: Console, _wide: bool) -> None:
        print_page(console, page)

    invocation.write(Document("RunbookPage", {**page_record(page), "text": page.text}), table)
    if invocation.output.for_people:
        _say_what_to_set(invocation, page)
    return ExitCode.OK


def _say_what_to_set(invocation: Invocation, page: Page) -> None:
    from stigmer_ops.render.runbook import variables_of

    unset = [name for name in variables_of(page) if name not in invocation.environment]
    if unset:
        invocation.say(f"set first: export {' '.join(f'{name}=…' for name in unset)}")
