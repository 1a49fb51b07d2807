"""An example for each alert, with the thresholds of the settings.

Before, the value is exactly at the threshold, where nothing may fire; while it is the case, it is
just beyond. A second exporter sees less of it: the alerts must neither add the two up nor believe
the one that sees less.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import Catalogue, Emitter, Metric, Series
from stigmer_ops.monitoring.catalogue.promql import Scope
from stigmer_ops.monitoring.catalogue.recordings import TIMEOUT_WINDOW
from stigmer_ops.monitoring.rule_tests import completion_examples
from stigmer_ops.monitoring.rule_tests.completion_examples import EACH, at_most, reached
from stigmer_ops.monitoring.rule_tests.example import (
    STEP,
    Behind,
    Example,
    Feed,
    Gone,
    Growth,
    Level,
)
from stigmer_ops.monitoring.rule_tests.targets import exact_labels, target_labels
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE

_IN = {"namespace": "orders"}
_GROUP = {**_IN, "task_queue": "zigflow", "activity_type": "CallAgentActivity"}
_QUEUE = {**_IN, "task_queue": "agent_execution_runner", "task_type": "activity"}
_SECOND = timedelta(seconds=1)
_SEEN = TIMEOUT_WINDOW - 2 * STEP
"""How long an alert on one timeout fires, which it begins to do at the second sample."""


def examples(scope: Scope, catalogue: Catalogue) -> tuple[Example, ...]:
    """Every example, in the order of the alerts."""
    return (
        *_activities(scope),
        *_numbers(scope),
        *_lost(),
        *completion_examples.examples(scope, catalogue),
        *_workers(scope),
        *_exporter(scope, catalogue),
        _deployment(),
    )


def _activities(scope: Scope) -> Iterator[Example]:
    shared, own = scope.settings.thresholds, scope.settings.monitoring.thresholds
    for alert, age in (
        ("StigmerExternalActivityStuck", own.critical_age),
        ("StigmerExternalActivityOverdue", shared.stuck_after),
    ):
        beyond = age + STEP
        feed = Feed(m.OLDEST.series, _GROUP, Behind(age), Behind(beyond), second=Behind(age - STEP))
        yield Example(alert, _GROUP, beyond.total_seconds(), (feed,))
    for alert, share in (
        ("StigmerExternalActivityDeadlineImminent", own.imminent_share),
        ("StigmerExternalActivityNearDeadline", shared.near_deadline_share),
    ):
        beyond_share = share + 0.01
        yield Example(
            alert,
            _GROUP,
            beyond_share,
            (_level(m.TIMEOUT_USED, _GROUP, share, beyond_share, second=share / 2),),
        )


def _level(
    metric: Metric, labels: dict[str, str], quiet: float, bad: float, second: float | None
) -> Feed:
    other = None if second is None else Level(second)
    return Feed(metric.series, labels, Level(quiet), Level(bad), second=other)


def _numbers(scope: Scope) -> Iterator[Example]:
    backlog = scope.settings.thresholds.backlog
    go, java = backlog * 6 // 10, backlog - backlog * 6 // 10
    yield Example(
        "StigmerExternalActivityBacklog",
        {**_IN, "age_bucket": "1-4h"},
        backlog + 1,
        (
            _level(m.PENDING, _pending("go", "1-4h"), go, go + 1, second=go / 2),
            _level(m.PENDING, _pending("java", "1-4h"), java, java, second=java / 2),
            _level(m.PENDING, _pending("go", "0-1h"), backlog + 9, backlog + 9, second=None),
        ),
    )
    yield Example(
        "StigmerExternalActivitiesPendingHigh",
        _IN,
        backlog + 1,
        (
            _level(m.PENDING, _pending("go", "0-1h"), go, go + 1, second=go / 2),
            _level(m.PENDING, _pending("java", "4-12h"), java, java, second=java / 2),
        ),
    )
    labels = {**_GROUP, "setting": "maximum_attempts"}
    yield Example(
        "StigmerExternalActivityUnsafeSettings",
        labels,
        1,
        (_level(m.UNSAFE_SETTINGS, labels, 0, 1, second=0),),
    )


def _pending(service: str, age_bucket: str) -> dict[str, str]:
    return {**_IN, "service": service, "age_bucket": age_bucket}


def _lost() -> Iterator[Example]:
    timeout = {**_IN, "service": "unknown", "error_type": "timeout"}
    other = {**timeout, "error_type": "client_error"}
    errors = m.ERRORS.series
    yield Example(
        "StigmerExternalActivityTimedOut",
        _IN,
        1,
        (
            Feed(
                errors, timeout, Growth(0), Growth(0, first=1), second=Growth(0), stranger=Growth(1)
            ),
            Feed(errors, other, Growth(3), Growth(3)),
        ),
        lead=TIMEOUT_WINDOW + STEP,
        lasts=_SEEN,
    )
    server = {"namespace": "orders", "activityType": "CallAgentActivity", "taskqueue": "zigflow"}
    labels = {**server, "timeout_type": "StartToClose"}
    attempts, final = m.TEMPORAL_ATTEMPT_TIMEOUTS.series, m.TEMPORAL_TIMEOUTS.series
    yield Example(
        "StigmerExternalActivityRetried",
        {**_GROUP, "timeout_type": "StartToClose"},
        1,
        (
            Feed(attempts, labels, Growth(1), Growth(1, first=1), stranger=Growth(9)),
            Feed(final, labels, Growth(1), Growth(1), stranger=Growth(5)),
            Feed(attempts, {**labels, "activityType": "ExecuteGraphton"}, Growth(4), Growth(4)),
        ),
        lead=2 * TIMEOUT_WINDOW + STEP,
        lasts=_SEEN,
    )


def _workers(scope: Scope) -> Iterator[Example]:
    behind = scope.settings.monitoring.thresholds.queue_backlog_age.total_seconds()
    yield Example(
        "StigmerPollersMissing",
        _QUEUE,
        0,
        (_level(m.POLLERS, _QUEUE, 1, 0, second=0),),
    )
    for alert, activity_type, sound in (
        ("StigmerCallbackNotRegistered", CALLBACK_ACTIVITY_TYPE, "EnsureThread"),
        ("StigmerActivityTypeNotRegistered", "EnsureThread", CALLBACK_ACTIVITY_TYPE),
    ):
        labels = {**_IN, "task_queue": "agent_execution", "activity_type": activity_type}
        other = {**labels, "activity_type": sound}
        yield Example(
            alert,
            labels,
            0,
            (
                _level(m.REGISTERED, labels, 1, 0, second=1),
                # The other alert's case all the time, which is none of this one's business.
                _level(m.REGISTERED, other, 0, 0, second=None),
            ),
        )
    yield Example(
        "StigmerTaskQueueBehind",
        _QUEUE,
        behind + 1,
        (_level(m.QUEUE_BACKLOG_AGE, _QUEUE, behind, behind + 1, second=behind / 2),),
    )
    yield _runner_timing_out(scope)


def _runner_timing_out(scope: Scope) -> Example:
    queues = scope.settings.task_queues
    runner, kind = queues.agent_execution_runner.name, "ExecuteGraphton"
    labels = {**_IN, "activityType": kind, "taskqueue": runner, "timeout_type": "Heartbeat"}
    elsewhere = {**labels, "activityType": "CallAgentActivity", "taskqueue": "zigflow"}
    unknown = {**labels, "activityType": "Unheard"}
    timeouts = m.TEMPORAL_TIMEOUTS.series
    return Example(
        "StigmerRunnerTimingOut",
        {**_IN, "activity_type": kind, "task_queue": runner, "timeout_type": "Heartbeat"},
        1,
        (
            Feed(timeouts, labels, Growth(0), Growth(0, first=1), stranger=Growth(1)),
            Feed(timeouts, elsewhere, Growth(1), Growth(1)),
            Feed(timeouts, unknown, Growth(1), Growth(1)),
        ),
        lead=2 * TIMEOUT_WINDOW,
        lasts=_SEEN,
    )


def _exporter(scope: Scope, catalogue: Catalogue) -> Iterator[Example]:
    yield Example(
        "StigmerExporterDown",
        {},
        1,
        (_up(Level(1), Level(0), second=Level(0), stranger=Level(1)),),
        when_absent=({},),
    )
    stale = scope.settings.monitoring.thresholds.exporter_stale_after
    yield Example(
        "StigmerExporterStale",
        _IN,
        stale.total_seconds() + 1,
        (
            Feed(
                m.LAST_SUCCESS.series,
                _IN,
                Behind(stale),
                Behind(stale + _SECOND),
                second=Behind(2 * stale),
                stranger=Behind(timedelta(0)),
            ),
        ),
    )
    yield from _missing(scope)
    yield Example(
        "StigmerExporterInstanceDown",
        {**target_labels(scope.settings, Emitter.SCRAPE), "instance": "a:9464"},
        0,
        (_up(Level(1), Level(0), second=Level(1), stranger=Level(0)),),
    )
    yield from _reads(scope, catalogue)


def _up(quiet: Level, bad: Level, *, second: Level, stranger: Level) -> Feed:
    return Feed(m.UP.series, {}, quiet, bad, second=second, stranger=stranger)


def _missing(scope: Scope) -> Iterator[Example]:
    vital = {
        m.COMPLETIONS.series: {**_IN, "service": "go", "status": "success"},
        m.COMPLETION_DURATION.count: {**_IN, "service": "go", "status": "success"},
        m.PENDING.series: {**_IN, "service": "go", "age_bucket": "0-1h"},
        m.ERRORS.series: {**_IN, "service": "go", "error_type": "timeout"},
    }
    everything = tuple(_labels_of_missing(scope, series) for series in vital)
    for missing in vital:
        yield Example(
            "StigmerMetricsMissing",
            _labels_of_missing(scope, missing),
            1,
            tuple(
                Feed(
                    series,
                    labels,
                    Level(0),
                    Gone() if series == missing else Level(0),
                    stranger=Level(0),
                )
                for series, labels in vital.items()
            ),
            when_absent=everything,
            name=missing.name,
        )


def _labels_of_missing(scope: Scope, series: Series) -> dict[str, str]:
    return {**exact_labels(scope.settings, Emitter.EXPORTER), "metric": series.name}


def _reads(scope: Scope, catalogue: Catalogue) -> Iterator[Example]:
    labels = {**_IN, "item": "payload"}
    yield Example(
        "StigmerExporterUnreadable",
        labels,
        1,
        (_level(m.UNREADABLE, labels, 0, 1, second=0),),
    )
    share = at_most(scope.settings.monitoring.thresholds.exporter_rpc_error_ratio)
    call = {**_IN, "method": "DescribeWorkflowExecution"}
    name = "StigmerExporterCallsFailing"
    part_bad = reached(scope, catalogue.alert(name))
    calls = {
        "UNAVAILABLE": share / 2,
        "RESOURCE_EXHAUSTED": share / 2,
        "NOT_FOUND": 0.3,
        "OK": 0.7 - share,
    }
    # Twice as many calls, so that the windows above and below the fraction can be told apart.
    yield Example(
        name,
        _IN,
        (share + part_bad * (share + 0.01)) / (1 + part_bad * 1.01),
        tuple(
            Feed(
                m.RPCS.series,
                {**call, "code": code},
                Growth(round(part * EACH)),
                Growth(round(2 * part * EACH) + (code == "UNAVAILABLE") * EACH // 100),
            )
            for code, part in calls.items()
        ),
        ends=scope.window - STEP,
        lead=scope.window + STEP,
        lasts=scope.window,
    )


def _deployment() -> Example:
    firing = {"alertname": "StigmerPollersMissing", "alertstate": "firing", "severity": "critical"}
    alerts = m.ALERTS.series
    return Example(
        "StigmerRollbackTriggered",
        {},
        1,
        (
            Feed(alerts, firing, Gone(), Level(1)),
            *(
                Feed(alerts, {**firing, label: other}, Level(1), Level(1))
                for label, other in (
                    ("alertname", "KubePodCrashLooping"),
                    ("alertstate", "pending"),
                    ("severity", "warning"),
                )
            ),
        ),
    )
