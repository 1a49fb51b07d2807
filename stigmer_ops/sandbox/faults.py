"""The faults that a simulated handshake can have: one entry each, selectable by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stigmer_ops.errors import UsageError
from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.handshake import Handshake, Kind
from stigmer_ops.sandbox.plan import (
    DAY,
    ActivitySettings,
    Agent,
    Call,
    Deployment,
    Edition,
    Script,
    TokenState,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LONG = 20 * HOUR
"""How long agents work, and their Stigmer workflows may run, where the state is to hold still."""

BRIEF = timedelta(seconds=10)
"""How long agents work that are to be over soon."""

_LONG_RUN = Script(runs_for=LONG, run_timeout=LONG)
_BRIEF_RUN = Script(runs_for=BRIEF)
_MINUTE_RUN = Script(runs_for=MINUTE)
_RETRIED = ActivitySettings(max_attempts=2)


FAULTS: tuple[Fault, ...] = (
    Fault(
        id="healthy",
        title="Nothing is wrong",
        breaks="The agent works for a minute, and the external activity completes.",
        cause=None,
        verdict=None,
        call=Call(script=_MINUTE_RUN),
        visible=conditions.closed,
    ),
    Fault(
        id="healthy-java",
        title="Nothing is wrong in the Java edition",
        breaks="As healthy, with the callback in a local activity.",
        cause=None,
        verdict=None,
        call=Call(script=replace(_MINUTE_RUN, edition=Edition.JAVA)),
        visible=conditions.closed,
    ),
    Fault(
        id="agent-fails",
        title="The agent fails, and says so",
        breaks="The Java edition reports the failure, and the external activity fails with it.",
        cause=None,
        verdict=None,
        call=Call(script=replace(_MINUTE_RUN, edition=Edition.JAVA, agent=Agent.FAILS)),
        visible=conditions.closed,
    ),
    Fault(
        id="create-fails",
        title="Stigmer refuses the execution",
        breaks="The create call fails, and the external activity fails at once.",
        cause=None,
        verdict=None,
        call=Call(script=Script(create_refused=True)),
        visible=conditions.closed,
    ),
    Fault(
        id="still-running",
        title="The agent is at work",
        breaks="Nothing is broken: the agent takes hours, and its time is not up.",
        cause=1,
        verdict="running",
        call=Call(script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="standalone",
        title="The agent is at work for a standalone activity",
        breaks="Nothing is broken; no workflow waits, but an activity on its own.",
        cause=1,
        verdict="running",
        call=Call(script=_LONG_RUN),
        visible=conditions.agent_running,
        kind=Kind.STANDALONE,
    ),
    Fault(
        id="external-activity-not-started",
        title="Nobody takes the external activity",
        breaks="The external activity is scheduled on a queue that nobody polls, so that Stigmer "
        "is never called.",
        cause=None,
        verdict="external-activity-not-started",
        call=Call(settings=ActivitySettings(polled=False), script=_LONG_RUN),
        visible=conditions.not_started,
    ),
    Fault(
        id="token-not-passed",
        title="The token was not passed",
        breaks="The execution is created without a token, and finishes; nobody calls back.",
        cause=2,
        verdict="token-not-passed",
        call=Call(token=TokenState.ABSENT, script=_BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="standalone-stuck",
        title="The token of a standalone activity was not passed",
        breaks="As token-not-passed, and no workflow waits, but an activity on its own.",
        cause=2,
        verdict="token-not-passed",
        call=Call(token=TokenState.ABSENT, script=_BRIEF_RUN),
        visible=conditions.stigmer_closed,
        kind=Kind.STANDALONE,
    ),
    Fault(
        id="create-error-swallowed",
        title="Stigmer refused the execution, and nobody noticed",
        breaks="The create call fails, and the external activity returns pending all the same.",
        cause=2,
        verdict="token-not-passed",
        call=Call(create_error_swallowed=True, script=Script(create_refused=True)),
        visible=conditions.waiting,
    ),
    Fault(
        id="runner-missing",
        title="No agent runner takes the work",
        breaks="The execution's first activity is scheduled on a queue that nobody polls.",
        cause=3,
        verdict="runner-missing",
        call=Call(script=replace(_LONG_RUN, runner_polled=False, schedule_to_start=LONG)),
        visible=conditions.runner_missing,
    ),
    Fault(
        id="runner-retrying",
        title="The agent crashes again and again",
        breaks="Every attempt of the agent's activity fails, and is retried.",
        cause=4,
        verdict="runner-retrying",
        call=Call(script=replace(_LONG_RUN, agent=Agent.CRASHES)),
        visible=conditions.agent_retrying,
    ),
    Fault(
        id="runner-heartbeat-lost",
        title="The agent runner falls silent",
        breaks="Every attempt of the agent's activity loses its heartbeat, and is retried.",
        cause=4,
        verdict="runner-retrying",
        call=Call(script=replace(_LONG_RUN, agent=Agent.FALLS_SILENT)),
        visible=conditions.agent_retrying,
    ),
    Fault(
        id="stigmer-workflow-timed-out",
        title="The Stigmer workflow ran out of time",
        breaks="Its run timeout strikes while the agent works (after one minute, to be over "
        "soon); no callback is attempted.",
        cause=5,
        verdict="stigmer-workflow-timed-out",
        call=Call(script=replace(_LONG_RUN, run_timeout=MINUTE)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="stigmer-workflow-terminated",
        title="The Stigmer workflow was terminated",
        breaks="Somebody terminates it while the agent works; no callback is attempted.",
        cause=5,
        verdict="stigmer-workflow-terminated",
        call=Call(script=_LONG_RUN),
        visible=conditions.stigmer_closed,
        act=Handshake.terminate_executions,
    ),
    Fault(
        id="stigmer-workflow-cancelled",
        title="The Stigmer workflow was cancelled",
        breaks="Somebody cancels it while the agent works; the Java edition closes it as "
        "cancelled, without a callback.",
        cause=5,
        verdict="stigmer-workflow-cancelled",
        call=Call(script=replace(_LONG_RUN, edition=Edition.JAVA)),
        visible=conditions.stigmer_closed,
        act=Handshake.cancel_executions,
    ),
    Fault(
        id="stigmer-workflow-cancelled-go",
        title="The Stigmer workflow was cancelled, and failed",
        breaks="Somebody cancels it while the agent works; the Go edition closes it as failed, "
        "without a callback.",
        cause=5,
        verdict="stigmer-workflow-failed",
        call=Call(script=_LONG_RUN),
        visible=conditions.stigmer_closed,
        act=Handshake.cancel_executions,
    ),
    Fault(
        id="stigmer-without-callback",
        title="Stigmer is too old to call back",
        breaks="The Stigmer workflow ends well and does not know of callbacks.",
        cause=5,
        verdict="callback-not-attempted",
        call=Call(script=replace(_BRIEF_RUN, calls_back=False)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-retrying",
        title="The callback fails and is retried",
        breaks="Every attempt of the callback fails to connect, and there is no limit to them.",
        cause=6,
        verdict="callback-retrying",
        call=Call(
            script=replace(
                _LONG_RUN, runs_for=BRIEF, callback_attempts=0, deployment=Deployment.CUT_OFF
            )
        ),
        visible=conditions.callback_retrying,
    ),
    Fault(
        id="callback-fails",
        title="The callback cannot reach Temporal",
        breaks="All three attempts of the callback fail to connect.",
        cause=6,
        verdict="callback-failed",
        call=Call(script=replace(_BRIEF_RUN, deployment=Deployment.CUT_OFF)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-fails-java",
        title="The callback of the Java edition cannot reach Temporal",
        breaks="As callback-fails; the history shows a marker with a failure.",
        cause=6,
        verdict="callback-failed",
        call=Call(script=replace(_BRIEF_RUN, edition=Edition.JAVA, deployment=Deployment.CUT_OFF)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-wrong-namespace",
        title="The callback goes to another namespace",
        breaks="The worker of the callback is connected to another namespace than the one that "
        "waits; the server refuses all three attempts.",
        cause=6,
        verdict="callback-failed",
        call=Call(script=replace(_BRIEF_RUN, deployment=Deployment.WRONG_NAMESPACE)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-decode-error",
        title="The callback cannot read its own input",
        breaks="The agent fails; the Go edition encodes the error as {}, and cannot decode that "
        "again.",
        cause=7,
        verdict="callback-decode-error",
        call=Call(script=replace(_BRIEF_RUN, agent=Agent.FAILS)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="runner-missing-timed-out",
        title="No agent runner took the work in time",
        breaks="The wait for a runner ends after a minute; the Go edition then cannot report the "
        "failure, as in callback-decode-error.",
        cause=7,
        verdict="callback-decode-error",
        call=Call(script=replace(_LONG_RUN, runner_polled=False)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-not-registered",
        title="The callback is not registered",
        breaks="The worker that polls for the callback does not know its type; all three "
        "attempts fail.",
        cause=8,
        verdict="callback-not-registered",
        call=Call(script=replace(_BRIEF_RUN, deployment=Deployment.CALLBACK_NOT_REGISTERED)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-queue-unpolled",
        title="Nobody polls for the callback",
        breaks="The callback is scheduled, and the queue has a workflow worker, but none for "
        "activities.",
        cause=8,
        verdict="callback-not-polled",
        call=Call(
            script=replace(_LONG_RUN, runs_for=BRIEF, deployment=Deployment.CALLBACK_QUEUE_UNPOLLED)
        ),
        visible=conditions.callback_unpolled,
    ),
    Fault(
        id="stigmer-missing",
        title="Nobody polls for the Stigmer workflow",
        breaks="The Stigmer workflow was started on a queue that nobody polls; nothing of it "
        "ever runs.",
        cause=8,
        verdict="stigmer-worker-missing",
        call=Call(script=replace(_LONG_RUN, deployment=Deployment.DOWN)),
        visible=conditions.stigmer_unpolled,
    ),
    Fault(
        id="workflow-edition-without-callback",
        title="A workflow execution never calls back",
        breaks="The workflow edition finishes its work; it has no callback code.",
        cause=9,
        verdict="workflow-edition-without-callback",
        call=Call(script=replace(_BRIEF_RUN, edition=Edition.WORKFLOW)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="stale-token",
        title="The execution holds the token of an earlier attempt",
        breaks="The answer to the create call was lost, and the external activity was retried; "
        "Stigmer still has the first attempt's token, and its callback is refused.",
        cause=10,
        verdict="token-stale",
        call=Call(settings=_RETRIED, first_answer_lost=True, script=_MINUTE_RUN),
        visible=conditions.retried(conditions.stigmer_closed),
    ),
    Fault(
        id="stale-token-running",
        title="The execution that runs holds the token of an earlier attempt",
        breaks="As stale-token, before the agent has finished: its callback will be refused.",
        cause=10,
        verdict="token-stale",
        call=Call(settings=_RETRIED, first_answer_lost=True, script=_LONG_RUN),
        visible=conditions.retried(conditions.agent_running),
    ),
    Fault(
        id="token-double-encoded",
        title="The token was encoded twice",
        breaks="Stigmer holds the base64 text of the token instead of its bytes.",
        cause=11,
        verdict="token-double-encoded",
        call=Call(token=TokenState.DOUBLE_ENCODED, script=_BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="token-truncated",
        title="The token was cut off",
        breaks="Stigmer holds the token without its last bytes.",
        cause=11,
        verdict="token-truncated",
        call=Call(token=TokenState.TRUNCATED, script=_BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="token-wrong-namespace",
        title="The token names another namespace",
        breaks="Stigmer holds the token with the id of another namespace in it.",
        cause=11,
        verdict="token-wrong-namespace",
        call=Call(token=TokenState.WRONG_NAMESPACE, script=_BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="activity-paused",
        title="The external activity is paused",
        breaks="Somebody pauses it while the agent works.",
        cause=12,
        verdict="activity-paused",
        call=Call(script=_LONG_RUN),
        visible=conditions.activity_paused,
        act=Handshake.pause_activity,
    ),
    Fault(
        id="workflow-paused",
        title="The external workflow is paused",
        breaks="Somebody pauses it while the agent works; it no longer counts as running.",
        cause=12,
        verdict="workflow-paused",
        call=Call(script=_LONG_RUN),
        visible=conditions.workflow_paused,
        act=Handshake.pause_workflow,
    ),
    Fault(
        id="duplicate-executions",
        title="Two executions hold the same token",
        breaks="One attempt of the external activity created two executions.",
        cause=None,
        verdict="several-executions",
        call=Call(executions=2, script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="duplicate-executions-retried",
        title="Each attempt has an execution of its own",
        breaks="The answer to the create call was lost, and the retry created a second execution.",
        cause=None,
        verdict="several-executions",
        call=Call(
            settings=_RETRIED,
            first_answer_lost=True,
            new_execution_each_attempt=True,
            script=_LONG_RUN,
        ),
        visible=conditions.retried(conditions.agent_running),
    ),
    Fault(
        id="delivered-to-another-attempt",
        title="The callback was delivered to an earlier attempt",
        breaks="The agent's failure was reported and accepted, and the external activity was "
        "retried; Stigmer has nothing more to deliver.",
        cause=None,
        verdict="delivered-to-another-attempt",
        call=Call(
            settings=_RETRIED,
            script=replace(_MINUTE_RUN, edition=Edition.JAVA, agent=Agent.FAILS),
        ),
        visible=conditions.retried(conditions.stigmer_closed),
    ),
    Fault(
        id="unsafe-retries",
        title="The external activity may be retried",
        breaks="Its retry policy has no limit; a retry would make the token stale and repeat the "
        "work.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(max_attempts=0), script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="unsafe-heartbeat-timeout",
        title="The external activity has a heartbeat timeout",
        breaks="Nobody sends heartbeats for it, so the timeout would strike.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(heartbeat=LONG), script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="no-start-to-close",
        title="The external activity has no start-to-close timeout",
        breaks="Only its schedule-to-close timeout is set, and the server takes it for both.",
        cause=None,
        verdict="running",
        call=Call(
            settings=ActivitySettings(start_to_close=None, schedule_to_close=DAY),
            script=_LONG_RUN,
        ),
        visible=conditions.agent_running,
    ),
    Fault(
        id="unsafe-timeout-short",
        title="The external activity waits less than Stigmer may work",
        breaks="Its start-to-close timeout is shorter than the Stigmer workflow's run timeout.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(start_to_close=LONG / 2), script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="unsafe-timeout-long",
        title="The external activity waits for a month",
        breaks="Its start-to-close timeout is so long that nobody is told.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(start_to_close=30 * DAY), script=_LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="near-deadline",
        title="The external activity is about to time out",
        breaks="The agent works, and the start-to-close timeout of an hour runs down.",
        cause=None,
        verdict="near-deadline",
        call=Call(
            settings=ActivitySettings(start_to_close=HOUR),
            script=replace(_LONG_RUN, run_timeout=HOUR),
        ),
        visible=conditions.agent_running,
    ),
)

BY_ID = {fault.id: fault for fault in FAULTS}
"""The faults by name."""


def fault(name: str) -> Fault:
    """The fault of that name.

    Raises:
        UsageError: If there is none.
    """
    try:
        return BY_ID[name]
    except KeyError:
        raise UsageError(
            f"there is no fault {name!r}",
            not_done="the handshake was not started",
            next_step=f"one of: {', '.join(BY_ID)}",
        ) from None
