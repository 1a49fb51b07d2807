"""What the two sides of a simulated handshake are to do; it travels with the handshake.

A `Call` is the input of the external activity, and tells Zigflow's side how to behave. The `Script`
inside it goes on to Stigmer in an annotation of the execution's metadata, and tells Stigmer's side.
Hence handshakes with different faults run side by side on one server. All times are nominal, as in
production; `Script.scale` turns them into the sandbox's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.scale import LATENCY_FLOOR, TimeScale

CALLBACK_ATTEMPTS = 3
CALLBACK_RETRY_INTERVAL = timedelta(seconds=1)
"""Nominal time before the first retry of the callback."""

RUNNER_RETRY_INTERVAL = timedelta(seconds=5)
"""Nominal time before the first retry of one of the runner's activities."""

ANNOTATION = "sandbox.stigmer-ops/script"
"""Annotation of an execution that holds its script, as JSON."""

DAY = timedelta(days=1)


class TokenState(StrEnum):
    """What Zigflow's side does to the task token on its way to Stigmer."""

    INTACT = "intact"
    ABSENT = "absent"
    DOUBLE_ENCODED = "double-encoded"
    TRUNCATED = "truncated"
    WRONG_NAMESPACE = "wrong-namespace"


class Edition(StrEnum):
    """Which Stigmer runs the execution."""

    GO = "go"
    """Agent execution; the callback is a regular activity."""
    JAVA = "java"
    """Agent execution; the callback is a local activity, seen only as a marker."""
    WORKFLOW = "workflow"
    """Workflow execution of the Go edition, which has no callback at all."""


class Deployment(StrEnum):
    """Which of several deployments of Stigmer's Go edition takes the execution."""

    HEALTHY = "healthy"
    CALLBACK_NOT_REGISTERED = "callback-not-registered"
    CALLBACK_QUEUE_UNPOLLED = "callback-queue-unpolled"
    DOWN = "down"
    """Nothing of it runs."""
    CUT_OFF = "cut-off"
    """The callback activity cannot connect to Temporal."""
    WRONG_NAMESPACE = "wrong-namespace"
    """The callback activity talks to another namespace than the one that waits."""


RUN_TIMEOUTS = {
    Edition.GO: timedelta(minutes=10),
    Edition.JAVA: timedelta(minutes=10),
    Edition.WORKFLOW: timedelta(minutes=30),
}
"""Run timeouts of the Stigmer workflows, in nominal time."""


def queue_of(deployment: Deployment) -> str:
    """The task queue that a deployment of the Go edition polls."""
    if deployment is Deployment.HEALTHY:
        return names.AGENT_QUEUE
    return f"{names.AGENT_QUEUE}_{deployment.replace('-', '_')}"


class Agent(StrEnum):
    """What the agent does, once its runner has taken it."""

    COMPLETES = "completes"
    FAILS = "fails"
    CRASHES = "crashes"
    """Fails every attempt, and is retried."""
    FALLS_SILENT = "falls-silent"
    """Never heartbeats and never ends; every attempt times out, and is retried."""


class Encoding(StrEnum):
    """Payload encoding of the Stigmer workflow's input."""

    JSON = "json/protobuf"
    BINARY = "binary/protobuf"


