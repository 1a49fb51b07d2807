"""What follows from expressions: labels, types, bounds, lifetimes and pairings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import inf

import pytest

from stigmer_ops.monitoring.lint.known import OF_PROMETHEUS, Kind, Known, KnownSeries
from stigmer_ops.monitoring.lint.promql.bounds import Limits
from stigmer_ops.monitoring.lint.promql.inference import Inference, Recorded
from stigmer_ops.monitoring.lint.promql.lifetimes import Lifetimes
from stigmer_ops.monitoring.lint.promql.pairing import needs_group, why_itself, why_unpaired
from stigmer_ops.monitoring.lint.promql.reading import parse
from stigmer_ops.monitoring.lint.promql.syntax import Binary, Matcher, Selector, selectors
from stigmer_ops.monitoring.promql_guard import PromQLError, TooDeepError

SERIES = (
    KnownSeries("jobs_total", Kind.COUNTER, {"queue": None, "status": None}, low=0),
    KnownSeries("length", Kind.GAUGE, {"queue": None}, low=0),
    KnownSeries("share", Kind.GAUGE, {"queue": None}, low=0, high=1),
    KnownSeries("latency_bucket", Kind.COUNTER, {"queue": None, "le": None}, 0, buckets=(0.1, 60)),
    KnownSeries("since", Kind.GAUGE, {"queue": None}, maximum_age=timedelta(hours=24)),
    KnownSeries("used", Kind.GAUGE, {"queue": None}, 0, 1, fills_within=timedelta(hours=24)),
    KnownSeries(
        "waiting",
        Kind.GAUGE,
        {"age": None},
        0,
        maximum_age=timedelta(hours=24),
        ages={"age": {"0-12h": timedelta(0), "24h+": timedelta(hours=24)}},
    ),
)
KNOWN = Known(
    {**OF_PROMETHEUS.series, **{series.name: series for series in SERIES}},
    target_labels=frozenset({"job", "instance"}),
)
RECORDINGS = {
    "queue:jobs:rate5m": (Recorded(parse("sum by (queue) (rate(jobs_total[5m]))"), {}),),
    "job:jobs:sum": (Recorded(parse("sum by (job) (jobs_total)"), {"level": "high"}),),
    "queue:jobs:ratio": (
        Recorded(
            parse(
                'sum by (queue) (rate(jobs_total{status="failed"}[5m]))'
                " / sum by (queue) (rate(jobs_total[5m]))"
            ),
            {},
        ),
    ),
    "queue:latency_bucket:rate5m": (
        Recorded(parse("sum by (queue, le) (rate(latency_bucket[5m]))"), {}),
    ),
}
INFERENCE = Inference(KNOWN, RECORDINGS)
LIMITS = Limits(INFERENCE)
LIFETIMES = Lifetimes(LIMITS)


def binary(text: str) -> Binary:
    found = parse(text)
    assert isinstance(found, Binary)
    return found


@pytest.mark.parametrize(
    ("text", "may", "must"),
    [
        ("sum by (a, b) (x)", "{a, b}", {"a", "b"}),
        ("sum(x)", "{}", set()),
        ("x", "any", set()),
        ('x{a="1",b="",c=~".+",d!=""}', "any but {b}", {"a", "c", "d"}),
        ("sum without (a) (x)", "any but {a}", set()),
        ("jobs_total", "{instance, job, queue, status}", {"queue", "status"}),
        ("sum by (queue, gone) (jobs_total)", "{queue}", {"queue"}),
        ('absent(x{a="1",b=~"2",c="3",c="4"})', "{a}", {"a"}),
        ("absent(sum(x))", "{}", set()),
        ("histogram_quantile(0.9, sum by (a, le) (rate(x[5m])))", "{a}", {"a"}),
        ("sum by (a) (x) > 1", "{a}", {"a"}),
        ("1 - sum by (a) (x)", "{a}", {"a"}),
        ("vector(1)", "{}", set()),
        ("x * on (a) group_left (b) sum by (a, b) (y)", "any", {"b"}),
        ("sum by (a) (x) * on (a) group_left (b) sum by (a, b) (y)", "{a, b}", {"a", "b"}),
        ("sum by (a, c) (x) * on (a) group_right (c) sum by (a, b) (y)", "{a, b, c}", {*"abc"}),
        ("sum by (a, b) (x) / ignoring (b) sum by (a) (y)", "{a}", {"a"}),
        ("sum by (a, b) (x) / on (a) sum by (a) (y)", "{a}", {"a"}),
        ("sum by (a, b) (x) and on (a) sum by (a) (y)", "{a, b}", {"a", "b"}),
        ("sum by (a) (x) or sum by (b) (y)", "{a, b}", set()),
        ("sum by (a) (x) unless y", "{a}", {"a"}),
        ("topk by (a) (3, sum by (a, b) (x))", "{a, b}", {"a", "b"}),
        ('count_values by (a) ("version", x)', "{a, version}", {"a", "version"}),
        ('label_replace(sum by (a) (x), "b", "$1", "a", "(.*)")', "{a, b}", {"a", "b"}),
        ('label_replace(sum by (a) (x), "b", "$1", "a", "(y.*)")', "{a, b}", {"a"}),
        ('label_replace(sum(x), "b", "c", "", "")', "{b}", {"b"}),
        ('label_replace(sum by (a) (x), "a", "", "", "")', "{}", set()),
        ('label_join(sum by (a) (x), "b", "-", "a")', "{a, b}", {"a"}),
        ("job:jobs:sum", "{job, level}", {"job", "level"}),
        ("sum_over_time((sum by (a) (x))[1h:1m])", "{a}", {"a"}),
        ("-sum by (a) (x)", "{a}", {"a"}),
        ("sort_desc(sum by (a) (x))", "{a}", {"a"}),
        ("quantile_over_time(0.9, queue:jobs:rate5m[5m])", "{queue}", {"queue"}),
        ("time()", "{}", set()),
    ],
)
def test_labels_of(text: str, may: str, must: set[str]) -> None:
    found = INFERENCE.labels(parse(text))
    assert str(found.may) == may
    assert found.must == must


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jobs_total", Kind.COUNTER),
        ("unknown_total", Kind.COUNTER),
        ("unknown", None),
        ("length", Kind.GAUGE),
        ("sum(jobs_total)", Kind.COUNTER),
        ("count(jobs_total)", Kind.GAUGE),
        ("sum(rate(jobs_total[5m]))", Kind.GAUGE),
        ("queue:jobs:rate5m", Kind.GAUGE),
        ("job:jobs:sum", Kind.COUNTER),
        ("jobs_total or length", None),
    ],
)
def test_kind_of(text: str, kind: Kind | None) -> None:
    assert INFERENCE.kind(parse(text)) is kind


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("histogram_quantile(0.99, rate(latency_bucket[5m]))", 0, 60),
        ("histogram_quantile(0.99, sum by (le) (queue:latency_bucket:rate5m))", 0, 60),
        ("histogram_quantile(0.99, rate(other_bucket[5m]))", -inf, inf),
        ("histogram_quantile(0.99, rate(latency_bucket[5m])) * 1000", 0, 60000),
        ("up", 0, 1),
        ("1 - up", 0, 1),
        ("up * 100", 0, 100),
        ("sum(up)", 0, inf),
        ("avg(up)", 0, 1),
        ("count(x)", 1, inf),
        ("absent(x)", 1, 1),
        ("rate(jobs_total[5m])", 0, inf),
        ("-rate(jobs_total[5m])", -inf, 0),
        ('sum(rate(jobs_total{status="failed"}[5m])) / sum(rate(jobs_total[5m]))', 0, 1),
        ('1 - sum(rate(jobs_total{status="failed"}[5m])) / sum(rate(jobs_total[5m]))', 0, 1),
        ("queue:jobs:ratio", 0, 1),
        ("max(queue:jobs:ratio) * 100", 0, 100),
        ("sum(rate(a_total[5m])) / (sum(rate(b_total[5m])) + sum(rate(a_total[5m])))", 0, 1),
        ("sum(rate(a_total[5m])) / sum(rate(b_total[5m]))", 0, inf),
        ('sum(rate(jobs_total[5m])) / sum(rate(jobs_total{status="failed"}[5m]))', 0, inf),
        ("sum(x) / sum(x)", -inf, inf),
        ("time() - since", 0, 86400),
        ("time() - max by (queue) (since)", 0, 86400),
        ("time() - other", -inf, inf),
        ('waiting{age="24h+"}', 0, 0),
        ('sum(waiting{age="24h+"})', 0, 0),
        ('waiting{age=~"24h.*"}', 0, 0),
        ('waiting{age!="0-12h"}', 0, 0),
        ("waiting", 0, inf),
        ("share > 0.5", 0.5, 1),
        ("clamp_max(x, 5)", -inf, 5),
        ("clamp(x, 1, 5)", 1, 5),
        ("x == bool 1", 0, 1),
        ("14.4 * 0.05", 0.72, 0.72),
        ("share or rate(jobs_total[5m])", 0, inf),
        ("share and up", 0, 1),
        ("x - x", -inf, inf),
        ("quantile_over_time(0.5, share[5m])", 0, 1),
        ("scalar(share)", 0, 1),
    ],
)
def test_bounds_of(text: str, low: float, high: float) -> None:
    found = LIMITS.of(parse(text))
    assert (round(found.low, 9), round(found.high, 9)) == (low, high)


@pytest.mark.parametrize("text", ["up > 1", "share == 2", "share > 0.5 < 0.2", "vector(1) < 1"])
def test_bounds_of_what_never_holds_are_empty(text: str) -> None:
    assert LIMITS.of(parse(text)).empty


@pytest.mark.parametrize(
    ("text", "life"),
    [
        ("x unless x offset 15m", timedelta(minutes=15)),
        ("x offset 1h unless x", timedelta(hours=1)),
        ("sum by (a) (x) unless sum by (a) (x offset 15m)", timedelta(minutes=15)),
        ("x unless y offset 15m", None),
        ("x unless x", None),
        ("used > 0.95", timedelta(minutes=72)),
        ("max by (queue) (used) * 100 > 95", timedelta(minutes=72)),
        ("time() - since > 12 * 3600", timedelta(hours=12)),
        ("time() - x > 60 and time() - x < 90", timedelta(seconds=30)),
        ("used > 0.95 or x unless x offset 1d", timedelta(days=1)),
        ("used > 0.95 or x > 1", None),
        ("used > 0.95 and x > 1", timedelta(minutes=72)),
        ("used < 0.95", None),
        ("x > 1", None),
        ("rate(x[5m]) > 0", None),
    ],
)
def test_life_of_a_condition(text: str, life: timedelta | None) -> None:
    found = LIFETIMES.of(parse(text))
    assert (found and timedelta(seconds=round(found.length.total_seconds()))) == life


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sum by (a) (x) / sum(y)", "has a"),
        ("sum(x) / sum by (a) (y)", "has a"),
        ("sum by (a, b) (x) / on (a) sum by (a) (y)", ""),
        ("sum by (a, b) (x) / on (b) sum by (a) (y)", "has b"),
        ("sum by (a, b) (x) / ignoring (b) sum by (a) (y)", ""),
        ("sum by (a) (x) / on () sum(y)", ""),
        ('x{s="1"} / x{s="2"}', "'1' on the left and '2' on the right"),
        ('x{s="1"} / ignoring (s) x{s="2"}', ""),
        ('sum(x) / y{job="a"}', "has job"),
        ("x / y", ""),
        ("jobs_total / length", "has status"),
        ("rate(jobs_total[5m]) and length", "has status"),
        ("sum by (queue) (jobs_total) and sum by (queue) (length)", ""),
        ("queue:jobs:rate5m / sum by (queue) (length)", ""),
        ("queue:jobs:rate5m / length", ""),
        ("absent(x) and sum by (a) (y)", "has a"),
        ("sum by (a) (x) * on (a) group_left (b) y", ""),
        ('label_replace(sum(x), "a", "1", "", "") / sum by (a) (y)', ""),
        ("sum without (a) (x) / sum by (a) (y)", "has a"),
    ],
)
def test_why_sides_never_match(text: str, why: str) -> None:
    found = why_unpaired(binary(text), INFERENCE)
    assert why in found
    assert bool(found) == bool(why)


@pytest.mark.parametrize(
    ("text", "itself"),
    [
        ('rate(x{s="1"}[5m]) / rate(x[5m])', True),
        ('x{s="1"} / ignoring (s) group_left () x', False),
        ('sum by (s) (x{s="1"}) / sum by (s) (x)', True),
        ('sum by (a) (x{s="1"}) / sum by (a) (x)', False),
        ('sum(rate(x{s="1"}[5m])) / sum(rate(x[5m]))', False),
        ('rate(x{s="1"}[5m]) / on (a) rate(x[5m])', False),
        ("x / x", True),
        ("x / y", False),
        ("x / x offset 5m", False),
        ("rate(x[5m]) / rate(x[10m])", False),
        ('x{s=~"1|2"} / x{s="1"}', True),
    ],
)
def test_whether_series_are_divided_by_themselves(text: str, itself: bool) -> None:
    assert bool(why_itself(binary(text), INFERENCE)) is itself


@pytest.mark.parametrize(
    ("text", "side", "labels"),
    [
        ("sum by (a, b) (x) / on (a) sum by (a) (y)", "left", ["b"]),
        ("sum by (a) (x) / on (a) sum by (a, b) (y)", "right", ["b"]),
        ("sum by (a, b) (x) / on (a) group_left () sum by (a) (y)", "", []),
        ('sum by (a, b) (x{b="1"}) / on (a) sum by (a) (y)', "", []),
        ("x / on (a) y", "", []),
    ],
)
def test_which_side_has_many(text: str, side: str, labels: list[str]) -> None:
    assert needs_group(binary(text), INFERENCE) == (side, labels)


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("{__name__=\"x\",a='b'}", 'x{a="b"}'),
        ("x{a=~`b\\.c`}", 'x{a=~"b\\.c"}'),
        ('x{a=~`"`}', 'x{a=~"""}'),
        ("x # comment ((((\n", "x"),
        ("holt_winters(x[5m], 0.1, 0.2)", "x"),
        ("x offset -1h", "x"),
        ('{__name__=~"a.*"}', '{__name__=~"a.*"}'),
    ],
)
def test_reading(text: str, selected: str) -> None:
    assert [str(found) for found in selectors(parse(text))] == [selected]


