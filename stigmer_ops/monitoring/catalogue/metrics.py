"""Every metric that rules, queries and panels may use.

The first four names are those of the system's written runbook, which the system itself never
emitted. Series of the exporter must be scraped with `honor_labels: true`: service discovery in
Kubernetes otherwise replaces `namespace` and `service` by its own.
"""

from __future__ import annotations

from stigmer_ops.handshake.activity import AGE_BUCKETS
from stigmer_ops.monitoring.catalogue.model import Emitter, Label, Metric, MetricKind, Unit

NAMESPACE = Label("namespace", "Temporal namespace.")
SERVICE = Label(
    "service",
    "Edition of Stigmer; unknown where no execution was found that carries the token.",
    ("go", "java", "unknown"),
)
STATUS = Label(
    "status",
    "success: Temporal accepted the result or the error; failure: the callback gave up.",
    ("success", "failure"),
)
AGE_BUCKET = Label(
    "age_bucket",
    "Time since the activity was first scheduled; the lower bound is inclusive.",
    tuple(name for name, _ in AGE_BUCKETS),
)
ERROR_TYPE = Label(
    "error_type",
    "token_empty: the callback had no token; client_error: Temporal refused it; timeout: the "
    "external activity timed out before any callback; unknown: anything else.",
    ("token_empty", "client_error", "timeout", "unknown"),
)
TASK_QUEUE = Label("task_queue", "Task queue; other beyond the exporter's limit of series.")
ACTIVITY_TYPE = Label("activity_type", "Activity type; other beyond the exporter's limit.")
TASK_TYPE = Label("task_type", "Which tasks are polled for.", ("activity", "workflow"))
SETTING = Label(
    "setting",
    "The activity option that is unsafe for completion from outside.",
    ("maximum_attempts", "heartbeat_timeout", "start_to_close_timeout"),
)
SWEEP = Label("sweep", "Whether every open workflow was read.", ("full", "incremental"))
METHOD = Label("method", "RPC of Temporal's WorkflowService.")
CODE = Label("code", "gRPC status code in capitals; OK where the call succeeded.")
ITEM = Label(
    "item",
    "What could not be read.",
    ("workflow", "history", "payload", "task_queue"),
)
VERSION = Label("version", "Version of stigmer-ops.")

_COMPLETION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
"""From what a healthy callback takes (50 ms) to three attempts of a minute each."""
_SCAN_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

COMPLETIONS = Metric(
    "stigmer_external_activity_completions_total",
    MetricKind.COUNTER,
    Unit.COUNT,
    (NAMESPACE, SERVICE, STATUS),
    "Callbacks that came to their end, each counted once.",
    from_zero=True,
)
COMPLETION_DURATION = Metric(
    "stigmer_external_activity_completion_duration_seconds",
    MetricKind.HISTOGRAM,
    Unit.SECONDS,
    (NAMESPACE, SERVICE, STATUS),
    "From the scheduling of a callback to its end, retries included.",
    buckets=_COMPLETION_BUCKETS,
    from_zero=True,
)
PENDING = Metric(
    "stigmer_pending_external_activities",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE, SERVICE, AGE_BUCKET),
    "External activities that wait, by age.",
    from_zero=True,
)
ERRORS = Metric(
    "stigmer_external_activity_errors_total",
    MetricKind.COUNTER,
    Unit.COUNT,
    (NAMESPACE, SERVICE, ERROR_TYPE),
    "Handshakes that went wrong, each counted once.",
    from_zero=True,
)

PENDING_BY_TASK_QUEUE = Metric(
    "stigmer_pending_external_activities_by_task_queue",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE, TASK_QUEUE, ACTIVITY_TYPE),
    "External activities that wait, by task queue and activity type.",
)
OLDEST = Metric(
    "stigmer_pending_external_activity_oldest_timestamp_seconds",
    MetricKind.GAUGE,
    Unit.TIMESTAMP,
    (NAMESPACE, TASK_QUEUE, ACTIVITY_TYPE),
    "When the oldest external activity that waits was first scheduled.",
)
NEAREST_DEADLINE = Metric(
    "stigmer_pending_external_activity_nearest_deadline_timestamp_seconds",
    MetricKind.GAUGE,
    Unit.TIMESTAMP,
    (NAMESPACE, TASK_QUEUE, ACTIVITY_TYPE),
    "When the next external activity that waits will time out.",
)
TIMEOUT_USED = Metric(
    "stigmer_pending_external_activity_timeout_used_ratio",
    MetricKind.GAUGE,
    Unit.RATIO,
    (NAMESPACE, TASK_QUEUE, ACTIVITY_TYPE),
    "Largest share of its own timeout that an external activity has waited; 1 is its deadline.",
)
UNSAFE_SETTINGS = Metric(
    "stigmer_pending_external_activities_unsafe",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE, TASK_QUEUE, ACTIVITY_TYPE, SETTING),
    "External activities that wait with an option that is unsafe for completion from outside.",
)
POLLERS = Metric(
    "stigmer_task_queue_pollers",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE, TASK_QUEUE, TASK_TYPE),
    "Workers that polled an expected task queue within the last minute.",
)
QUEUE_BACKLOG = Metric(
    "stigmer_task_queue_backlog",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE, TASK_QUEUE, TASK_TYPE),
    "Tasks that wait for a worker of an expected task queue.",
)
QUEUE_BACKLOG_AGE = Metric(
    "stigmer_task_queue_backlog_age_seconds",
    MetricKind.GAUGE,
    Unit.SECONDS,
    (NAMESPACE, TASK_QUEUE, TASK_TYPE),
    "How long the oldest task has waited for a worker of an expected task queue.",
)
REGISTERED = Metric(
    "stigmer_activity_type_registered",
    MetricKind.GAUGE,
    Unit.BOOLEAN,
    (NAMESPACE, TASK_QUEUE, ACTIVITY_TYPE),
    "1 if the workers of the task queue have the activity type, 0 if one of them has not.",
)

