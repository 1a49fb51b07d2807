"""What two plans do differently, whatever the order of their rows and the form of their files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from stigmer_ops.handshake.plan import PlanHeader, PlanRow

_HEADER = ("namespace", "namespace_id")
_FIELDS = tuple(member.name for member in fields(PlanRow))


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """The way from one plan to another.

    Attributes:
        header: Fields of the header that differ; when and where a plan was made does not count.
        added: Rows that only the new plan has.
        removed: Rows that only the old one has.
        changed: Rows of both for the same activity, with the fields that differ.
    """

    header: tuple[str, ...]
    added: tuple[PlanRow, ...]
    removed: tuple[PlanRow, ...]
    changed: tuple[tuple[PlanRow, PlanRow, tuple[str, ...]], ...]

    @property
    def same(self) -> bool:
        """Whether both do the same to the same."""
        return not (self.header or self.added or self.removed or self.changed)


def plan_diff(
    old: tuple[PlanHeader, Iterable[PlanRow]], new: tuple[PlanHeader, Iterable[PlanRow]]
) -> PlanDiff:
    """Compare two plans; memory grows with the old one."""
    left = {row.key: row for row in old[1]}
    added, changed = [], []
    for row in new[1]:
        before = left.pop(row.key, None)
        if before is None:
            added.append(row)
        elif before != row:
            changed.append((before, row, _differing(before, row)))
    header = tuple(name for name in _HEADER if getattr(old[0], name) != getattr(new[0], name))
    return PlanDiff(header, tuple(added), tuple(left.values()), tuple(changed))


def _differing(before: PlanRow, after: PlanRow) -> tuple[str, ...]:
    return tuple(name for name in _FIELDS if getattr(before, name) != getattr(after, name))
