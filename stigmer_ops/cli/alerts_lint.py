"""`alerts lint` and `alerts explain`: what is wrong with rules, tests, dashboards and pages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import parse_duration
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.monitoring.lint.model import Severity
from stigmer_ops.render.lint import LintFormat
from stigmer_ops.render.output import Document, OutputFormat, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from stigmer_ops.monitoring.lint.known import Known
    from stigmer_ops.monitoring.lint.live import Live
    from stigmer_ops.monitoring.lint.model import Report
    from stigmer_ops.monitoring.lint.project import Project
    from stigmer_ops.monitoring.lint.run import Options

app = typer.Typer()

_USUAL = ("alerts", "dashboards", "runbooks")
_SCRAPE_INTERVAL = timedelta(seconds=15)
WHAT, HOW = "What is looked for", "What is known"


@command(
    app,
    "lint",
    examples=(
        "alerts lint",
        "alerts lint rules/ dashboards/ --fail-on warning",
        "alerts lint rules.yaml --format sarif",
        "alerts lint rules/ --catalogue metrics.txt --ignore runbook-url-missing",
        "alerts lint rules/ --baseline lint-baseline.json --write-baseline",
        "alerts lint rules/ --prometheus http://127.0.0.1:9090",
    ),
)
def lint(
    invocation: Invocation,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATHS",
            help="Rule files, rule tests, dashboards, runbook pages, or folders with them",
            show_default="alerts dashboards runbooks",
        ),
    ] = None,
    format: Annotated[
        LintFormat, typer.Option("--format", help="How findings are written")
    ] = LintFormat.TEXT,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="The least severity that makes it exit 1")
    ] = Severity.ERROR,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            metavar="ID",
            help="Look for this only; an id or the beginning of one; may be repeated",
            rich_help_panel=WHAT,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="ID",
            help="Do not look for this; may be repeated",
            rich_help_panel=WHAT,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Pass over the findings that this file holds",
            rich_help_panel=WHAT,
        ),
    ] = None,
    write_baseline: Annotated[
        bool,
        typer.Option(
            "--write-baseline",
            help="Write what is found to the file of --baseline, and exit 0",
            rich_help_panel=WHAT,
        ),
    ] = False,
    catalogue: Annotated[
        list[Path] | None,
        typer.Option(
            "--catalogue",
            metavar="FILE",
            help="Metrics with types, labels and buckets: YAML, or what a /metrics page says",
            rich_help_panel=HOW,
        ),
    ] = None,
    no_catalogue: Annotated[
        bool,
        typer.Option(
            "--no-catalogue",
            help="Know nothing of the metrics of stigmer-ops",
            rich_help_panel=HOW,
        ),
    ] = False,
    prometheus: Annotated[
        str | None,
        typer.Option(
            "--prometheus",
            metavar="URL",
            help="Ask this Prometheus too: series, types, retention, loaded rules, past alerts",
            rich_help_panel=HOW,
        ),
    ] = None,
    scrape_interval: Annotated[
        timedelta | None,
        typer.Option(
            "--scrape-interval",
            parser=parse_duration,
            metavar="DURATION",
            help="How often targets are scraped",
            show_default="15s",
            rich_help_panel=HOW,
        ),
    ] = None,
) -> ExitCode:
    """Look for what is wrong with rules, rule tests, dashboards and runbook pages.

    Ours or anybody's, without a server. promtool decides on syntax where it is installed. Exits 1
    if anything of the severity of --fail-on is found.

    A comment `# ack ID until=DATE reason=TEXT` in or above a rule accepts a finding for a time.
    """
    import gc

    from stigmer_ops.monitoring.lint.run import lint as run

    # What is read is needed to the end, so that collecting it in between only costs time.
    gc.disable()
    project = _project(paths)
    options = _options(
        invocation,
        project,
        known=_known(invocation, project, catalogue or [], use_own=not no_catalogue),
        scrape_interval=scrape_interval or _SCRAPE_INTERVAL,
        select=select,
        ignore=ignore,
        baseline=None if write_baseline else baseline,
        prometheus=prometheus,
    )
    if write_baseline and baseline is None:
        raise UsageError("--write-baseline needs --baseline FILE", not_done="nothing was linted")
    report = run(project, options)
    if write_baseline and baseline is not None:
        return _write_baseline(invocation, report, baseline)
    _write(invocation, report, format, fail_on)
    worst = report.worst()
    found = worst is not None and worst.rank >= fail_on.rank
    return ExitCode.FINDINGS if found else ExitCode.OK


@command(
    app,
    "explain",
    examples=("alerts explain", "alerts explain threshold-unreachable"),
)
def explain(
    invocation: Invocation,
    rule: Annotated[
        str | None, typer.Argument(metavar="ID", help="A lint rule; none: a list of all")
    ] = None,
) -> ExitCode:
    """Explain a lint rule: why it is wrong, an example, and the same put right."""
    from stigmer_ops.monitoring.lint.registry import RULES, rule_named
    from stigmer_ops.render.lint import explanation_lines, rule_record

    if rule is not None:
        found = rule_named(rule)

        def text(console: Console, _wide: bool) -> None:
            from rich.text import Text

            for line, style in explanation_lines(found):
                console.print(Text(line, style=style))

        invocation.write(Document("LintRule", rule_record(found)), text)
        return ExitCode.OK
    records = [rule_record(found) for found in RULES]

    def table(console: Console, _wide: bool) -> None:
        from stigmer_ops.render.tables import Column, table_of

        rows = [[record["id"], record["severity"], record["title"]] for record in records]
        columns = [Column("RULE", fold=False), Column("SEVERITY"), Column("WHAT IS WRONG")]
        console.print(table_of(columns, rows))

    lines = [("LintRule", record) for record in records]
    invocation.write(Document("LintRules", {"rules": records}, lines), table)
    return ExitCode.OK


def _project(paths: Sequence[Path] | None) -> Project:
    from stigmer_ops.monitoring.lint.project import project_of
    from stigmer_ops.monitoring.lint.sources.files import read_files

    chosen = list(paths) if paths else [Path(name) for name in _USUAL if Path(name).is_dir()]
    sources = read_files(chosen)
    project = project_of(sources)
    counts = project.counts()
    broken = any(source.named or source.error for source in sources)
    if not broken and counts.files == counts.other_files:
        where = ", ".join(map(str, chosen)) or f"{', '.join(_USUAL)} (none of them is here)"
        raise UsageError(
            f"there is nothing to lint in {where}",
            not_done="nothing was linted",
            next_step="stigmer-ops alerts lint PATHS",
        )
    return project


def _known(
    invocation: Invocation, project: Project, files: Sequence[Path], *, use_own: bool
) -> Known:
    """What is known of metrics; our own catalogue only where its metrics are named."""
    from stigmer_ops.monitoring.lint.external import read
    from stigmer_ops.monitoring.lint.known import Known

    known = Known()
    if use_own and any("stigmer_" in source.text for source in project.sources):
        from stigmer_ops.monitoring.catalogue import catalogue
        from stigmer_ops.monitoring.lint.builtin import known_of

        settings = invocation.settings
        known = known_of(catalogue(settings), settings)
    for file in files:
        known = known | read(file)
    return known


def _options(
    invocation: Invocation,
    project: Project,
    *,
    known: Known,
    scrape_interval: timedelta,
    select: Sequence[str] | None,
    ignore: Sequence[str] | None,
    baseline: Path | None,
    prometheus: str | None,
) -> Options:
    from stigmer_ops.monitoring.lint.baseline import read
    from stigmer_ops.monitoring.lint.run import Options
    from stigmer_ops.monitoring.promtool import Promtool

    return Options(
        today=invocation.now().date(),
        known=known,
        scrape_interval=scrape_interval,
        select=_ids(select),
        ignore=_ids(ignore),
        promtool=Promtool.find(),
        baseline=read(baseline) if baseline else None,
        generated=_generated(invocation, project),
        live=_live(invocation, prometheus) if prometheus else None,
    )


def _live(invocation: Invocation, url: str) -> Live:
    from stigmer_ops.monitoring.lint.live import Live
    from stigmer_ops.monitoring.prometheus import Prometheus

    timeout = invocation.settings.monitoring.prometheus_timeout
    return Live(Prometheus(url, timeout), invocation.now())


def _ids(given: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(id for text in given or () for id in text.split(",") if id)


_HEADER = "# Written by `stigmer-ops alerts generate`"


def _generated(invocation: Invocation, project: Project) -> Mapping[str, str]:
    """What generated files should be, as far as there are any."""
    found: dict[str, str] = {}
    if any(file.source.text.startswith(_HEADER) for file in project.rule_files):
        from stigmer_ops.monitoring.catalogue import catalogue
        from stigmer_ops.monitoring.rules import rule_files

        found |= rule_files(catalogue(invocation.settings), invocation.settings)
    if any(file.source.text.startswith(_HEADER) for file in project.test_files):
        from stigmer_ops.monitoring.catalogue import catalogue
        from stigmer_ops.monitoring.rule_tests.starters import starter_files

        found |= starter_files(catalogue(invocation.settings), invocation.settings)
    return found


def _write_baseline(invocation: Invocation, report: Report, path: Path) -> ExitCode:
    from stigmer_ops.errors import InputError
    from stigmer_ops.monitoring.lint.baseline import written
    from stigmer_ops.whole_files import write_whole

    try:
        write_whole(path, [written(report.findings).encode()], overwrite=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    invocation.say(f"{path}: {len(report.findings)} findings written")
    return ExitCode.OK


def _write(invocation: Invocation, report: Report, format: LintFormat, fail_on: Severity) -> None:
    from stigmer_ops import __version__
    from stigmer_ops.render.lint import finding_record, report_record, summary, written

    if format is LintFormat.JSON or (
        format is LintFormat.TEXT and not invocation.output.for_people
    ):
        lines = [("LintFinding", finding_record(finding)) for finding in report.findings]
        _write_own(invocation, Document("LintReport", report_record(report), lines), format)
    elif format is LintFormat.TEXT and invocation.screen:
        _write_styled(report)
        return
    elif format is LintFormat.TEXT:
        write_text(written(report, format, (), fail_on, __version__))
        return
    else:
        from stigmer_ops.monitoring.lint.registry import RULES

        write_text(written(report, format, RULES, fail_on, __version__))
    invocation.say("\n".join(summary(report)))


def _write_own(invocation: Invocation, document: Document, format: LintFormat) -> None:
    from stigmer_ops.render.output import write

    people = invocation.output.for_people
    output = OutputFormat.JSON if format is LintFormat.JSON and people else invocation.output
    write(document, output, table=lambda _console, _wide: None)


def _write_styled(report: Report) -> None:
    from rich.text import Text

    from stigmer_ops.render.lint import text_lines
    from stigmer_ops.render.output import console

    screen = console()
    for line in text_lines(report):
        screen.print(Text.assemble(*line), soft_wrap=True)
