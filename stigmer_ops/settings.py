"""What is ours to configure: one YAML file, every value overridable by a STIGMER_OPS_* variable.

The connection to Temporal is not here: it follows Temporal's own conventions. Where the values
come from is read in settings_sources.py.

An environment variable is the path of the value in capitals, joined by underscores:
`thresholds.stuck_after` is `STIGMER_OPS_THRESHOLDS_STUCK_AFTER`. Lists are written as YAML
(`[a, b]`) or separated by commas.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import durationpy
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

PREFIX = "STIGMER_OPS_"


def _duration(value: object) -> object:
    if isinstance(value, str):
        try:
            return durationpy.from_str(value)
        except durationpy.DurationError as error:
            raise ValueError(f"{value!r} is not a duration such as 90s, 30m or 4h") from error
    if isinstance(value, int | float) and not isinstance(value, bool) and value != 0:
        raise ValueError(f"{value!r} has no unit: write {value}s, {value}m or {value}h")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class External(_Section):
    """Which activities wait for Stigmer."""

    activity_types: tuple[str, ...] = ("CallAgentActivity",)
    """Activity types that complete externally; Zigflow's is the default."""


class Stigmer(_Section):
    """The Stigmer service and its workflows."""

    address: str | None = None
    """host:port of its gRPC API (7234 by default where it is installed); unset: it is not asked."""
    namespace: str | None = None
    """The Temporal namespace of the Stigmer workflows; unset: that of the external workflows."""
    tls: bool = False
    tls_ca_path: Path | None = None
    tls_cert_path: Path | None = None
    tls_key_path: Path | None = None
    agent_run_timeout: Duration = timedelta(minutes=10)
    """Workflow run timeout of stigmer/agent-execution/invoke."""
    workflow_run_timeout: Duration = timedelta(minutes=30)
    """Workflow run timeout of stigmer/workflow-execution/invoke."""


class TaskQueue(_Section):
    """A task queue, and the activity types that each of its workers must have registered."""

    name: str = Field(min_length=1)
    activity_types: tuple[str, ...] = ()
    workflows: bool = False
    """Whether workers poll it for workflow tasks too."""


CALLBACK_ACTIVITY_TYPE = "stigmer/system/complete-external-activity"


def _queue(name: str, *activity_types: str, workflows: bool = False) -> TaskQueue:
    return TaskQueue(name=name, activity_types=activity_types, workflows=workflows)


class TaskQueues(_Section):
    """The queues of the handshake, by role."""

    agent_execution_stigmer: TaskQueue = _queue(
        "agent_execution_stigmer", CALLBACK_ACTIVITY_TYPE, workflows=True
    )
    agent_execution_runner: TaskQueue = _queue(
        "agent_execution_runner", "EnsureThread", "ExecuteGraphton", "CleanupSandbox"
    )
    workflow_execution_stigmer: TaskQueue = _queue("workflow_execution_stigmer", workflows=True)
    workflow_execution_runner: TaskQueue = _queue("workflow_execution_runner")
    workflow_validation_stigmer: TaskQueue = _queue("workflow_validation_stigmer", workflows=True)
    workflow_validation_runner: TaskQueue = _queue("workflow_validation_runner")
    zigflow_execution: TaskQueue = _queue("zigflow_execution", "CallAgentActivity", workflows=True)

    def by_role(self) -> dict[str, TaskQueue]:
        """Role to queue, in the order in which the handshake meets them."""
        return {role: getattr(self, role) for role in type(self).model_fields}


class Thresholds(_Section):
    """When a number becomes a finding."""

    stuck_after: Duration = timedelta(hours=4)
    """An external activity older than this counts as stuck; most agents take 1 to 4 hours."""
    near_deadline_share: float = Field(default=0.8, gt=0, lt=1)
    """Share of its own timeout past which an activity is near its deadline."""
    suspect_after: Duration = timedelta(minutes=5)
    """`diagnose` looks into running executions whose attempt is older than this."""
    handshake_grace: Duration = timedelta(minutes=1)
    """An attempt younger than this may not have reached Stigmer yet."""
    longest_timeout: Duration = timedelta(hours=24)
    """An activity timeout beyond this is unsafe: nobody is told for too long. What `diagnose`
    extends by, a quarter at most, is not counted."""
    poller_stale_after: Duration = timedelta(seconds=60)
    """A poller not seen for this long may be dead: the server lists it for five minutes."""
    backlog: int = Field(default=100, ge=0)
    """Pending external activities above which the system is behind."""
    smoke_budget: Duration = timedelta(milliseconds=100)
    """What the handshake may add to the agent's own time, dispatch and callback together."""


