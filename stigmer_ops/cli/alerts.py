"""`alerts`: Prometheus rules, generated from the catalogue, tested, and as they stand now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode
from stigmer_ops.monitoring.rule_format import RuleFormat

app = typer.Typer(name="alerts", help="The alerting rules.", no_args_is_help=True)


@command(
    app,
    "generate",
    examples=(
        "alerts generate",
        "alerts generate --check",
        "alerts generate --format prometheus-operator --out deploy/rules",
    ),
)
def generate(
    invocation: Invocation,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; show the difference and exit 1 if any"),
    ] = False,
    format: Annotated[
        RuleFormat,
        typer.Option(
            "--format", help="prometheus, or prometheus-operator for Kubernetes resources"
        ),
    ] = RuleFormat.PROMETHEUS,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the files are to be")
    ] = Path("alerts"),
) -> ExitCode:
    """Write the recording and alerting rules, a file for each group, and tests of them.

    Thresholds, windows, selectors and links come from the settings. A file that a former run wrote
    and this one does not is removed. The tests, below tests/generated, are promtool's; resources of
    the Prometheus Operator have none.
    """
    from stigmer_ops.cli.generation import deliver
    from stigmer_ops.monitoring.catalogue import catalogue
    from stigmer_ops.monitoring.rule_tests.starters import starter_files
    from stigmer_ops.monitoring.rules import HEADER, rule_files

    everything = catalogue(invocation.settings)
    files = rule_files(everything, invocation.settings, format)
    if format is RuleFormat.PROMETHEUS:
        files |= starter_files(everything, invocation.settings)
    return deliver(invocation, out, files, HEADER, check=check)
