"""`alerts`: Prometheus rules, generated from the catalogue, tested, and as they stand now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli import alerts_lint
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.prometheus import PrometheusUrl, prometheus_of
from stigmer_ops.errors import ExitCode
from stigmer_ops.monitoring.rule_format import RuleFormat
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.monitoring.mutation.reviews import Judged
    from stigmer_ops.monitoring.promtool import Promtool
    from stigmer_ops.monitoring.rule_tests.suite import RuleTestFile

RULES = Path("alerts")
REVIEWED = RULES / "mutation" / "reviewed.yaml"

app = typer.Typer(name="alerts", help="The alerting rules.", no_args_is_help=True)
app.add_typer(alerts_lint.app)


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
    ] = RULES,
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


@command(
    app,
    "test",
    examples=(
        "alerts test",
        "alerts test rules/tests/*.yaml",
        "alerts test --mutate",
        "alerts test --mutate --rule StigmerPollersMissing -o json",
    ),
)
def run_tests(
    invocation: Invocation,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILES",
            help="Files of promtool's rule tests, or folders of them [default: alerts/tests; where "
            "there is none, the generated tests]",
            show_default=False,
        ),
    ] = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Break each rule on purpose: do the tests notice?")
    ] = False,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="NAME", help="With --mutate: only this rule; repeatable"),
    ] = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            metavar="FILE",
            help="With --mutate: survivors that are explained",
            show_default=f"{REVIEWED}, if there is one",
        ),
    ] = None,
) -> ExitCode:
    """Run rule tests with promtool, and report what it passes over in silence.

    That is: rule files and alerts that do not exist, and alerts that no test has fire, or stay
    quiet. With --mutate each rule is broken in every way in turn; a survivor is a fault that no
    test would notice.
    """
    from stigmer_ops.errors import UsageError
    from stigmer_ops.monitoring.promtool import Promtool
    from stigmer_ops.monitoring.rule_tests.run import generated, read_all, run
    from stigmer_ops.render.alerts import report_record, report_table

    if (rule or reviewed) and not mutate:
        raise UsageError("--rule and --reviewed say what --mutate does", next_step="add --mutate")
    promtool = Promtool.require()
    with ExitStack() as stack:
        paths = files or [RULES / "tests"]
        if not files and not paths[0].is_dir():
            paths = [stack.enter_context(generated(invocation.settings))]
        tests = read_all(paths)
        report = run(promtool, tests)
        judged = (
            _mutated(invocation, promtool, tests, rule or (), reviewed)
            if (mutate and report.passed)
            else None
        )

    def table(console: Console, _wide: bool) -> None:
        report_table(console, report, judged)

    invocation.write(Document("AlertTests", report_record(report, judged)), table)
    if not report.passed and promtool.excludes_range_start:
        invocation.say(
            f"promtool {promtool.version}: generated tests count on ranges that include both ends, "
            "as they did before Prometheus 3"
        )
    if mutate and judged is None:
        invocation.say("nothing was mutated: the tests have to pass first")
    passed = report.passed and (judged is None or judged.passed)
    return ExitCode.OK if passed else ExitCode.FINDINGS


def _mutated(
    invocation: Invocation,
    promtool: Promtool,
    tests: Sequence[RuleTestFile],
    names: Sequence[str],
    reviewed: Path | None,
) -> Judged:
    from stigmer_ops.monitoring.mutation.reviews import judge, read_reviews
    from stigmer_ops.monitoring.mutation.run import Mutation
    from stigmer_ops.render.progress import progress

    reviews = read_reviews(reviewed or REVIEWED) if reviewed or REVIEWED.exists() else ()
    mutation = Mutation(promtool, tests, names)
    watched = progress(
        invocation.progress_wanted,
        "mutating rules",
        done=lambda: mutation.done,
        total=mutation.total,
    )
    with watched:
        scores = mutation.run()
    return judge(scores, reviews, complete=not names)


@command(
    app,
    "status",
    examples=(
        "alerts status",
        "alerts status --prometheus http://prometheus:9090",
        "alerts status -o json",
    ),
)
def status(invocation: Invocation, prometheus: PrometheusUrl = None) -> ExitCode:
    """Show which alerts are pending or firing, each with its page, and whether the rules are ours.

    Exit 1 means that a critical or warning alert fires, or that Prometheus evaluates other rules
    than `alerts generate` writes.
    """
    from stigmer_ops.monitoring.catalogue import catalogue
    from stigmer_ops.monitoring.loaded_rules import compare
    from stigmer_ops.monitoring.rules import groups
    from stigmer_ops.render.alert_status import Status, status_record, status_table

    everything = catalogue(invocation.settings)
    asked = prometheus_of(invocation, prometheus)
    loaded = asked.rules()
    ours = {alert.name for alert in everything.alerts}
    found = Status(
        asked.shown_url,
        tuple(alert for rule in loaded if rule.name in ours for alert in rule.alerts),
        compare(loaded, groups(everything, invocation.settings)),
        invocation.now(),
    )

    def table(console: Console, wide: bool) -> None:
        status_table(console, found, wide=wide)

    invocation.write(Document("AlertStatus", status_record(found)), table)
    return ExitCode.OK if found.healthy else ExitCode.FINDINGS