class Scan(_Section):
    """How hard reads press the Temporal frontend."""

    rps: float = Field(default=200.0, ge=0)
    """Calls a second, 0 for no limit. The namespace's workers need the frontend too."""
    concurrency: int = Field(default=64, ge=1, le=1000)


_MATCHER = r'[a-zA-Z_][a-zA-Z0-9_]*(=~|!~|!=|=)"([^"\\]|\\.)*"'
Matchers = Annotated[str, Field(pattern=f"^({_MATCHER}(,{_MATCHER})*)?$")]
"""PromQL label matchers, separated by commas, without the braces."""

Ratio = Annotated[float, Field(gt=0, lt=1)]
Window = Annotated[Duration, Field(ge=timedelta(minutes=1))]


class AlertThresholds(_Section):
    """Where alerts begin; `thresholds` holds what commands and alerts share."""

    critical_age: Duration = timedelta(hours=12)
    """An external activity older than this pages. At or above its own timeout it never would."""
    imminent_share: Ratio = 0.95
    """Share of its own timeout past which an activity is about to time out."""
    completion_failure_ratio: Ratio = 0.5
    """Share of completions that fail, above which it is critical."""
    success_ratio: Ratio = 0.9
    """Share of completions that succeed, below which it is a warning."""
    completion_p99: Duration = timedelta(milliseconds=500)
    """99th percentile of the completion duration, above which it is a warning."""
    error_ratio: Ratio = 0.05
    """Errors for each handshake that ended, above which it is a warning."""
    rollback_error_ratio: Ratio = 0.1
    """Errors for each handshake that ended, above which a deployment is rolled back."""
    queue_backlog_age: Duration = timedelta(minutes=5)
    """Age of the oldest task of a task queue, above which its workers are too few."""
    exporter_stale_after: Duration = timedelta(minutes=5)
    """Age of the exporter's last complete scan, above which its values are old."""
    exporter_rpc_error_ratio: Ratio = 0.1
    """Share of the exporter's calls to Temporal that fail, above which it is a warning."""


class Healthy(_Section):
    """What is usual, for `metrics query` and the dashboard; alerts begin further out."""

    success_ratio: Ratio = 0.95
    completion_p50: Duration = timedelta(milliseconds=50)
    completion_p95: Duration = timedelta(milliseconds=100)
    completion_p99: Duration = timedelta(milliseconds=200)
    error_ratio: Ratio = 0.01


class Monitoring(_Section):
    """Where the handshake is watched, and when that raises an alert."""

    prometheus: str | None = Field(default=None, pattern="^https?://")
    """Base URL of Prometheus, http(s)://host:port; unset: it is not asked."""
    prometheus_timeout: Duration = timedelta(seconds=10)
    """How long Prometheus, or Alertmanager, may take to answer."""
    alertmanager: str | None = Field(default=None, pattern="^https?://")
    """Base URL of Alertmanager, http(s)://host:port; unset: `maintenance` silences nothing."""
    silence_matchers: Matchers = ""
    """What the alerts of this installation have beside their names, for silences, such as
    cluster="eu-1"; without it, an Alertmanager that others share is silenced for them too."""
    runbook_url: str = "https://runbooks.example.com/alerts/{alert}"
    """Where an alert's page is; {alert} is replaced by its name."""
    dashboard_url: str = "https://grafana.example.com/d/{uid}?viewPanel={panel}"
    """Where an alert's panel is; {uid} and {panel} are replaced."""
    exporter_selector: Matchers = 'job="stigmer-ops"'
    """What tells the exporter's series from others, as PromQL matchers."""
    temporal_selector: Matchers = 'job="temporal"'
    """What tells the Temporal server's own series from others, as PromQL matchers."""
    installation_labels: tuple[str, ...] = ()
    """Target labels that tell installations apart, such as cluster; every rule keeps them."""
    window: Window = timedelta(minutes=5)
    """Over how long rates and ratios are computed; at least four scrapes long."""
    minimum_completions: int = Field(default=5, ge=0)
    """Completions in the window below which a ratio raises no alert."""
    completion_objective: float = Field(default=0.95, ge=0.94, lt=1)
    """Share of completions that shall succeed in 30 days. Below 0.94 the fastest burn-rate alert
    (14.4 times the budget) could never fire."""
    time_scale: float = Field(default=1.0, gt=0, le=1)
    """Less than 1 only in a sandbox, whose days are short: every `for` and every range of the rules
    is multiplied by it, and so are the age buckets of the exporter's metrics."""
    thresholds: AlertThresholds = AlertThresholds()
    healthy: Healthy = Healthy()


