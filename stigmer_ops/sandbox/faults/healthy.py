"""Nothing is broken: the handshake goes as it should, or its failure is told as it should be."""

from __future__ import annotations

from dataclasses import replace

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults.scripts import LONG_RUN, MINUTE_RUN
from stigmer_ops.sandbox.handshake import Kind
from stigmer_ops.sandbox.plan import Agent, Call, Edition, Script

FAULTS = (
    Fault(
        id="healthy",
        title="Nothing is wrong",
        breaks="The agent works for a minute, and the external activity completes.",
        cause=None,
        verdict=None,
        call=Call(script=MINUTE_RUN),
        visible=conditions.closed,
    ),
    Fault(
        id="healthy-java",
        title="Nothing is wrong in the Java edition",
        breaks="As healthy, with the callback in a local activity.",
        cause=None,
        verdict=None,
        call=Call(script=replace(MINUTE_RUN, edition=Edition.JAVA)),
        visible=conditions.closed,
    ),
    Fault(
        id="agent-fails",
        title="The agent fails, and says so",
        breaks="The Java edition reports the failure, and the external activity fails with it.",
        cause=None,
        verdict=None,
        call=Call(script=replace(MINUTE_RUN, edition=Edition.JAVA, agent=Agent.FAILS)),
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
        call=Call(script=LONG_RUN),
        visible=conditions.agent_running,
    ),
    Fault(
        id="standalone",
        title="The agent is at work for a standalone activity",
        breaks="Nothing is broken; no workflow waits, but an activity on its own.",
        cause=1,
        verdict="running",
        call=Call(script=LONG_RUN),
        visible=conditions.agent_running,
        kind=Kind.STANDALONE,
    ),
)
