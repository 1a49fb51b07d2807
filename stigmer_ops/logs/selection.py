"""Which handshakes a person asks for."""

from __future__ import annotations

from dataclasses import dataclass

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.token import TaskToken
from stigmer_ops.logs.joins import Group
from stigmer_ops.logs.sighting import execution_of

_ANY = ActivityKey("", "", "")


@dataclass(frozen=True, slots=True)
class Selector:
    """Those handshakes to which everything belongs that is given here; "" is not given.

    Attributes:
        execution_id: A Stigmer execution.
        workflow_id: The external workflow, or a Stigmer workflow.
        run_id: A run of either.
        activity_id: The external activity.
        fingerprint: Of a token of it. No condition, since hardly any line holds a whole token:
            where it differs from the tokens that are known, a note says so.
    """

    execution_id: str = ""
    workflow_id: str = ""
    run_id: str = ""
    activity_id: str = ""
    fingerprint: str = ""

    @property
    def execution_ids(self) -> frozenset[str]:
        """The executions asked for, one of them perhaps by its Stigmer workflow."""
        known = execution_of(self.workflow_id)
        return frozenset(filter(None, (self.execution_id, known[1] if known else "")))

    def matches(self, group: Group) -> bool:
        """Whether `group` is meant."""
        if not self.execution_ids <= set(group.execution_ids):
            return False
        stigmer_run = self.run_id in group.run_ids
        wanted = ActivityKey(
            "" if execution_of(self.workflow_id) else self.workflow_id,
            "" if stigmer_run else self.run_id,
            self.activity_id,
        )
        if wanted == _ANY:
            return stigmer_run or bool(self.execution_ids)
        return any(_agree(wanted, activity) for activity in group.activities)


def _agree(wanted: ActivityKey, found: ActivityKey) -> bool:
    return (
        wanted.workflow_id in ("", found.workflow_id)
        and (wanted.run_id in ("", found.run_id) or not found.run_id)
        and wanted.activity_id in ("", found.activity_id)
    )


def selector_of_token(token: TaskToken, execution_id: str = "") -> Selector:
    """The handshake of a task token, and of `execution_id` if that is given too."""
    reference = token.component_ref
    return Selector(
        execution_id,
        token.workflow_id,
        token.run_id or (reference.run_id if reference else ""),
        token.activity_id or (reference.business_id if reference else ""),
        token.fingerprint,
    )
