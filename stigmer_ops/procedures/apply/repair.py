"""One row of a plan, carried out exactly: the engine that every way of running a plan shares.

It knows no journal and no other row. Whoever calls it gives it a hook that makes the intent durable
before the call, and says of a row whose fate is not known that it is in doubt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.errors import DeniedError, StaleError, StigmerOpsError, UnavailableError
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.token_validation import EndedActivity
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.deeds import Content, Deed
from stigmer_ops.procedures.apply.ending import Ending
from stigmer_ops.procedures.apply.extending import Extension
from stigmer_ops.temporal.respond import Answer

SENDS = 3
"""How often a row is sent at most, each time after its history showed that nothing had arrived."""

_UNEXPECTED = {
    Answer.ACCEPTED: "the server accepted it, and set an earlier deadline than was asked for",
    Answer.NOT_PENDING: "the server refuses the write, though the attempt is pending and started",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """A row that was begun, and of which nothing further is known.

    Attributes:
        until: For an extension: the deadline that was meant then.
    """

    until: datetime | None = None


Begin = Callable[[AttemptFence, Content], Awaitable[None]]
"""Called before the first call for a row; the intent is durable when it returns."""


class RowRepair:
    """Carries out rows of one plan.

    Args:
        systems: Where the activities wait, and where results to redeliver come from.
        namespace_id: The external namespace's UUID.
        identity: What histories keep as the caller; it ends in the `mark_of` the plan.
        sha256: The plan's digest.
        events_known: Whether the plan's scheduled events were read by the program itself.
        dry_run: Whether to read and check everything, and to send nothing.
    """

    def __init__(
        self,
        systems: Systems,
        namespace_id: str,
        *,
        identity: str,
        sha256: str,
        events_known: bool,
        dry_run: bool = False,
    ) -> None:
        self._ending = Ending(systems, namespace_id, sha256, events_known=events_known)
        self._extension = Extension(systems.external, namespace_id, sha256)
        self._identity = identity
        self._dry_run = dry_run

    def deed(self, row: PlanRow) -> Deed:
        """How rows of its action are carried out."""
        return self._extension if row.action is Action.EXTEND else self._ending

    def ended(self, row: PlanRow, ended: EndedActivity) -> RowOutcome:
        """What it means for a row that its activity has ended in this way."""
        return self._ending.ended(row, ended)

    async def over(self, row: PlanRow) -> RowOutcome | None:
        """What became of a row that was never begun, if its attempt is over; else None.

        Changes nothing; what stands in the way but may pass is found when the row is tried.
        """
        deed = self.deed(row)
        try:
            seen = await deed.look(row, await deed.target(row), None)
        except StigmerOpsError as error:
            seen = _failed(error, in_doubt=False)
        return seen if seen is not None and seen.state.settled else None

    async def meant_deadline(self, row: PlanRow) -> datetime | RowOutcome:
        """The deadline that an `extend` row means as things are now; or why it has none.

        Where it is made durable before `carry_out`, and given to it as a `Doubt`, the row can be
        carried out any number of times and extends once.
        """
        try:
            fence = await self._extension.target(row)
            content = await self._extension.content(row, fence, None)
        except StigmerOpsError as error:
            return _failed(error, in_doubt=False)
        if isinstance(content, RowOutcome):
            return content
        assert content.until is not None
        return content.until

    async def carry_out(self, row: PlanRow, begin: Begin, doubt: Doubt | None = None) -> RowOutcome:
        """Do what the row says, at most once.

        A row in doubt is looked at first. A call whose answer is lost is looked for in the history,
        and made again only if the attempt is still pending. Never raises what one row is to blame
        for.

        Args:
            row: Any but a `skip` row.
            begin: Makes the intent durable.
            doubt: What is known of an earlier beginning.

        Raises:
            StigmerOpsError: From `begin`.
        """
        deed = self.deed(row)
        until = None if doubt is None else doubt.until
        try:
            fence = await deed.target(row)
            if doubt is not None or self._dry_run:
                seen = await deed.look(row, fence, until)
                if seen is not None:
                    return seen
            content = await deed.content(row, fence, until)
        except StigmerOpsError as error:
            return _failed(error, in_doubt=doubt is not None)
        if isinstance(content, RowOutcome):
            return content
        if self._dry_run:
            return RowOutcome(RowState.WOULD_BE_DONE, content.effect)
        await begin(fence, content)
        return await self._sent(deed, row, fence, content)

    async def _sent(
        self, deed: Deed, row: PlanRow, fence: AttemptFence, content: Content
    ) -> RowOutcome:
        in_doubt = False
        try:
            for _ in range(SENDS):
                answer = await deed.send(fence, content, self._identity)
                if answer is Answer.ACCEPTED and deed.answer_proves:
                    return RowOutcome(RowState.DONE, content.effect)
                in_doubt = in_doubt or answer is not Answer.NOT_PENDING
                seen = await deed.look(row, fence, content.until)
                if seen is not None:
                    return seen
                if answer is not Answer.LOST:
                    return RowOutcome(RowState.FAILED, _UNEXPECTED[answer])
        except StigmerOpsError as error:
            return _failed(error, in_doubt=in_doubt)
        detail = f"no answer came to {SENDS} calls, and the attempt is still pending"
        return RowOutcome(RowState.FAILED, detail, in_doubt=True, unreachable=True)


def _failed(error: StigmerOpsError, *, in_doubt: bool) -> RowOutcome:
    stale = isinstance(error, StaleError) and not in_doubt
    return RowOutcome(
        RowState.REFUSED if stale else RowState.FAILED,
        error.happened,
        in_doubt=in_doubt,
        unreachable=isinstance(error, (UnavailableError, DeniedError)),
    )
