"""What the failure of a callback means, from its text.

The texts are those of the Go and Java SDKs and of the Temporal server; where a text is not known,
the callback has simply failed.
"""

from __future__ import annotations

from stigmer_ops.handshake import verdicts
from stigmer_ops.handshake.activity import Failure
from stigmer_ops.handshake.verdicts import Verdict

_NOT_REGISTERED = (
    "unable to find activitytype",  # Go SDK, type ActivityNotRegisteredError
    "is not registered",  # Python, TypeScript, Ruby and Java SDKs
)
_NOT_DECODED = (
    "unable to decode",  # Go SDK's converter
    "cannot unmarshal",  # encoding/json
    "failed to decode",
    "payload decode",
)


def callback_verdict(failure: Failure, *, retrying: bool) -> Verdict:
    """The verdict on a callback that failed with `failure`.

    Args:
        failure: The last failure, as the history or DescribeWorkflowExecution tells it.
        retrying: Whether attempts are left.
    """
    text = f"{failure.type} {failure.message}".lower()
    if any(sign in text for sign in _NOT_REGISTERED):
        return verdicts.CALLBACK_NOT_REGISTERED
    if any(sign in text for sign in _NOT_DECODED):
        return verdicts.CALLBACK_DECODE_ERROR
    if "schedule_to_start" in text.replace("-", "_").replace(" ", "_"):
        return verdicts.CALLBACK_NOT_POLLED
    return verdicts.CALLBACK_RETRYING if retrying else verdicts.CALLBACK_FAILED
