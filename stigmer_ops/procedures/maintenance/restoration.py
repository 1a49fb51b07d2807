"""The timeouts that a window has lengthened, put back where nothing would die of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.audit import Entry, Intent, Outcome, Result
from stigmer_ops.errors import ExitCode, StigmerOpsError
from stigmer_ops.handshake.activity import PendingActivity, Timeouts
from stigmer_ops.handshake.extension import TimeoutChange, deadline_moved_to
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.procedures.apply.engine import target_of
from stigmer_ops.procedures.audited_timeouts import timeout_parameters
from stigmer_ops.procedures.maintenance.extension import FIRST, LATE, Extended, Round, extended_by
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, done
from stigmer_ops.temporal import respond
from stigmer_ops.temporal.describe import pending_activity
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.patience import patiently
from stigmer_ops.temporal.respond import Answer

BATCH = 64
"""Activities whose audit records wait for one disk."""
_SENDS = 3


class RestorationError(StigmerOpsError):
    """Some timeouts that a maintenance window had lengthened could not be put back."""

    reference = "restoration"
    exit_code = ExitCode.PARTIAL
    usual_next_step = "run it again: stigmer-ops maintenance end"


class Restored(StrEnum):
    """What became of the timeouts of an extended activity."""

    RESTORED = "restored"
    OVER = "over"
    """The activity has ended, or has another attempt with timeouts of its own."""
    LATE = "late"
    """Its own deadline is past, or nearer than the margin: it would die of it."""
    CHANGED = "changed"
    """Somebody else has changed them since."""
    UNCHANGED = "unchanged"
    """They are as they were: the extension had no effect, or this was done before."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """One activity whose timeouts are put back."""

    fence: AttemptFence
    change: TimeoutChange


async def restore(world: World, record: StepRecord) -> StepResult:
    """Put back the timeouts of what the window has extended first; as `_restore`."""
    return await _restore(world, record, FIRST)


async def restore_latecomers(world: World, record: StepRecord) -> StepResult:
    """Put back the timeouts of what it has extended at its end; as `_restore`."""
    return await _restore(world, record, LATE)


async def _restore(world: World, record: StepRecord, which: Round) -> StepResult:
    """Put back the timeouts of every extended activity that can live with them.

    What cannot keeps the longer ones: they end nothing early. It is the same however often it is
    done, so nothing has to be written down before.

    Raises:
        RestorationError: Some could not be put back.
        StigmerOpsError: They cannot be read, or audited.
    """
    namespace_id = await world.systems.external.namespace_id()
    counts: Counter[Restored] = Counter()
    todo = list(extended_by(record.folder, which))
    for batch in _batches(todo):
        judged = await asyncio.gather(*(_judged(world, one, namespace_id) for one in batch))
        wanted = [one for one in judged if isinstance(one, Restoration)]
        counts.update(one for one in judged if isinstance(one, Restored))
        await _send(world, wanted)
        counts[Restored.RESTORED] += len(wanted)
        record.report(counts.total(), len(todo))
    return done(_told(counts), {state.value: counts[state] for state in Restored})


def _batches(todo: Sequence[Extended]) -> Iterator[Sequence[Extended]]:
    return (todo[start : start + BATCH] for start in range(0, len(todo), BATCH))


def _told(counts: Counter[Restored]) -> str:
    told = [f"{counts[Restored.RESTORED]:,} activities have their own timeouts again"]
    texts = {
        Restored.OVER: "{:,} are over",
        Restored.LATE: "{:,} keep the longer ones, since they would time out of their own",
        Restored.CHANGED: "{:,} were changed by somebody else",
    }
    told += [text.format(counts[state]) for state, text in texts.items() if counts[state]]
    return "; ".join(told)


async def _judged(world: World, one: Extended, namespace_id: str) -> Restored | Restoration:
    now = await same_attempt(world.systems.external, one.original)
    if now is None:
        return Restored.OVER
    before = one.original.timeouts
    if now.timeouts == before:
        return Restored.UNCHANGED
    if one.until is None or now.timeouts != _lengthened(one.original, one.until):
        return Restored.CHANGED
    own = replace(now, timeouts=before).deadline
    if own is not None and own.time <= world.now() + world.window.margin:
        return Restored.LATE
    fence = AttemptFence(namespace_id, now.workflow_id, now.run_id, now.activity_id, 0, now.attempt)
    assert own is not None, "what has been extended has a timeout"
    lengthened = None if now.deadline is None else now.deadline.time
    return Restoration(fence, TimeoutChange(now.timeouts, before, lengthened, own.time))


def _lengthened(original: PendingActivity, until: datetime) -> Timeouts:
    return deadline_moved_to(original, until).after


async def same_attempt(frontend: Frontend, before: PendingActivity) -> PendingActivity | None:
    """The activity as it is now; None if that attempt of it is not pending any more.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    try:
        now = await patiently(
            lambda: pending_activity(
                frontend, before.workflow_id, before.run_id, before.activity_id
            )
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and "amespace" not in error.message:
            return None
        raise frontend.translate(error, f"describe {before.workflow_id}") from error
    return now if now is not None and is_same_attempt(now, before) else None


def is_same_attempt(now: PendingActivity, before: PendingActivity) -> bool:
    """Whether it is the very attempt; an activity id may be used again within a run."""
    same = now.activity_id == before.activity_id and now.attempt == before.attempt
    return same and (
        now.last_started_time == before.last_started_time
        if before.state.token_is_live
        else now.attempt > 1 or now.waiting_since == before.waiting_since
    )


async def _send(world: World, wanted: Sequence[Restoration]) -> None:
    """Send a batch between the two records of each."""
    entries = [
        Entry(operation_id=uuid4(), intent=_intent(world, one.fence, one.change)) for one in wanted
    ]
    await asyncio.to_thread(world.trail.append_many, entries)
    outcomes = await asyncio.gather(*(_sent(world, one) for one in wanted))
    closings = [entry.closing(outcome) for entry, outcome in zip(entries, outcomes, strict=True)]
    await asyncio.to_thread(world.trail.append_many, closings)
    failed = [outcome.detail for outcome in outcomes if outcome.result is not Result.DONE]
    if failed:
        raise RestorationError(
            f"{len(failed)} timeouts could not be put back: {'; '.join(failed[:3])}",
            not_done="those activities keep the longer timeouts",
        )


def _intent(world: World, fence: AttemptFence, change: TimeoutChange) -> Intent:
    frontend, operator = world.systems.external, world.operator
    return Intent(
        command="maintenance end restore",
        operator=operator.name,
        host=operator.host,
        identity=operator.identity,
        reason=operator.reason,
        namespace=frontend.namespace,
        server_address=frontend.address,
        target=target_of(fence),
        parameters=timeout_parameters(change),
    )


async def _sent(world: World, one: Restoration) -> Outcome:
    """Set the timeouts and read them back, again where the answer is lost."""
    frontend, fence = world.systems.external, one.fence
    name = f"{fence.workflow_id or '(standalone)'} {fence.activity_id}"
    try:
        for _ in range(_SENDS):
            answer = await respond.extend(
                frontend,
                fence,
                one.change,
                identity=world.operator.identity,
                outlast_throttling=True,
            )
            if answer is Answer.NOT_PENDING:
                return Outcome(result=Result.DONE, detail="it has ended meanwhile")
            if await _timeouts_now(frontend, fence) in (None, one.change.after):
                return Outcome(result=Result.DONE, detail="its own timeouts are in force again")
    except StigmerOpsError as error:
        return Outcome(result=Result.UNKNOWN, detail=f"{name}: {error.happened}")
    return Outcome(result=Result.FAILED, detail=f"{name}: the server set other timeouts")


async def _timeouts_now(frontend: Frontend, fence: AttemptFence) -> Timeouts | None:
    """What is in force; None where that attempt is not pending any more."""
    try:
        now = await pending_activity(frontend, fence.workflow_id, fence.run_id, fence.activity_id)
    except RPCError as error:
        raise frontend.translate(error, f"describe {fence.workflow_id}") from error
    return now.timeouts if now is not None and now.attempt == fence.attempt else None