@pytest.mark.parametrize("text", ["", "sum(", 'x{a="b" or c="d"}', "x[", "x == ", "rate(x)"])
def test_what_is_no_promql_is_refused(text: str) -> None:
    with pytest.raises(PromQLError) as raised:
        parse(text)
    assert str(raised.value)
    assert not isinstance(raised.value, TooDeepError)


def test_operators_inside_of_matchers_do_not_count_as_nesting() -> None:
    matchers = ",".join(f'l{n}="v"' for n in range(500))
    found = parse(f"x{{{matchers}}}")
    assert isinstance(found, Selector)
    assert len(found.matchers) == 500


def test_equal_texts_are_equal_expressions() -> None:
    assert parse("sum by (a) ( x )") == parse("sum(x) by (a)")
    assert parse("x > 1") != parse("x > 2")


@pytest.mark.parametrize(
    ("matcher", "accepted"),
    [
        (Matcher("a", "=", "x"), {"x": True, "y": False, "": False}),
        (Matcher("a", "!=", "x"), {"x": False, "y": True, "": True}),
        (Matcher("a", "=~", "x|y"), {"x": True, "y": True, "xx": False}),
        (Matcher("a", "!~", "x.*"), {"xx": False, "y": True}),
        (Matcher("a", "=~", r"\pL"), {"x": True, "1": True}),
    ],
)
def test_matchers(matcher: Matcher, accepted: Mapping[str, bool]) -> None:
    assert {value: matcher.accepts(value) for value in accepted} == accepted
