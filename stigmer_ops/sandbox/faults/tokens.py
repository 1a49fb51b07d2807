"""The token is of another attempt, or is not what Temporal issued."""

from __future__ import annotations

from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.fault import Fault
from stigmer_ops.sandbox.faults.scripts import BRIEF_RUN, LONG_RUN, MINUTE_RUN, RETRIED
from stigmer_ops.sandbox.plan import Call, TokenState

FAULTS = (
    Fault(
        id="stale-token",
        title="The execution holds the token of an earlier attempt",
        breaks="The answer to the create call was lost, and the external activity was retried; "
        "Stigmer still has the first attempt's token, and its callback is refused.",
        cause=10,
        verdict="token-stale",
        call=Call(settings=RETRIED, first_answer_lost=True, script=MINUTE_RUN),
        visible=conditions.retried(conditions.stigmer_closed),
    ),
    Fault(
        id="stale-token-running",
        title="The execution that runs holds the token of an earlier attempt",
        breaks="As stale-token, before the agent has finished: its callback will be refused.",
        cause=10,
        verdict="token-stale",
        call=Call(settings=RETRIED, first_answer_lost=True, script=LONG_RUN),
        visible=conditions.retried(conditions.agent_running),
    ),
    Fault(
        id="token-double-encoded",
        title="The token was encoded twice",
        breaks="Stigmer holds the base64 text of the token instead of its bytes.",
        cause=11,
        verdict="token-double-encoded",
        call=Call(token=TokenState.DOUBLE_ENCODED, script=BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="token-truncated",
        title="The token was cut off",
        breaks="Stigmer holds the token without its last bytes.",
        cause=11,
        verdict="token-truncated",
        call=Call(token=TokenState.TRUNCATED, script=BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
    Fault(
        id="token-wrong-namespace",
        title="The token names another namespace",
        breaks="Stigmer holds the token with the id of another namespace in it.",
        cause=11,
        verdict="token-wrong-namespace",
        call=Call(token=TokenState.WRONG_NAMESPACE, script=BRIEF_RUN),
        visible=conditions.stigmer_closed,
    ),
)