class Exporter(_Section):
    """What `stigmer-ops exporter` reads, how often, and where it serves what it found."""

    listen: str = "127.0.0.1:9469"
    """host:port of its /metrics; only this machine reaches the default."""
    interval: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=30)
    """How often it reads what has changed."""
    full_sweep_every: Duration = timedelta(minutes=15)
    """In which time every open workflow is read again, a share of them at each interval; 0: only
    once, at the start. Changes that nothing else tells of show up within it."""
    visibility_lag: Duration = timedelta(minutes=2)
    """How late Temporal may list a workflow that started or closed. It is looked for that far back
    at each interval; what is listed later still shows up with `full_sweep_every`."""
    series_limit: int = Field(default=100, ge=1)
    """Pairs of task queue and activity type with series of their own in each namespace; beyond
    it, those with the fewest activities count as `other`."""
    queues_every: Duration = timedelta(minutes=2)
    """How often it looks at the pollers and backlogs of the task queues."""
    registration_every: Duration = timedelta(minutes=10)
    """How often it looks for what the workers have registered."""
    registration_probe: bool = False
    """Whether it asks the workers for that, as `worker check` does: it starts a standalone activity
    of a type that nobody has, and deletes it. Without, it reads the failures of what is pending."""


class Audit(_Section):
    """The record of every write."""

    path: Path | None = None
    """The audit file; unset: audit.jsonl in the user's state directory."""


class Batch(_Section):
    """Plans that are carried out as workflows: `apply --durable` and `batch-worker`."""

    namespace: str | None = None
    """The Temporal namespace of the batch workflows; unset: the one that is written to."""
    task_queue: str = Field(default="stigmer-ops-batch", min_length=1)
    """Where batch workers poll. In a namespace of its own, /NAMESPACE is put behind it: batches
    for several namespaces may lie there."""
    page_rows: int = Field(default=100, ge=1, le=500)
    """Rows that a worker takes at once, at most."""
    pages_at_once: int = Field(default=8, ge=1, le=100)
    """Pages of one batch under way at once; each has an equal share of --rps."""
    worker_lost_after: Annotated[Duration, Field(ge=timedelta(seconds=2))] = timedelta(seconds=10)
    """How long a worker may be silent before another one takes its pages."""


class Writes(_Section):
    """What guards writes."""

    protected_namespaces: tuple[str, ...] = ()
    """Namespaces whose name must be typed before a write, even of one activity."""
    confirm_above: int = Field(default=100, ge=0)
    """Activities above which `apply` has the namespace's name typed, in whichever namespace."""


class Kubernetes(_Section):
    """Where Stigmer runs, for procedures that call kubectl."""

    context: str | None = None
    """Context of the kubeconfig; unset: the current one."""
    namespace: str = "default"
    """Kubernetes namespace of the deployments."""
    deployments: tuple[str, ...] = ("stigmer-server", "stigmer-service")
    """Deployments of Stigmer, in the order in which they are started."""
    replicas: int = Field(default=3, ge=1)
    """Replicas of each to which procedures return where they could not read how many there were."""
    rollout_timeout: Duration = timedelta(minutes=10)
    """How long a rollout may take."""