LAST_SUCCESS = Metric(
    "stigmer_ops_exporter_last_success_timestamp_seconds",
    MetricKind.GAUGE,
    Unit.TIMESTAMP,
    (NAMESPACE,),
    "When the namespace was last read in full; 0 before the first time.",
    from_zero=True,
)
SCAN_DURATION = Metric(
    "stigmer_ops_exporter_scan_duration_seconds",
    MetricKind.HISTOGRAM,
    Unit.SECONDS,
    (NAMESPACE, SWEEP),
    "How long reading the namespace took.",
    buckets=_SCAN_BUCKETS,
    from_zero=True,
)
RPCS = Metric(
    "stigmer_ops_exporter_rpcs_total",
    MetricKind.COUNTER,
    Unit.COUNT,
    (NAMESPACE, METHOD, CODE),
    "Calls to Temporal that ended, by status.",
)
WORKFLOWS_SCANNED = Metric(
    "stigmer_ops_exporter_workflows_scanned_total",
    MetricKind.COUNTER,
    Unit.COUNT,
    (NAMESPACE,),
    "Workflows that were described.",
    from_zero=True,
)
TRACKED = Metric(
    "stigmer_ops_exporter_tracked_activities",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE,),
    "External activities that the exporter holds in memory.",
    from_zero=True,
)
UNREADABLE = Metric(
    "stigmer_ops_exporter_unreadable_items",
    MetricKind.GAUGE,
    Unit.COUNT,
    (NAMESPACE, ITEM),
    "What could not be read, and is left out: by the last scan, or for good within the hour.",
    from_zero=True,
)
BUILD_INFO = Metric(
    "stigmer_ops_exporter_build_info",
    MetricKind.GAUGE,
    Unit.COUNT,
    (VERSION,),
    "Always 1; which version runs is in its label.",
)

TEMPORAL_ACTIVITY_TYPE = Label("activityType", "Activity type, as the server labels it.")
TEMPORAL_TASK_QUEUE = Label("taskqueue", "Task queue, as the server labels it.")
TIMEOUT_TYPE = Label(
    "timeout_type",
    "Which timeout struck.",
    ("StartToClose", "ScheduleToStart", "ScheduleToClose", "Heartbeat"),
)
_TEMPORAL_LABELS = (NAMESPACE, TEMPORAL_ACTIVITY_TYPE, TEMPORAL_TASK_QUEUE)

TEMPORAL_TIMEOUTS = Metric(
    "activity_timeout",
    MetricKind.COUNTER,
    Unit.COUNT,
    (*_TEMPORAL_LABELS, TIMEOUT_TYPE),
    "Activities that timed out for good.",
    Emitter.TEMPORAL_SERVER,
)
TEMPORAL_ATTEMPT_TIMEOUTS = Metric(
    "activity_task_timeout",
    MetricKind.COUNTER,
    Unit.COUNT,
    (*_TEMPORAL_LABELS, TIMEOUT_TYPE),
    "Attempts of activities that timed out, the last one of each included.",
    Emitter.TEMPORAL_SERVER,
)

ALERTNAME = Label("alertname", "Name of the alert.")
ALERTSTATE = Label("alertstate", "Whether it fires already.", ("pending", "firing"))
SEVERITY = Label("severity", "Severity of the alert.", ("critical", "warning", "info"))

UP = Metric(
    "up",
    MetricKind.GAUGE,
    Unit.BOOLEAN,
    (Label("job", "Scrape job."), Label("instance", "Scrape target, host:port.")),
    "1 if the last scrape of the target succeeded.",
    Emitter.SCRAPE,
)
ALERTS = Metric(
    "ALERTS",
    MetricKind.GAUGE,
    Unit.BOOLEAN,
    (ALERTNAME, ALERTSTATE, SEVERITY),
    "1 for each alert that is pending or firing, with the alert's own labels.",
    Emitter.PROMETHEUS,
)

METRICS: tuple[Metric, ...] = (
    COMPLETIONS,
    COMPLETION_DURATION,
    PENDING,
    ERRORS,
    PENDING_BY_TASK_QUEUE,
    OLDEST,
    NEAREST_DEADLINE,
    TIMEOUT_USED,
    UNSAFE_SETTINGS,
    POLLERS,
    QUEUE_BACKLOG,
    QUEUE_BACKLOG_AGE,
    REGISTERED,
    LAST_SUCCESS,
    SCAN_DURATION,
    RPCS,
    WORKFLOWS_SCANNED,
    TRACKED,
    UNREADABLE,
    BUILD_INFO,
    TEMPORAL_TIMEOUTS,
    TEMPORAL_ATTEMPT_TIMEOUTS,
    UP,
    ALERTS,
)
