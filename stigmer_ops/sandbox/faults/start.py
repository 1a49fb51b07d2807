"""The handshake does not begin: Stigmer is not asked, or not for this activity."""

from __future__ import annotations

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults.scripts import BRIEF_RUN, LONG_RUN
from stigmer_ops.sandbox.handshake import Kind
from stigmer_ops.sandbox.plan import ActivitySettings, Call, Script, TokenState

FAULTS = (
    Fault(
        id="external-activity-not-started",
        title="Nobody takes the external activity",
        breaks="The external activity is scheduled on a queue that nobody polls, so that Stigmer "
        "is never called.",
        cause=None,
        verdict="external-activity-not-started",
        call=Call(settings=ActivitySettings(polled=False), script=LONG_RUN),
        visible=conditions.not_started,
    ),
    Fault(
        id="token-not-passed",
        title="The token was not passed",
        breaks="The execution is created without a token, and finishes; nobody calls back.",
        cause=2,
        verdict="token-not-passed",
        call=Call(token=TokenState.ABSENT, script=BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="standalone-stuck",
        title="The token of a standalone activity was not passed",
        breaks="As token-not-passed, and no workflow waits, but an activity on its own.",
        cause=2,
        verdict="token-not-passed",
        call=Call(token=TokenState.ABSENT, script=BRIEF_RUN),
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
)
