"""The command tree, and the process around it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stigmer_ops import __version__
from stigmer_ops.cli import activity, audit, config, diagnose, pending, sandbox, token
from stigmer_ops.cli.commands import report_defect
from stigmer_ops.errors import ExitCode, StigmerOpsError
from stigmer_ops.render.errors import write_error
from stigmer_ops.render.output import OutputFormat

app = typer.Typer(
    name="stigmer-ops",
    help="Find, explain and repair Temporal activities that wait for a Stigmer agent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(activity.app)
app.add_typer(audit.app)
app.add_typer(config.app)
app.add_typer(diagnose.app)
app.add_typer(pending.app)
app.add_typer(sandbox.app)
app.add_typer(token.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"stigmer-ops {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find, explain and repair Temporal activities that wait for a Stigmer agent."""


def main() -> int:
    """Run the command line; returns the exit code.

    Typer itself exits 2 for wrong usage and 130 for Ctrl-C; commands exit by their own code.
    """
    try:
        app(prog_name="stigmer-ops")
    except StigmerOpsError as error:
        write_error(error, OutputFormat.TABLE)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - nothing may reach the interpreter's own handler
        return report_defect(error, debug=False)
    return ExitCode.OK
