"""An external activity: it hands its task token to Stigmer, which completes it when the agent ends.

TEMPORAL_ADDRESS=localhost:7233 STIGMER_ADDRESS=localhost:7234 python external_activity.py
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import grpc.aio

    from stigmer_ops.stigmer.api import agentexecution_pb2 as stigmer
    from stigmer_ops.stigmer.api.agentexecution_pb2_grpc import AgentExecutionCommandControllerStub
    from stigmer_ops.stigmer.api.apiresource_pb2 import ApiResourceMetadata


class ExternalActivities:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stigmer = AgentExecutionCommandControllerStub(channel)

    @activity.defn(name="CallAgentActivity")
    async def call_agent(self, message: str) -> None:
        info = activity.info()
        name = f"{info.workflow_run_id}-{info.activity_id}-{info.attempt}"
        spec = stigmer.AgentExecutionSpec(
            agent_id="agt_summariser", message=message, callback_token=info.task_token
        )
        execution = stigmer.AgentExecution(
            api_version="agentic.stigmer.ai/v1",
            kind="AgentExecution",
            metadata=ApiResourceMetadata(name=name, org="acme"),
            spec=spec,
        )
        await self._stigmer.create(execution, timeout=10)  # an error fails the activity, at once
        activity.raise_complete_async()


@workflow.defn
class AskAgents:
    @workflow.run
    async def run(self, messages: list[str]) -> list[Any]:
        return await asyncio.gather(*map(self._ask, messages))

    async def _ask(self, message: str) -> Any:
        try:
            return await workflow.execute_activity(
                "CallAgentActivity",
                message,
                start_to_close_timeout=timedelta(hours=2),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            if not isinstance(error.cause, TimeoutError):
                raise
            return None  # nobody answered in time: go on without this agent


async def main() -> None:
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    async with grpc.aio.insecure_channel(os.environ["STIGMER_ADDRESS"]) as channel:
        call_agent = ExternalActivities(channel).call_agent
        await Worker(
            client, task_queue="orders", workflows=[AskAgents], activities=[call_agent]
        ).run()


if __name__ == "__main__":
    asyncio.run(main())
