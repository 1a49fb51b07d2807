"""`diagnose` against the bare calls that it needs, for 2,000 activities and as many executions."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client
from temporalio.common import RawValue, RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from benchmarks.timing import environment, median
    from stigmer_ops.sandbox.server import TemporalServer

STIGMER_TYPE = "stigmer/agent-execution/invoke"
CONCURRENCY = 64
PAIRS = 2_000


@workflow.defn(name="summarise-ticket")
class External:
    """Waits for one external activity."""

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        await workflow.execute_activity(
            "CallAgentActivity",
            activity_id="5",
            start_to_close_timeout=timedelta(hours=24),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@workflow.defn(name=STIGMER_TYPE)
class Execution:
    """Runs until the benchmark ends."""

    @workflow.run
    async def run(self, _execution: RawValue) -> None:
        """Wait."""
        await workflow.wait_condition(lambda: False)


class Tokens:
    """The external activity, which keeps its token for the execution."""

    def __init__(self) -> None:
        self.by_workflow: dict[str, bytes] = {}

    @activity.defn(name="CallAgentActivity")
    async def call_agent(self) -> None:
        """Stay pending."""
        info = activity.info()
        self.by_workflow[info.workflow_id or ""] = info.task_token
        activity.raise_complete_async()


def execution_payload(execution_id: str, token: bytes) -> Payload:
    """An agent execution as Stigmer's workflows get it."""
    body = {
        "metadata": {"id": execution_id},
        "spec": {"callbackToken": base64.b64encode(token).decode()},
    }
    return Payload(
        metadata={
            "encoding": b"json/protobuf",
            "messageType": b"ai.stigmer.agentic.agentexecution.v1.AgentExecution",
        },
        data=json.dumps(body).encode(),
    )


@asynccontextmanager
async def population(pairs: int) -> AsyncIterator[Client]:
    """A server with that many external activities, each with its running execution."""
    tokens = Tokens()
    async with TemporalServer() as server:
        client = await Client.connect(server.address)
        external = Worker(
            client,
            task_queue="zigflow_execution",
            workflows=[External],
            activities=[tokens.call_agent],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        stigmer = Worker(
            client,
            task_queue="agent_execution_stigmer",
            workflows=[Execution],
            activities=[tokens.call_agent],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with external, stigmer:
            names = [f"order-{number}" for number in range(pairs)]
            await bounded(
                client.start_workflow("summarise-ticket", id=name, task_queue="zigflow_execution")
                for name in names
            )
            while len(tokens.by_workflow) < pairs:  # noqa: ASYNC110 - the activity fills it
                await asyncio.sleep(0.1)
            await bounded(
                client.start_workflow(
                    STIGMER_TYPE,
                    RawValue(execution_payload(f"aex-{name}", tokens.by_workflow[name])),
                    id=f"{STIGMER_TYPE}/aex-{name}",
                    task_queue="agent_execution_stigmer",
                    run_timeout=timedelta(hours=1),
                )
                for name in names
            )
            while await started(client) < 2 * pairs:  # noqa: ASYNC110 - visibility tells nobody
                await asyncio.sleep(0.2)
            yield client


async def started(client: Client) -> int:
    """How many workflows visibility knows."""
    return (await client.count_workflows("ExecutionStatus = 'Running'")).count


async def bounded(work: object) -> None:
    """Await all of `work`, some at a time."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(item: object) -> None:
        async with gate:
            await item  # type: ignore[misc] # coroutines of various results

    await asyncio.gather(*(one(item) for item in work))  # type: ignore[attr-defined]


async def bare_calls(client: Client) -> tuple[float, int]:
    """The same reads by a client that does nothing else: seconds, and how many."""
    service, namespace = client.workflow_service, client.namespace
    began = time.perf_counter()
    external = [w async for w in client.list_workflows("WorkflowType = 'summarise-ticket'")]
    executions = [w async for w in client.list_workflows(f"WorkflowType = '{STIGMER_TYPE}'")]
    await bounded(
        [
            *(
                service.describe_workflow_execution(
                    DescribeWorkflowExecutionRequest(
                        namespace=namespace,
                        execution=WorkflowExecution(workflow_id=one.id, run_id=one.run_id),
                    ),
                    retry=True,
                )
                for one in external
            ),
            *(
                service.get_workflow_execution_history(
                    GetWorkflowExecutionHistoryRequest(
                        namespace=namespace,
                        execution=WorkflowExecution(workflow_id=one.id, run_id=one.run_id),
                        maximum_page_size=1,
                    ),
                    retry=True,
                )
                for one in executions
            ),
        ]
    )
    return time.perf_counter() - began, len(external) + len(executions)


async def diagnose(address: str) -> tuple[float, dict[str, int], dict[str, int]]:
    """The command as a user runs it: seconds of the process, its own calls, its verdicts."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "stigmer_ops", "diagnose", "--rps", "0", "--concurrency", str(CONCURRENCY)),
        *("-o", "json", "--stats", "--address", address),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    document = json.loads(out)
    return time.perf_counter() - began, document["stats"]["calls"], document["counts"]


async def measure(pairs: int) -> list[str]:
    """Alternate the two and compare their medians."""
    async with population(pairs) as client:
        bare, ours = [], []
        for _ in range(3):
            bare.append((await bare_calls(client))[0])
            seconds, calls, counts = await diagnose(client.service_client.config.target_host)
            ours.append(seconds)
        per_pair = sum(calls.values()) / pairs
        ratio = median(ours) / median(bare)
        return [
            f"diagnose, {pairs:,} external activities and {pairs:,} executions: verdicts {counts}",
            f"  calls per pair: {per_pair:.3f} (at most 2.2, pages included): {calls}",
            f"  bare calls {median(bare):.2f} s, whole command {median(ours):.2f} s: "
            f"{ratio:.2f} times (at most 1.5)",
        ]


def run(scale: float = 1.0) -> list[str]:
    """The lines to print."""
    return asyncio.run(measure(max(20, int(PAIRS * scale))))


if __name__ == "__main__":
    print("\n".join(run()))
