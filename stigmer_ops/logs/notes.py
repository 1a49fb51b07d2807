"""What is to be known of a handshake beside its verdict: one function a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.handshake.execution import Claim, TokenState
from stigmer_ops.logs.joins import Group
from stigmer_ops.logs.messages import Outcome


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known beyond the handshake itself.

    Attributes:
        files: Names of the files, by number.
        corrections: What to add to times whose day was counted, by file number.
        claims: What Temporal said of the tokens of executions, by execution id.
        outcomes_without_ids: Lines tell ends of callbacks without telling whose.
        fingerprint: Of the token that was asked for, or "".
    """

    files: Sequence[str]
    corrections: Mapping[int, timedelta]
    claims: Mapping[str, Claim]
    outcomes_without_ids: bool
    fingerprint: str


def _retried(group: Group, _reading: Reading) -> str:
    executions = len(group.execution_ids)
    if executions < 2:
        return ""
    return (
        f"{executions} executions did the work of this activity: it was retried, and only the "
        "token of the last attempt can complete it"
    )


def _several_runs(group: Group, _reading: Reading) -> str:
    runs = {key.run_id for key in group.activities if key.run_id}
    return f"the lines are of {len(runs)} runs of the external workflow" if len(runs) > 1 else ""


def _activity_unknown(group: Group, _reading: Reading) -> str:
    if group.activities:
        return ""
    return "nothing names the external activity: its own log would, or a look into Temporal"


def _agent_failed(group: Group, _reading: Reading) -> str:
    if not any(m.outcome is Outcome.AGENT_FAILED for leg in group.legs for m in leg.messages()):
        return ""
    return "the agent failed; its callback reports that failure to the external activity"


def _token_not_whole(group: Group, reading: Reading) -> str:
    claims = ((execution, reading.claims.get(execution)) for execution in group.execution_ids)
    return "; ".join(
        f"Temporal shows the token of {execution} to be {claim.state.value}"
        for execution, claim in claims
        if claim is not None and claim.state is not TokenState.WHOLE
    )


def _other_token(group: Group, reading: Reading) -> str:
    known = frozenset[str]().union(*(leg.fingerprints for leg in group.legs))
    if not reading.fingerprint or not known or reading.fingerprint in known:
        return ""
    return "the token asked for is none of those known here: it is of another attempt"


def _to_the_minute(group: Group, _reading: Reading) -> str:
    if not any(leg.to_the_minute for leg in group.legs):
        return ""
    return "some lines tell their time to the minute only: their place among others is not exact"


def _day_counted(group: Group, _reading: Reading) -> str:
    if not any(leg.counted for leg in group.legs):
        return ""
    return "some lines have no date: their day was counted from the age of their file"


_NOTES: tuple[Callable[[Group, Reading], str], ...] = (
    _retried,
    _several_runs,
    _activity_unknown,
    _agent_failed,
    _token_not_whole,
    _other_token,
    _to_the_minute,
    _day_counted,
)


def notes_on(group: Group, reading: Reading) -> tuple[str, ...]:
    """The notes that apply, as sentences without a capital and a period."""
    return tuple(filter(None, (note(group, reading) for note in _NOTES)))
