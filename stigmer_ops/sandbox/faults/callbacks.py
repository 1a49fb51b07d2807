"""The callback fails, or nobody is there who would make it."""

from __future__ import annotations

from dataclasses import replace

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults.scripts import BRIEF, BRIEF_RUN, LONG_RUN
from stigmer_ops.sandbox.plan import Agent, Call, Deployment, Edition

FAULTS = (
    Fault(
        id="callback-retrying",
        title="The callback fails and is retried",
        breaks="Every attempt of the callback fails to connect, and there is no limit to them.",
        cause=6,
        verdict="callback-retrying",
        call=Call(
            script=replace(
                LONG_RUN, runs_for=BRIEF, callback_attempts=0, deployment=Deployment.CUT_OFF
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
        call=Call(script=replace(BRIEF_RUN, deployment=Deployment.CUT_OFF)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-fails-java",
        title="The callback of the Java edition cannot reach Temporal",
        breaks="As callback-fails; the history shows a marker with a failure.",
        cause=6,
        verdict="callback-failed",
        call=Call(script=replace(BRIEF_RUN, edition=Edition.JAVA, deployment=Deployment.CUT_OFF)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-wrong-namespace",
        title="The callback goes to another namespace",
        breaks="The worker of the callback is connected to another namespace than the one that "
        "waits; the server refuses all three attempts.",
        cause=6,
        verdict="callback-failed",
        call=Call(script=replace(BRIEF_RUN, deployment=Deployment.WRONG_NAMESPACE)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-decode-error",
        title="The callback cannot read its own input",
        breaks="The agent fails; the Go edition encodes the error as {}, and cannot decode that "
        "again.",
        cause=7,
        verdict="callback-decode-error",
        call=Call(script=replace(BRIEF_RUN, agent=Agent.FAILS)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="runner-missing-timed-out",
        title="No agent runner took the work in time",
        breaks="The wait for a runner ends after a minute; the Go edition then cannot report the "
        "failure, as in callback-decode-error.",
        cause=7,
        verdict="callback-decode-error",
        call=Call(script=replace(LONG_RUN, runner_polled=False)),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="callback-not-registered",
        title="The callback is not registered",
        breaks="The worker that polls for the callback does not know its type; all three "
        "attempts fail.",
        cause=8,
        verdict="callback-not-registered",
        call=Call(script=replace(BRIEF_RUN, deployment=Deployment.CALLBACK_NOT_REGISTERED)),
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
            script=replace(LONG_RUN, runs_for=BRIEF, deployment=Deployment.CALLBACK_QUEUE_UNPOLLED)
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
        call=Call(script=replace(LONG_RUN, deployment=Deployment.DOWN)),
        visible=conditions.stigmer_unpolled,
    ),
    Fault(
        id="workflow-edition-without-callback",
        title="A workflow execution never calls back",
        breaks="The workflow edition finishes its work; it has no callback code.",
        cause=9,
        verdict="workflow-edition-without-callback",
        call=Call(script=replace(BRIEF_RUN, edition=Edition.WORKFLOW)),
        visible=conditions.stigmer_closed,
    ),
)