@dataclass(frozen=True, kw_only=True)
class ActivitySettings:
    """How the external workflow schedules its external activity; the defaults are recommended."""

    start_to_close: timedelta | None = DAY
    schedule_to_close: timedelta | None = None
    heartbeat: timedelta | None = None
    max_attempts: int = 1
    """0 for no limit, which is Temporal's own default."""
    polled: bool = True
    """Whether a worker takes the external activity at all."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What Stigmer's side does with an execution."""

    handshake: str = ""
    """Tells the sandbox which of its handshakes an execution belongs to."""
    time_scale: float = 1.0
    create_refused: bool = False
    """Answer the create call with an error, and store nothing."""
    edition: Edition = Edition.GO
    deployment: Deployment = Deployment.HEALTHY
    runner_polled: bool = True
    schedule_to_start: timedelta = timedelta(minutes=1)
    """How long a task for the runner may wait for one."""
    agent: Agent = Agent.COMPLETES
    runs_for: timedelta = timedelta(minutes=1)
    run_timeout: timedelta | None = None
    """Limit of the Stigmer workflow; None for the edition's own."""
    encoding: Encoding = Encoding.JSON
    calls_back: bool = True
    """Whether Stigmer is new enough to call back."""
    callback_attempts: int = CALLBACK_ATTEMPTS
    """0 for no limit."""
    token_in_status: bool = False
    """Put the token where older producers do, into the status."""

    @property
    def workflow_run_timeout(self) -> timedelta:
        """Run timeout of the Stigmer workflow, in the sandbox's time."""
        return self.scale(self.run_timeout or RUN_TIMEOUTS[self.edition])

    @property
    def stigmer_queue(self) -> str:
        """Task queue of the Stigmer workflow."""
        if self.edition is Edition.WORKFLOW:
            return names.WORKFLOW_QUEUE
        queue = queue_of(self.deployment)
        return f"{queue}_java" if self.edition is Edition.JAVA else queue

    @property
    def runner_queue(self) -> str:
        """Task queue of the agent runner."""
        if not self.runner_polled:
            return names.UNPOLLED_RUNNER_QUEUE
        if self.edition is Edition.WORKFLOW:
            return names.WORKFLOW_RUNNER_QUEUE
        return names.AGENT_RUNNER_QUEUE

    @property
    def runner_wait(self) -> timedelta:
        """Schedule-to-start timeout of the runner's activities, in the sandbox's time."""
        # Where nobody polls, no latency of the machine can be mistaken for a missing runner.
        floor = LATENCY_FLOOR if self.runner_polled else timedelta(seconds=1)
        return self.scale(self.schedule_to_start, floor=floor)

    @property
    def brief_timeout(self) -> timedelta:
        """Start-to-close timeout of the runner's short activities, in the sandbox's time."""
        return self.scale(timedelta(seconds=30), floor=LATENCY_FLOOR)

    @property
    def work_timeout(self) -> timedelta:
        """Start-to-close timeout of the agent's work, in the sandbox's time.

        A script that raises the run timeout raises this one too.
        """
        return max(self.scale(timedelta(minutes=10)), self.workflow_run_timeout)

    @property
    def heartbeat_timeout(self) -> timedelta:
        """Heartbeat timeout of the agent's work, in the sandbox's time."""
        silent = self.agent is Agent.FALLS_SILENT  # no latency can be mistaken for its silence
        floor = timedelta(seconds=1) if silent else LATENCY_FLOOR
        return self.scale(timedelta(seconds=30), floor=floor)

    @property
    def callback_timeout(self) -> timedelta:
        """Start-to-close timeout of the callback, in the sandbox's time."""
        return self.scale(timedelta(minutes=1), floor=LATENCY_FLOOR)

    @property
    def scale(self) -> TimeScale:
        """The scale of the sandbox that the execution runs in."""
        return TimeScale(self.time_scale)

    def to_json(self) -> str:
        """As the annotation carries it."""
        return _SCRIPT.dump_json(self).decode()

    @classmethod
    def of(cls, annotations: Mapping[str, str]) -> Script:
        """The script in an execution's annotations; a healthy one where there is none."""
        return _SCRIPT.validate_json(annotations.get(ANNOTATION, "{}"))


@dataclass(frozen=True, kw_only=True)
class Call:
    """What Zigflow's side does in one external activity."""

    activity_id: str = "5"
    settings: ActivitySettings = ActivitySettings()
    token: TokenState = TokenState.INTACT
    create_error_swallowed: bool = False
    """Return pending although the create call failed."""
    first_answer_lost: bool = False
    """The first attempt creates its execution, never hears of it, and fails."""
    executions: int = 1
    """How many executions one attempt creates with its token."""
    new_execution_each_attempt: bool = False
    """A retry creates a further execution; otherwise Stigmer finds that it exists already."""
    script: Script = Script()

    def to_payload(self) -> dict[str, Any]:
        """As the activity's input carries it: plain JSON values."""
        plain: dict[str, Any] = _CALL.dump_python(self, mode="json")
        return plain

    @classmethod
    def from_payload(cls, plain: Mapping[str, Any]) -> Call:
        """The inverse of `to_payload`."""
        return _CALL.validate_python(plain)


_SCRIPT = TypeAdapter(Script)
_CALL = TypeAdapter(Call)
