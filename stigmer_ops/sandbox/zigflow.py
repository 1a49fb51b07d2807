"""The external side: workflows that wait for Stigmer through an external activity, as Zigflow's do.

Zigflow registers one workflow type for each of its users' workflows; three stand for them here.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
from temporalio import activity, workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.plan import ANNOTATION, Call, Edition, TokenState
from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution, AgentExecutionSpec
from stigmer_ops.stigmer.api.agentexecution_pb2_grpc import AgentExecutionCommandControllerStub
from stigmer_ops.stigmer.api.apiresource_pb2 import ApiResourceMetadata
from stigmer_ops.stigmer.api.workflowexecution_pb2 import WorkflowExecution, WorkflowExecutionSpec
from stigmer_ops.stigmer.api.workflowexecution_pb2_grpc import (
    WorkflowExecutionCommandControllerStub,
)

ONE_AGENT = "summarise-ticket"
SEVERAL_AGENTS = "compare-offers"
TIMEOUT_HANDLING = "review-contract"

FALLBACK = {"status": "fallback", "reason": "the agent did not answer in time"}
"""Result of `TIMEOUT_HANDLING` when its activity timed out."""

RETRY_INTERVAL = timedelta(seconds=1)
"""Nominal time before the first retry of an external activity, where it has retries."""

_CREATE_SECONDS = 10.0


def truncated(token: bytes) -> bytes:
    """The token without its last bytes, as a column that is too short leaves it.

    What is lost is the clock at the end and a part of the activity type before it (of the component
    reference, in a standalone activity's token): the identifying fields are still there.
    """
    return token[:-16]


async def _call(call: Call) -> RawValue:
    settings = call.settings
    scale = call.script.scale
    result: RawValue = await workflow.execute_activity(
        names.CALL_AGENT,
        call.to_payload(),
        activity_id=call.activity_id,
        task_queue=names.ZIGFLOW_QUEUE if settings.polled else names.UNPOLLED_QUEUE,
        result_type=RawValue,
        start_to_close_timeout=settings.start_to_close and scale(settings.start_to_close),
        schedule_to_close_timeout=settings.schedule_to_close and scale(settings.schedule_to_close),
        heartbeat_timeout=settings.heartbeat and scale(settings.heartbeat),
        retry_policy=RetryPolicy(
            initial_interval=scale(RETRY_INTERVAL), maximum_attempts=settings.max_attempts
        ),
    )
    return result


@workflow.defn(name=ONE_AGENT)
class OneAgent:
    """Calls one agent; its result is the workflow's."""

    @workflow.run
    async def run(self, calls: list[dict[str, Any]]) -> RawValue:
        """Wait for the agent."""
        return await _call(Call.from_payload(calls[0]))


@workflow.defn(name=SEVERAL_AGENTS)
class SeveralAgents:
    """Calls several agents at once: several external activities are pending in one workflow."""

    @workflow.run
    async def run(self, calls: list[dict[str, Any]]) -> int:
        """Wait for all agents.

        Returns:
            How many have answered.
        """
        results = await asyncio.gather(*(_call(Call.from_payload(call)) for call in calls))
        return len(results)


@workflow.defn(name=TIMEOUT_HANDLING)
class TimeoutHandling:
    """Calls one agent, and goes on without it when it does not answer in time."""

    @workflow.run
    async def run(self, calls: list[dict[str, Any]]) -> RawValue:
        """Wait for the agent, or for the timeout.

        Returns:
            What the agent returned, or `FALLBACK`.
        """
        try:
            return await _call(Call.from_payload(calls[0]))
        except ActivityError as error:
            if not isinstance(error.cause, TimeoutError):
                raise
            return RawValue(workflow.payload_converter().to_payload(FALLBACK))


class Zigflow:
    """The external activity.

    Args:
        channel: Channel to Stigmer.
        namespace_id: Id of the namespace that it runs in.
        other_namespace_id: Id of another namespace, for tokens that come from the wrong one.
    """

    def __init__(
        self, channel: grpc.aio.Channel, *, namespace_id: str, other_namespace_id: str
    ) -> None:
        self._agents = AgentExecutionCommandControllerStub(channel)
        self._workflows = WorkflowExecutionCommandControllerStub(channel)
        moved = namespace_id.encode(), other_namespace_id.encode()
        self._damage: Mapping[TokenState, Callable[[bytes], bytes]] = {
            TokenState.INTACT: bytes,
            TokenState.ABSENT: lambda _token: b"",
            TokenState.DOUBLE_ENCODED: base64.b64encode,
            TokenState.TRUNCATED: truncated,
            TokenState.WRONG_NAMESPACE: lambda token: token.replace(*moved),
        }

    @activity.defn(name=names.CALL_AGENT)
    async def call_agent(self, given: dict[str, Any]) -> None:
        """Hand the own task token to Stigmer, and leave the activity pending.

        Raises:
            ApplicationError: If Stigmer did not take the execution, or its answer was lost.
        """
        call = Call.from_payload(given)
        info = activity.info()
        token = self._damage[call.token](info.task_token)
        stem = f"{call.script.handshake}-{call.activity_id}"
        if call.new_execution_each_attempt:
            stem += f"-{info.attempt}"
        for number in range(call.executions):
            await self._create(call, f"{stem}-{number}", token)
        if call.first_answer_lost and info.attempt == 1:
            raise ApplicationError("deadline exceeded", type="DeadlineExceeded")
        activity.raise_complete_async()

    async def _create(self, call: Call, name: str, token: bytes) -> None:
        metadata = ApiResourceMetadata(
            name=name, org="acme", annotations={ANNOTATION: call.script.to_json()}
        )
        try:
            if call.script.edition is Edition.WORKFLOW:
                await self._workflows.create(
                    _workflow_execution(metadata, token), timeout=_CREATE_SECONDS
                )
            else:
                await self._agents.create(
                    _agent_execution(metadata, token), timeout=_CREATE_SECONDS
                )
        except grpc.aio.AioRpcError as error:
            known = error.code() is grpc.StatusCode.ALREADY_EXISTS
            if not (known or call.create_error_swallowed):
                raise ApplicationError(error.details() or "", type=error.code().name) from None


def _agent_execution(metadata: ApiResourceMetadata, token: bytes) -> AgentExecution:
    return AgentExecution(
        api_version="agentic.stigmer.ai/v1",
        kind="AgentExecution",
        metadata=metadata,
        spec=AgentExecutionSpec(
            session_id=f"ses_{uuid.uuid4().hex}",
            agent_id="agt_summariser",
            message="Summarise the ticket.",
            callback_token=token,
        ),
    )


def _workflow_execution(metadata: ApiResourceMetadata, token: bytes) -> WorkflowExecution:
    return WorkflowExecution(
        api_version="agentic.stigmer.ai/v1",
        kind="WorkflowExecution",
        metadata=metadata,
        spec=WorkflowExecutionSpec(
            workflow_instance_id="wfi_onboarding",
            trigger_message="New customer.",
            callback_token=token,
        ),
    )
