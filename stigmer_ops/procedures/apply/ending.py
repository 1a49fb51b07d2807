"""Completing, failing and redelivering: ending one row's attempt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.audit import Fingerprint, Parameters
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.diagnosis.executions import execution_named
from stigmer_ops.errors import NOTHING_SENT, StaleError
from stigmer_ops.handshake import token_verdicts as verdicts
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.plan import DEFAULT_FAILURE_TYPE, DEFAULT_RESULT, PlanRow, mark_of
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.token import decode
from stigmer_ops.handshake.token_validation import EndedActivity
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.handshake.write_plan import FailureContent
from stigmer_ops.procedures.apply.deeds import Content
from stigmer_ops.procedures.redelivery import FAILURE_TYPE, find_delivery
from stigmer_ops.temporal import respond
from stigmer_ops.temporal.history import find_activity
from stigmer_ops.temporal.respond import Answer
from stigmer_ops.temporal.results import encode_failure, encode_result, parse_json
from stigmer_ops.temporal.token_state import validate_token

EVENT_PATIENCE = timedelta(seconds=3)
"""How long to wait for the event of an activity that has ended: the server holds it back while a
workflow task is under way."""

_PAUSE = timedelta(milliseconds=100)

_EXPECTED = {
    Action.COMPLETE: frozenset({"COMPLETED"}),
    Action.FAIL: frozenset({"FAILED"}),
    Action.REDELIVER: frozenset({"COMPLETED", "FAILED"}),
}
"""How an activity ends where a row of the action did what it was for."""

_KEPT = 8
"""Encoded contents that are kept: most plans deliver one result many times."""


class Ending:
    """Completing, failing and redelivering.

    Args:
        systems: Where to, and where results to redeliver come from.
        namespace_id: The external namespace's UUID.
        sha256: Digest of the plan, whose mark the identity of every write ends in.
        events_known: Whether the plan's scheduled events can be relied on, because the program
            read them itself. The server looks at the event alone, not at the activity's id.
    """

    answer_proves = True

    def __init__(
        self, systems: Systems, namespace_id: str, sha256: str, *, events_known: bool
    ) -> None:
        self._systems = systems
        self._frontend = systems.external
        self._namespace_id = namespace_id
        self._sha256 = sha256
        self._mark = mark_of(sha256)
        self._events_known = events_known
        self._kept: dict[tuple[str, ...], Content] = {}

    async def target(self, row: PlanRow) -> AttemptFence:
        """See `Deed`.

        Raises:
            StaleError: The run has no such activity, or another event scheduled it.
            StigmerOpsError: The history cannot be read.
        """
        event_id = row.scheduled_event_id
        if row.workflow_id and not (event_id and self._events_known):
            event_id = await self._read_event(row)
        return AttemptFence(
            namespace_id=self._namespace_id,
            workflow_id=row.workflow_id,
            run_id=row.run_id,
            activity_id=row.activity_id,
            scheduled_event_id=event_id,
            attempt=row.attempt,
        )

    async def _read_event(self, row: PlanRow) -> int:
        try:
            found = await find_activity(
                self._frontend, row.workflow_id, row.run_id, activity_id=row.activity_id
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise StaleError(
                    f"there is no run {row.run_id} of workflow {row.workflow_id}",
                    not_done=NOTHING_SENT,
                ) from error
            raise self._frontend.translate(error, f"read {row.workflow_id}") from error
        if found is None:
            raise StaleError(f"the run has no activity {row.activity_id}", not_done=NOTHING_SENT)
        if row.scheduled_event_id not in (0, found.scheduled_event_id):
            raise StaleError(
                f"event {row.scheduled_event_id} is not the one that scheduled activity "
                f"{row.activity_id}: that is event {found.scheduled_event_id}",
                not_done=NOTHING_SENT,
            )
        return found.scheduled_event_id

    async def look(
        self,
        row: PlanRow,
        fence: AttemptFence,
        until: datetime | None,  # noqa: ARG002 - see Deed
    ) -> RowOutcome | None:
        """See `Deed`.

        Raises:
            StigmerOpsError: It cannot be read.
        """
        token = decode(fence.token())
        deadline = asyncio.get_running_loop().time() + EVENT_PATIENCE.total_seconds()
        while True:
            validation = await validate_token(self._frontend, token)
            verdict, seen = validation.verdict, validation.seen
            if seen is not None and seen.ended is not None:
                return self.ended(row, seen.ended)
            if verdict is verdicts.CURRENT:
                return None
            late = asyncio.get_running_loop().time() > deadline
            if verdict is not verdicts.ACTIVITY_ENDED or late:
                break
            await asyncio.sleep(_PAUSE.total_seconds())
        in_doubt = verdict is verdicts.ACTIVITY_ENDED
        later = in_doubt or verdict is verdicts.NOT_STARTED
        state = RowState.FAILED if later else RowState.REFUSED
        return RowOutcome(state, validation.finding, in_doubt=in_doubt)

    def ended(self, row: PlanRow, ended: EndedActivity) -> RowOutcome:
        """What it means for a row that its activity has ended in this way."""
        expected = ended.outcome in _EXPECTED[row.action]
        because = ""
        if not ended.identity.endswith(self._mark):
            state = RowState.ALREADY_DONE if expected else RowState.REFUSED
        elif expected:
            state = RowState.DONE
        else:  # the server fails an activity instead of completing it with a result too large
            state = RowState.FAILED
            because = f": {ended.failure.message}" if ended.failure else ""
        return RowOutcome(
            state,
            f"the activity is {ended.outcome}{because}",
            by=ended.identity,
            time=ended.time,
            event_id=ended.event_id,
        )

    async def content(
        self,
        row: PlanRow,
        fence: AttemptFence,  # noqa: ARG002 - see Deed
        until: datetime | None,  # noqa: ARG002 - see Deed
    ) -> Content:
        """See `Deed`.

        Raises:
            RefusedError: It is too large, or there is nothing true to redeliver.
            StigmerOpsError: It cannot be encoded or read.
        """
        if row.action is Action.REDELIVER:
            return await self._redelivered(row)
        key = (row.action, row.result, row.message, row.failure_type)
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = self._kept[key] = await self._given(row)
        return kept

    async def _given(self, row: PlanRow) -> Content:
        if row.action is Action.COMPLETE:
            text = (row.result or DEFAULT_RESULT).encode()
            return await self._completion(parse_json(text, "plan"), text)
        return await self._failure(row.message, row.failure_type or DEFAULT_FAILURE_TYPE)

    async def _redelivered(self, row: PlanRow) -> Content:
        systems = self._systems
        execution = await execution_named(systems.stigmer, row.execution_id)
        delivery = await find_delivery(systems.stigmer, systems.service, execution)
        if delivery.failure is not None:
            content = await self._failure(delivery.failure, FAILURE_TYPE)
        else:
            content = await self._completion(delivery.result, delivery.text.encode())
        parameters = replace(content.parameters, execution_id=row.execution_id)
        effect = f"{content.effect}, from {delivery.source}"
        return replace(content, parameters=parameters, effect=effect)

    async def _completion(self, value: object, text: bytes) -> Content:
        _, payloads = await encode_result(self._frontend, value, text)
        size = payloads.ByteSize()
        parameters = Parameters(fenced=True, result=Fingerprint.of(text), plan_sha256=self._sha256)
        return Content(payloads, parameters, f"completes with a result of {size} bytes")

    async def _failure(self, message: str, type_name: str) -> Content:
        content = FailureContent(message, type_name, retryable=False)
        failure = await encode_failure(self._frontend, content)
        parameters = Parameters(
            fenced=True,
            failure_type=type_name,
            failure_message=Fingerprint.of(message.encode()),
            retryable=False,
            plan_sha256=self._sha256,
        )
        return Content(failure, parameters, f"fails for good, as {type_name}")

    async def send(self, fence: AttemptFence, content: Content, identity: str) -> Answer:
        """See `Deed`.

        Raises:
            StigmerOpsError: The server answered, and it is certain that nothing was changed.
        """
        body = content.body
        if isinstance(body, Payloads):
            return await respond.complete(
                self._frontend,
                fence,
                body,
                identity=identity,
                by_token=True,
                outlast_throttling=True,
            )
        assert isinstance(body, Failure)
        return await respond.fail(
            self._frontend, fence, body, identity=identity, by_token=True, outlast_throttling=True
        )
