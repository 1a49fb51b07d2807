"""`dashboards`: the Grafana dashboard, generated from the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode
from stigmer_ops.monitoring.dashboards.schema import DashboardSchema

app = typer.Typer(name="dashboards", help="The Grafana dashboard.", no_args_is_help=True)


@command(
    app,
    "generate",
    examples=(
        "dashboards generate",
        "dashboards generate --check",
        "dashboards generate --schema v2 --out deploy/grafana",
    ),
)
def generate(
    invocation: Invocation,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; show the difference and exit 1 if any"),
    ] = False,
    schema: Annotated[
        DashboardSchema,
        typer.Option(
            "--schema",
            help="classic for files, from Grafana 11 on; v2 for the API, Terraform and Git Sync",
        ),
    ] = DashboardSchema.CLASSIC,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the files are to be")
    ] = Path("dashboards"),
) -> ExitCode:
    """Write the dashboard, and the file that provisions it.

    Thresholds are those of the alerts; thresholds, windows, selectors and links come from the
    settings.
    """
    from stigmer_ops.cli.generation import deliver
    from stigmer_ops.monitoring.catalogue import catalogue
    from stigmer_ops.monitoring.dashboards.files import HEADER, dashboard_files

    files = dashboard_files(catalogue(invocation.settings), invocation.settings, schema)
    return deliver(invocation, out, files, HEADER, check=check)