class Procedures(_Section):
    """How procedures are remembered."""

    path: Path | None = None
    """Folder of their journals; unset: `procedures` in the user's state directory. Colleagues who
    are to see and end each other's maintenance windows need one that they share."""


class Scaling(_Section):
    """How many replicas `scale recommend` recommends; thresholds.backlog says when to add some."""

    min_replicas: int = Field(default=3, ge=1)
    max_replicas: int = Field(default=10, ge=1)
    """Each replica has connections of its own, of which the system takes no more."""
    pending_per_pod: int = Field(default=20, ge=1)
    """Pending external activities for each replica."""
    sustained_for: Duration = timedelta(minutes=15)
    """How long thresholds.backlog must be exceeded before replicas are added."""
    scale_down_after: Duration = timedelta(minutes=30)
    """How long fewer replicas must do before the autoscaler takes some away."""
    slots_used: Ratio = 0.8
    """Share of the workers' task slots that may be taken for long."""

    @field_validator("max_replicas")
    @classmethod
    def _not_below_the_least(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("min_replicas", value)
        if value < least:
            raise ValueError(f"{value} is below scaling.min_replicas, {least}")
        return value


class Deployment(_Section):
    """What `deploy verify` watches after a deployment, besides monitoring.healthy.error_ratio.

    When it is to be rolled back is in monitoring.thresholds (rollback_error_ratio and
    completion_failure_ratio), for as long as the alerts on them wait.
    """

    completion_p99: Duration = timedelta(milliseconds=100)
    """99th percentile of the completion duration; above it a deployment is not well."""
    pending_growth: float = Field(default=2.0, gt=1)
    """How many times as many external activities may wait as at the start, before it is a spike."""
    pending_floor: int = Field(default=20, ge=0)
    """So many more than at the start are no spike, however few there were."""
    broken_for: Duration = timedelta(minutes=5)
    """How long a limit may not hold during the watch; at its end each has to hold."""


class Escalation(_Section):
    """Where to go with an incident, for `escalate`."""

    runbook: str = "stigmer-ops runbook list"
    """Where the runbook is: an address, or a command."""
    logs: str | None = None
    """Where the logs of the services are; {workflow_id} is replaced. Unset: it is not said."""
    temporal_ui: str | None = None
    """Address of a workflow in the Temporal UI; {namespace}, {workflow_id} and {run_id} are
    replaced. Unset: `temporal workflow describe` is shown instead."""
    channel: str = "#stigmer-oncall"
    """Where the people on call talk."""
    pager: str = "PagerDuty"
    """Who pages, for critical alerts."""
    lead: str = "the engineering lead"
    """Whom to call in a prolonged outage."""
    prolonged_after: Duration = timedelta(hours=1)
    """How long something critical must last to be a prolonged outage."""


class Settings(_Section):
    """Everything that is ours to configure."""

    external: External = External()
    stigmer: Stigmer = Stigmer()
    task_queues: TaskQueues = TaskQueues()
    thresholds: Thresholds = Thresholds()
    scan: Scan = Scan()
    monitoring: Monitoring = Monitoring()
    exporter: Exporter = Exporter()
    audit: Audit = Audit()
    batch: Batch = Batch()
    writes: Writes = Writes()
    kubernetes: Kubernetes = Kubernetes()
    procedures: Procedures = Procedures()
    scaling: Scaling = Scaling()
    deployment: Deployment = Deployment()
    escalation: Escalation = Escalation()
    read_only: bool = False
    """Refuse every write."""
    output: Literal["table", "wide", "json", "jsonl", "yaml"] = "table"
    """The output format where -o is not given."""


ValuePath = tuple[str, ...]


def leaves(section: BaseModel, above: ValuePath = ()) -> Iterator[tuple[ValuePath, Any]]:
    """Every value of the settings with its path, in the order of declaration."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def variable_of(path: ValuePath) -> str:
    """The environment variable that overrides the value at `path`."""
    return PREFIX + "_".join(path).upper()
