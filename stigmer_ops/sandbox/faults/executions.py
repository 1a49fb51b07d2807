"""Stigmer works on the agent and does not finish, or finishes without a callback."""

from __future__ import annotations

from dataclasses import replace

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults.scripts import BRIEF_RUN, LONG, LONG_RUN, MINUTE
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.plan import Agent, Call, Edition

FAULTS = (
    Fault(
        id="runner-missing",
        title="No agent runner takes the work",
        breaks="The execution's first activity is scheduled on a queue that nobody polls.",
        cause=3,
        verdict="runner-missing",
        call=Call(script=replace(LONG_RUN, runner_polled=False, schedule_to_start=LONG)),
        visible=conditions.runner_missing,
    ),
    Fault(
        id="runner-retrying",
        title="The agent crashes again and again",
        breaks="Every attempt of the agent's activity fails, and is retried.",
        cause=4,
        verdict="runner-retrying",
        call=Call(script=replace(LONG_RUN, agent=Agent.CRASHES)),
        visible=conditions.agent_retrying,
    ),
    Fault(
        id="runner-heartbeat-lost",
        title="The agent runner falls silent",
        breaks="Every attempt of the agent's activity loses its heartbeat, and is retried.",
        cause=4,
        verdict="runner-retrying",
        call=Call(script=replace(LONG_RUN, agent=Agent.FALLS_SILENT)),
        visible=conditions.agent_retrying,
    ),
    Fault(
        id="stigmer-workflow-timed-out",
        title="The Stigmer workflow ran out of time",
        breaks="Its run timeout strikes while the agent works (after one minute, to be over "
        "soon); no callback is attempted.",
        cause=5,
        verdict="stigmer-workflow-timed-out",
        call=Call(script=replace(LONG_RUN, run_timeout=MINUTE)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="stigmer-workflow-terminated",
        title="The Stigmer workflow was terminated",
        breaks="Somebody terminates it while the agent works; no callback is attempted.",
        cause=5,
        verdict="stigmer-workflow-terminated",
        call=Call(script=LONG_RUN),
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
        call=Call(script=replace(LONG_RUN, edition=Edition.JAVA)),
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
        call=Call(script=LONG_RUN),
        visible=conditions.stigmer_closed,
        act=Handshake.cancel_executions,
    ),
    Fault(
        id="stigmer-without-callback",
        title="Stigmer is too old to call back",
        breaks="The Stigmer workflow ends well and does not know of callbacks.",
        cause=5,
        verdict="callback-not-attempted",
        call=Call(script=replace(BRIEF_RUN, calls_back=False)),
        visible=conditions.stigmer_closed,
    ),
)
