"""`metrics`: the operators' questions to Prometheus."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import parse_duration
from stigmer_ops.cli.prometheus import PrometheusUrl, prometheus_of
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.monitoring.answer import Answer
    from stigmer_ops.monitoring.catalogue.model import Query

app = typer.Typer(name="metrics", help="What Prometheus knows.", no_args_is_help=True)

_RANGE, _STEP = timedelta(hours=1), timedelta(minutes=1)
_SHORTEST_STEP = timedelta(seconds=1)


def _names(incomplete: str) -> list[str]:
    from stigmer_ops.monitoring.questions import chosen
    from stigmer_ops.settings import Settings

    return [name for name in chosen(Settings()) if name.startswith(incomplete)]


@command(
    app,
    "query",
    examples=(
        "metrics query --all",
        "metrics query success-rate duration-p99 --service go --range 6h --step 5m",
        "metrics query oldest-age -o json",
        "metrics query --expr 'sum by (task_queue) (stigmer_task_queue_pollers)'",
    ),
)
def query(
    invocation: Invocation,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="success-rate, duration-p50, pending-by-age and so on; --all shows every name",
            autocompletion=_names,
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Ask every question")] = False,
    expr: Annotated[
        str | None,
        typer.Option(
            "--expr", metavar="PROMQL", help="Ask this; it is judged by no one", show_default=False
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option("--service", help="Only this edition: go, java, unknown", show_default=False),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Only this Temporal namespace", show_default=False),
    ] = None,
    range_: Annotated[
        timedelta | None,
        typer.Option(
            "--range",
            parser=parse_duration,
            metavar="DURATION",
            help="How far back the trend goes",
            show_default="1h",
        ),
    ] = None,
    step: Annotated[
        timedelta | None,
        typer.Option(
            "--step",
            parser=parse_duration,
            metavar="DURATION",
            help="How far apart the values of the trend are",
            show_default="1m",
        ),
    ] = None,
    prometheus: PrometheusUrl = None,
) -> ExitCode:
    """Ask Prometheus by the names of questions, and judge the answers.

    Exit 1 if a value is where its alert begins (the alert fires once that has lasted), 3 if there
    are no series because no exporter is scraped or the rules are not loaded.
    """
    from stigmer_ops.monitoring.answer import Window
    from stigmer_ops.monitoring.catalogue import catalogue
    from stigmer_ops.monitoring.questions import ask, explained
    from stigmer_ops.render.metrics import answer_record, answer_table, window_record

    questions = _questions(invocation, names or [], expr, service, namespace, all_=all_)
    everything = catalogue(invocation.settings)
    source = prometheus_of(invocation, prometheus)
    window = Window(invocation.now(), *_extent(range_, step))
    answers = [
        ask(source, each, everything.alert(each.alert).thresholds if each.alert else (), window)
        for each in questions
    ]
    if expr is None:
        answers = explained(source, answers, everything, invocation.settings)
    records = [answer_record(answer) for answer in answers]
    body = {"prometheus": source.shown_url, "range": window_record(window), "answers": records}

    def table(console: Console, wide: bool) -> None:
        answer_table(console, answers, wide=wide)

    lines = [("MetricAnswer", record) for record in records]
    invocation.write(Document("MetricAnswers", body, lines), table)
    return _concluded(invocation, answers)


def _extent(range_: timedelta | None, step: timedelta | None) -> tuple[timedelta, timedelta]:
    length, apart = range_ or _RANGE, step or _STEP
    if apart < _SHORTEST_STEP or length < apart:
        raise UsageError("--step is at least 1s, and --range at least one step")
    return length, apart


def _concluded(invocation: Invocation, answers: Sequence[Answer]) -> ExitCode:
    if any(answer.in_alert for answer in answers):
        return ExitCode.FINDINGS
    missing = [answer for answer in answers if answer.unanswerable]
    if not missing:
        return ExitCode.OK
    monitoring = invocation.settings.monitoring
    invocation.say(
        f"cannot be judged: {', '.join(answer.query.name for answer in missing)}\n"
        f"  the exporter's series are those with {monitoring.exporter_selector}\n"
        "  next: see under Status, Targets in Prometheus whether it is scraped, and under Rules "
        "whether those of `stigmer-ops alerts generate` are loaded"
    )
    return ExitCode.UNAVAILABLE


def _questions(
    invocation: Invocation,
    names: Sequence[str],
    expr: str | None,
    service: str | None,
    namespace: str | None,
    *,
    all_: bool,
) -> list[Query]:
    from stigmer_ops.monitoring.catalogue.model import Query, Unit
    from stigmer_ops.monitoring.questions import chosen

    if bool(names) + all_ + (expr is not None) != 1:
        raise UsageError("give names, --all or --expr", next_step="stigmer-ops metrics query --all")
    if expr is not None:
        if service or namespace:
            raise UsageError("--service and --namespace narrow the named questions, not --expr")
        return [Query("expr", "As given", expr, Unit.COUNT)]
    _refuse_unknown_service(service)
    known = chosen(invocation.settings)
    narrowed = chosen(invocation.settings, service, namespace)
    if all_:
        _say_what_is_left_out(invocation, known.keys() - narrowed.keys())
        return list(narrowed.values())
    return [_named(name, known, narrowed) for name in names]


def _named(name: str, known: dict[str, Query], narrowed: dict[str, Query]) -> Query:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise UsageError(
            f"no question is named {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
            next_step=f"one of: {', '.join(known)}",
        )
    if name not in narrowed:
        raise UsageError(f"{name} is not measured by service")
    return narrowed[name]


def _refuse_unknown_service(service: str | None) -> None:
    from stigmer_ops.monitoring.catalogue.metrics import SERVICE

    if service is not None and service not in (SERVICE.values or ()):
        raise UsageError(f"--service is one of {', '.join(SERVICE.values or ())}")


def _say_what_is_left_out(invocation: Invocation, names: Iterable[str]) -> None:
    left_out = sorted(names)
    if left_out:
        invocation.say(f"left out, not measured by service: {', '.join(left_out)}")
