"""The waiting activity is held back, was served twice, or is set in ways that lead to trouble."""

from __future__ import annotations

from dataclasses import replace

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults.scripts import HOUR, LONG, LONG_RUN, MINUTE_RUN, RETRIED
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.plan import DAY, ActivitySettings, Agent, Call, Edition

FAULTS = (
    Fault(
        id="activity-paused",
        title="The external activity is paused",
        breaks="Somebody pauses it while the agent works.",
        cause=12,
        verdict="activity-paused",
        call=Call(script=LONG_RUN),
        visible=conditions.activity_paused,
        act=Handshake.pause_activity,
    ),
    Fault(
        id="workflow-paused",
        title="The external workflow is paused",
        breaks="Somebody pauses it while the agent works; it no longer counts as running.",
        cause=12,
        verdict="workflow-paused",
        call=Call(script=LONG_RUN),
        visible=conditions.workflow_paused,
        act=Handshake.pause_workflow,
    ),
    Fault(
        id="duplicate-executions",
        title="Two executions hold the same token",
        breaks="One attempt of the external activity created two executions.",
        cause=None,
        verdict="several-executions",
        call=Call(executions=2, script=LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="duplicate-executions-retried",
        title="Each attempt has an execution of its own",
        breaks="The answer to the create call was lost, and the retry created a second execution.",
        cause=None,
        verdict="several-executions",
        call=Call(
            settings=RETRIED,
            first_answer_lost=True,
            new_execution_each_attempt=True,
            script=LONG_RUN,
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
            settings=RETRIED,
            script=replace(MINUTE_RUN, edition=Edition.JAVA, agent=Agent.FAILS),
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
        call=Call(settings=ActivitySettings(max_attempts=0), script=LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="unsafe-heartbeat-timeout",
        title="The external activity has a heartbeat timeout",
        breaks="Nobody sends heartbeats for it, so the timeout would strike.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(heartbeat=LONG), script=LONG_RUN),
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
            script=LONG_RUN,
        ),
        visible=conditions.agent_running,
    ),
    Fault(
        id="unsafe-timeout-short",
        title="The external activity waits less than Stigmer may work",
        breaks="Its start-to-close timeout is shorter than the Stigmer workflow's run timeout.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(start_to_close=LONG / 2), script=LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="unsafe-timeout-long",
        title="The external activity waits for a month",
        breaks="Its start-to-close timeout is so long that nobody is told.",
        cause=None,
        verdict="unsafe-settings",
        call=Call(settings=ActivitySettings(start_to_close=30 * DAY), script=LONG_RUN),
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
            script=replace(LONG_RUN, run_timeout=HOUR),
        ),
        visible=conditions.agent_running,
    ),
)
