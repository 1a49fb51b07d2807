"""How the answers of `metrics query` look to a person and to a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console

from stigmer_ops.monitoring.answer import Answer, Judgement, Limit, Reading, Window
from stigmer_ops.monitoring.catalogue.model import Operator, Unit
from stigmer_ops.render.sparkline import sparkline
from stigmer_ops.render.tables import Cell, Column, table_of
from stigmer_ops.render.text import rfc3339, seconds, short_duration

_TREND_WIDTH = 30
_STYLES = {
    Judgement.ALERT: "bold red",
    Judgement.UNUSUAL: "yellow",
    Judgement.HEALTHY: "green",
}


def window_record(window: Window) -> dict[str, Any]:
    """The range of every trend."""
    return {
        "start": rfc3339(window.start),
        "end": rfc3339(window.end),
        "step_seconds": seconds(window.step),
    }


def answer_record(answer: Answer) -> dict[str, Any]:
    """One question with its series; a value that is not finite is null."""
    query = answer.query
    healthy = query.healthy
    return {
        "query": query.name,
        "title": query.title,
        "expr": query.expr,
        "unit": query.unit.value,
        "healthy": None if healthy is None else _limit_record((healthy.operator, healthy.limit)),
        "alert": query.alert,
        "alert_limits": [_limit_record(limit) for limit in answer.limits],
        "absence": None if answer.absence is None else answer.absence.value,
        "series": [_reading_record(reading) for reading in answer.readings],
    }


def _limit_record(limit: Limit) -> Mapping[str, Any]:
    operator, value = limit
    return {"operator": operator.value, "limit": value}


def _reading_record(reading: Reading) -> Mapping[str, Any]:
    return {
        "labels": dict(reading.labels),
        "value": _finite(reading.value),
        "judgement": reading.judgement.value,
        "trend": [None if value is None else _finite(value) for value in reading.trend],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def answer_table(console: Console, answers: Sequence[Answer], *, wide: bool) -> None:
    """A row for each series: its value, what is healthy, where the alert begins, the trend."""
    columns = [
        Column("QUERY", fold=False),
        Column("SERIES", least=20),
        Column("VALUE", "right", fold=False),
        Column("", fold=False),
        Column("HEALTHY", fold=False),
        Column("ALERT", fold=False),
        Column("TREND", fold=False, spared=1),
    ]
    if wide:
        columns += [Column("NAME OF THE ALERT"), Column("EXPRESSION")]
    rows = [[*row, *_more(answer, wide=wide)] for answer in answers for row in _rows(answer)]
    console.print(table_of(columns, rows))


def _more(answer: Answer, *, wide: bool) -> list[Cell]:
    return [answer.query.alert or "-", answer.query.expr] if wide else []


def _rows(answer: Answer) -> Iterator[list[Cell]]:
    query = answer.query
    healthy = query.healthy
    limits: list[Cell] = [
        "-" if healthy is None else limit_text((healthy.operator, healthy.limit), query.unit),
        ", ".join(limit_text(limit, query.unit) for limit in answer.limits) or "-",
    ]
    if not answer.readings:
        reason = f"no series: {answer.absence}" if answer.absence else "no series"
        yield [query.name, (reason, "yellow"), "-", "", *limits, ""]
    for reading in answer.readings:
        style = _STYLES.get(reading.judgement, "")
        mark = "" if reading.judgement is Judgement.UNJUDGED else reading.judgement.value
        yield [
            query.name,
            _series_name(reading.labels),
            (measured(reading.value, query.unit), style),
            (mark, style),
            *limits,
            sparkline(reading.trend, _TREND_WIDTH),
        ]


def _series_name(labels: Mapping[str, str]) -> str:
    values = [value for name, value in labels.items() if name != "__name__"]
    return " ".join(values) or "-"


def limit_text(limit: Limit, unit: Unit) -> str:
    """A limit, as in "> 12h"; of a boolean, the value that is beyond it."""
    operator, value = limit
    if unit is Unit.BOOLEAN:
        return "yes" if operator is Operator.ABOVE else "no"
    return f"{operator.value} {measured(value, unit)}"


def measured(value: float, unit: Unit) -> str:
    """A value with its unit, as people read it: 95.3%, 38.9ms, 4h12m, 0.32/s, yes."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else f"{value:g}"
    match unit:
        case Unit.RATIO:
            return f"{value * 100:.3g}%"
        case Unit.SECONDS:
            return _time(value)
        case Unit.PER_SECOND:
            return f"{value:.3g}/s"
        case Unit.BOOLEAN:
            return "yes" if value else "no"
        case _:
            return f"{value:.10g}"


def _time(value: float) -> str:
    if value and abs(value) < 1:
        return f"{value * 1000:.3g}ms"
    if abs(value) < 60:
        return f"{value:.3g}s"
    return short_duration(timedelta(seconds=value))
