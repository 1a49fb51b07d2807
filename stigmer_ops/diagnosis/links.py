"""What the tokens of named executions say, for logs that do not name their activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Claim, ExecutionKind, TokenState
from stigmer_ops.stigmer.execution_input import UnreadableInputError, read_execution_input
from stigmer_ops.temporal.executions import decoded
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import first_event


class TemporalLinks:
    """A `logs.links.LinkSource`: reads the input of each execution's Stigmer workflow.

    The workflow is found by the convention for its id, at one or two calls an execution.

    Args:
        frontend: The namespace of the Stigmer workflows.
    """

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend

    async def claims(self, execution_ids: Sequence[str]) -> Mapping[str, Claim]:
        """What the tokens say, by execution id; executions that Temporal does not know are absent.

        An input that cannot be read gives a claim that says so.

        Raises:
            StigmerOpsError: Temporal cannot be asked.
        """
        # A missing namespace would otherwise look like as many missing workflows.
        await self._frontend.describe_namespace()
        concurrency = self._frontend.pace.concurrency
        claims = fan_out(each_of(execution_ids), self._claim, concurrency=concurrency)
        async with aclosing(claims) as found:
            return {each_id: claim async for each_id, claim in found if claim is not None}

    async def _claim(self, execution_id: str) -> tuple[str, Claim | None]:
        for kind in ExecutionKind:
            event = await self._started(kind.workflow_id(execution_id))
            if event is not None:
                return execution_id, await self._claim_in(event)
        return execution_id, None

    async def _started(self, workflow_id: str) -> HistoryEvent | None:
        try:
            return await first_event(self._frontend, workflow_id, "")
        except RPCError as error:
            # An id that came out of a log may be none: then there is no such workflow either.
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                return None
            raise self._frontend.translate(error, f"read workflow {workflow_id}") from error

    async def _claim_in(self, event: HistoryEvent) -> Claim:
        payloads = list(event.workflow_execution_started_event_attributes.input.payloads)
        try:
            if not payloads:
                return Claim(TokenState.UNREADABLE, "the workflow has no input")
            payload = (await decoded(self._frontend, payloads[:1]))[0]
            found = read_execution_input(dict(payload.metadata), payload.data)
        except UnreadableInputError as error:
            return Claim(TokenState.UNREADABLE, str(error))
        except StigmerOpsError as error:
            return Claim(TokenState.UNREADABLE, error.happened)
        return claim_of(found.token)
