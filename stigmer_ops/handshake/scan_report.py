"""What a scan has read, and what it could not read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A workflow, or a standalone activity, that could not be read.

    `activity_id` is set, and `workflow_id` empty, for a standalone activity.
    """

    workflow_id: str
    run_id: str
    reason: str
    activity_id: str = ""


@dataclass(slots=True)
class ScanReport:
    """Counts of a scan, which grow while it runs.

    Attributes:
        workflows: Running workflows described.
        standalone: Running standalone activities described.
        pending: Pending activities seen, wanted or not.
        selected: Those of them that were wanted.
        gone: Workflows and standalone activities that ended between list and description.
        unreadable: How many could not be read.
    """

    workflows: int = 0
    standalone: int = 0
    pending: int = 0
    selected: int = 0
    gone: int = 0
    unreadable: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything was read."""
        return not self.unreadable
