"""`dashboards`: the Grafana dashboard, generated from the catalogue, and seen without a Grafana."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import Outcome, command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import parse_duration
from stigmer_ops.cli.prometheus import PrometheusUrl, prometheus_of
from stigmer_ops.errors import ExitCode, InputError, UsageError
from stigmer_ops.monitoring.dashboards.schema import DashboardSchema
from stigmer_ops.monitoring.lint.model import Severity
from stigmer_ops.render.lint import LintFormat
from stigmer_ops.render.output import Document
from stigmer_ops.render.preview.theme import Theme

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.monitoring.preview.dashboard_json import Dashboard
    from stigmer_ops.monitoring.preview.picture import Picture

app = typer.Typer(name="dashboards", help="The Grafana dashboard.", no_args_is_help=True)

_USUAL = (Path("dashboards"), Path("alerts"))
_SCRAPE = timedelta(seconds=15)
"""What Grafana's data source assumes unless it is told otherwise."""


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


@command(
    app,
    "lint",
    examples=(
        "dashboards lint",
        "dashboards lint grafana/ --fail-on warning",
        "dashboards lint grafana/ rules/ --format sarif --ignore template-instance-rule",
    ),
)
def lint(
    invocation: Invocation,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATHS",
            help="Dashboards, the rule files whose alerts link to them, or folders with either",
            show_default="dashboards alerts",
        ),
    ] = None,
    format: Annotated[
        LintFormat, typer.Option("--format", help="How findings are written")
    ] = LintFormat.TEXT,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="The least severity that makes it exit 1")
    ] = Severity.ERROR,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="ID", help="Do not look for this; may be repeated"),
    ] = None,
) -> Outcome:
    """Look for what is wrong with dashboards: as `alerts lint` does, which has more options.

    Variables, data sources, units and descriptions; that every expression parses and uses what
    there is; and, where rule files are given, that each alert links to a panel.
    """
    from stigmer_ops.cli.alerts_lint import lint as lint_all

    return lint_all(
        invocation,
        paths=paths or [path for path in _USUAL if path.is_dir()],
        format=format,
        fail_on=fail_on,
        select=list(_lint_rules()),
        ignore=ignore,
    )


def _lint_rules() -> Iterator[str]:
    """The lint rules that look at dashboards, at expressions, or from alerts to dashboards."""
    from stigmer_ops.monitoring.lint.registry import RULES
    from stigmer_ops.monitoring.lint.sources.pages import Page
    from stigmer_ops.monitoring.lint.sources.rule_files import Group, Rule, RuleFile
    from stigmer_ops.monitoring.lint.sources.test_files import TestFile

    for rule in RULES:
        elsewhere = rule.subject in (Rule, Group, RuleFile, TestFile, Page)
        if not elsewhere or rule.id in ("dashboard-missing", "alert-without-panel"):
            yield rule.id


@command(
    app,
    "preview",
    examples=(
        "dashboards preview --prometheus http://localhost:9090",
        "dashboards preview --from now-2d --html preview.html --png preview.png",
        "dashboards preview grafana/orders.json --var namespace=orders --from now-1h -o wide",
    ),
)
def preview(
    invocation: Invocation,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A dashboard in the classic schema; else the one that `generate` writes",
            show_default=False,
        ),
    ] = None,
    prometheus: PrometheusUrl = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Begin: now-6h or RFC 3339",
            show_default="as in the dashboard",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="End", show_default="as in the dashboard"),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var",
            metavar="NAME=VALUE",
            help="Choose a value of a variable, a regular expression; repeatable",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write one page, without script", show_default=False
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png", metavar="FILE", help="Write a picture; needs Chromium", show_default=False
        ),
    ] = None,
    theme: Annotated[
        Theme | None,
        typer.Option(
            "--theme", help="Colours; printed pages are light", show_default="auto; light for PNG"
        ),
    ] = None,
    scrape_interval: Annotated[
        timedelta | None,
        typer.Option(
            "--scrape-interval",
            parser=parse_duration,
            metavar="DURATION",
            help="As Grafana's data source has it; rates take four of them",
            show_default="15s",
        ),
    ] = None,
) -> ExitCode:
    """Draw the dashboard from real data, as Grafana would show it, without a Grafana.

    On the terminal, or as a page or a picture. Exit 1 if Prometheus refuses the query of a panel;
    panels without data are named.
    """
    from stigmer_ops.monitoring.preview.camera import take
    from stigmer_ops.monitoring.preview.window import time_range
    from stigmer_ops.render.preview.terminal import preview_record, print_preview

    dashboard = _dashboard(invocation, file)
    now = invocation.now()
    range_ = time_range(
        from_ or dashboard.time.from_, to or dashboard.time.to, now, scrape_interval or _SCRAPE
    )
    source = prometheus_of(invocation, prometheus)
    picture = take(dashboard, source, range_, _chosen(variables or [], dashboard))
    written = _write(picture, html, png, theme)

    def table(console: Console, wide: bool) -> None:
        if not written:
            print_preview(console, picture, wide=wide)
        for path in written:
            console.print(f"written {path}", soft_wrap=True)

    invocation.write(Document("DashboardPreview", preview_record(picture, written)), table)
    return _judged(invocation, picture)


def _dashboard(invocation: Invocation, file: Path | None) -> Dashboard:
    from stigmer_ops.monitoring.preview.dashboard_json import read

    if file is None:
        from stigmer_ops.monitoring.catalogue import catalogue
        from stigmer_ops.monitoring.dashboards.files import classic_json

        settings = invocation.settings
        return read(classic_json(catalogue(settings), settings), "the generated dashboard")
    try:
        return read(file.read_text(encoding="utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}") from error


def _chosen(pairs: list[str], dashboard: Dashboard) -> dict[str, str]:
    chosen = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(chosen) < len(pairs):
        raise UsageError("--var takes NAME=VALUE, each name once")
    known = [variable.name for variable in dashboard.templating.list]
    for name in chosen:
        if name not in known:
            raise UsageError(f"the dashboard has no variable {name}: {', '.join(known) or 'none'}")
    return chosen


def _write(picture: Picture, html: Path | None, png: Path | None, theme: Theme | None) -> list[str]:
    from stigmer_ops.monitoring.preview.chromium import photograph
    from stigmer_ops.render.preview.page import WIDTH, page

    written = []
    if html is not None:
        _save(html, page(picture, theme or Theme.AUTO).encode())
        written.append(str(html))
    if png is not None:
        colours = theme or Theme.LIGHT
        measuring = page(picture, colours, measuring=True)
        try:
            photo = photograph(page(picture, colours), measuring, WIDTH)
        except OSError as error:
            raise InputError(f"cannot make {png}: {error.strerror or error}") from error
        _save(png, photo)
        written.append(str(png))
    return written


def _save(path: Path, content: bytes) -> None:
    from stigmer_ops.whole_files import write_whole

    try:
        write_whole(path, [content], overwrite=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _judged(invocation: Invocation, picture: Picture) -> ExitCode:
    refused = [drawn for drawn in picture.panels if drawn.refused]
    for drawn in refused:
        invocation.say(f"panel {drawn.panel.id} ({drawn.title}): {drawn.problem}")
    empty = [drawn.title for drawn in picture.panels if not drawn.series and not drawn.problem]
    if empty:
        invocation.say(f"no data: {', '.join(empty)}")
    return ExitCode.FINDINGS if refused else ExitCode.OK
