from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from stigmer_ops.monitoring.answer import Answer, Judgement, Reading
from stigmer_ops.monitoring.catalogue.model import Operator, Query, Unit
from stigmer_ops.render.metrics import answer_table, limit_text, measured


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.95, Unit.RATIO, "95%"),
        (0.9567, Unit.RATIO, "95.7%"),
        (0.0389, Unit.SECONDS, "38.9ms"),
        (0, Unit.SECONDS, "0s"),
        (1.25, Unit.SECONDS, "1.25s"),
        (15_120, Unit.SECONDS, "4h12m"),
        (-90, Unit.SECONDS, "-1m30s"),
        (0.0333333, Unit.PER_SECOND, "0.0333/s"),
        (1, Unit.BOOLEAN, "yes"),
        (0, Unit.BOOLEAN, "no"),
        (33, Unit.COUNT, "33"),
        (1_234_567.5, Unit.COUNT, "1234567.5"),
        (math.nan, Unit.RATIO, "-"),
        (math.inf, Unit.SECONDS, "inf"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: Unit, expected: str) -> None:
    assert measured(value, unit) == expected


@pytest.mark.parametrize(
    ("operator", "limit", "unit", "expected"),
    [
        (Operator.ABOVE, 43_200, Unit.SECONDS, "> 12h"),
        (Operator.BELOW, 0.9, Unit.RATIO, "< 90%"),
        (Operator.BELOW, 1, Unit.BOOLEAN, "no"),
        (Operator.ABOVE, 0, Unit.BOOLEAN, "yes"),
    ],
)
def test_a_limit_says_which_side_it_bounds(
    operator: Operator, limit: float, unit: Unit, expected: str
) -> None:
    assert limit_text((operator, limit), unit) == expected


SERIES = {"activity_type": "CallAgentActivity", "task_queue": "zigflow_execution"}
ANSWER = Answer(
    Query("pending-over-24h", "How slow are callbacks?", "x", Unit.SECONDS),
    ((Operator.ABOVE, 0.5),),
    (Reading(SERIES, 0.1, (1.0, 2.0) * 15, Judgement.ALERT),),
)


@pytest.mark.parametrize(("width", "trend"), [(80, False), (120, True), (400, True)])
def test_a_narrow_terminal_loses_the_trend_and_no_series_or_unit(width: int, trend: bool) -> None:
    stream = io.StringIO()
    answer_table(Console(file=stream, width=width), [ANSWER], wide=False)
    heading, *lines = stream.getvalue().splitlines()
    series = slice(heading.index("SERIES"), heading.index("VALUE") - 2)
    assert ("TREND" in heading) is trend
    assert " ".join(line[series].strip() for line in lines).strip() == " ".join(SERIES.values())
    for whole in ("pending-over-24h", "100ms", "> 500ms"):
        assert whole in lines[0]
    assert all(len(line) <= width for line in lines)
