"""`escalate`: where to go with an incident, and what to take there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.check import access_of, check_everything
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, parse_duration
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.escalation.situation import Situation

app = typer.Typer()


@command(
    app,
    "escalate",
    examples=(
        "escalate",
        "escalate --lasting 2h",
        "escalate --message | tee incident.md",
        "escalate -o json",
    ),
)
async def escalate(
    invocation: Invocation,
    connection: Connection,
    lasting: Annotated[
        timedelta | None,
        typer.Option(
            "--lasting",
            parser=parse_duration,
            metavar="DURATION",
            help="For how long it has lasted, if you know better than what can be read",
            show_default=False,
        ),
    ] = None,
    only_message: Annotated[
        bool, typer.Option("--message", help="Write only what to paste")
    ] = False,
) -> ExitCode:
    """Show where to go with an incident, which steps to take now, and what to paste there.

    Runs every check, diagnoses what waits, and asks Prometheus what fires. What cannot be reached
    is told in the message: it works while systems are down. The steps are those of the settings
    (escalation); which of them are defaults is said. Exits 0, whatever is wrong.
    """
    from stigmer_ops.procedures.escalation.path import STEPS, Incident
    from stigmer_ops.render.escalate import escalation_page, escalation_record, message

    situation = await _situation(invocation, connection)
    incident = Incident(situation, invocation.settings, lasting)
    text = message(situation)
    if only_message and invocation.output.for_people:
        write_text(text + "\n")
        return ExitCode.OK
    decided = [(step, step.where(incident), step.decide(incident)) for step in STEPS]

    defaults = invocation.loaded_settings.defaults

    def table(console: Console, _wide: bool) -> None:
        escalation_page(console, decided, text, defaults)

    record = escalation_record(decided, situation, text, defaults)
    invocation.write(Document("Escalation", record), table)
    return ExitCode.OK


async def _situation(invocation: Invocation, connection: Connection) -> Situation:
    from stigmer_ops.procedures.checks.context import CheckContext
    from stigmer_ops.procedures.escalation import situation

    async with CheckContext.opened(access_of(invocation, connection)) as context:
        run = await check_everything(invocation, context)
        return await situation.situation(context, run.results)
