"""The root command, and the process around it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from stigmer_ops import __version__
from stigmer_ops.cli.commands import report_defect
from stigmer_ops.cli.streams import prepare_streams
from stigmer_ops.cli.tree import RootGroup
from stigmer_ops.errors import ExitCode, StigmerOpsError
from stigmer_ops.render.errors import write_error
from stigmer_ops.render.output import OutputFormat

app = typer.Typer(
    name="stigmer-ops",
    cls=RootGroup,
    help="Find, explain and repair Temporal activities that wait for a Stigmer agent.",
    # At the end, because on a small terminal the beginning of the list scrolls away.
    epilog="Start with: stigmer-ops check, then stigmer-ops diagnose",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    prepare_streams()
    code = _exit_code()
    _leave(code)
    return code


def _exit_code() -> int:
    try:
        app(prog_name="stigmer-ops")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else ExitCode.OK
    except StigmerOpsError as error:
        write_error(error, OutputFormat.TABLE)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - nothing may reach the interpreter's own handler
        return report_defect(error, debug=False)
    return ExitCode.OK


def _leave(code: int) -> None:
    """End the process at once where the Temporal SDK is loaded.

    Its threads drop the calls that were given up (Ctrl-C, an error among many reads), and take the
    interpreter's lock to do so. In an interpreter that is ending, this hangs or aborts the process:
    with temporalio 1.35 on CPython 3.11, four of five scripts that end right after cancelling a
    call, and fewer the longer they take to end. Nothing that we need happens after this point.
    """
    if "temporalio" not in sys.modules:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
