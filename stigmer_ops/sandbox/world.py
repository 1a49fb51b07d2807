"""What the simulated world is made of: clients, Stigmer's store and service, Zigflow's activity."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc.aio
from temporalio.client import Client
from temporalio.converter import DataConverter

from stigmer_ops.sandbox.child import free_ports
from stigmer_ops.sandbox.server import TemporalServer, runtime
from stigmer_ops.sandbox.stigmer_service import StigmerService
from stigmer_ops.sandbox.store import ExecutionStore
from stigmer_ops.sandbox.zigflow import Zigflow

NOT_LISTENING = "127.0.0.1:1"
"""An address that refuses connections: port 1 (tcpmux) has no users."""
OTHER_NAMESPACE = "elsewhere"
"""A namespace in which nothing happens."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What the workers work with.

    Attributes:
        client: Client of the external workflows' namespace, as Zigflow.
        callback_client: Client of that namespace too, as Stigmer.
        stigmer_client: Client of the Stigmer workflows' namespace.
        agent_runner_client: Client of the agent runner: heartbeats carry a client's identity.
        workflow_runner_client: Client of the workflow runner.
        wrong_client: Client of a namespace that nobody waits in.
        cut_off_client: Client that cannot connect.
        store: Stigmer's executions.
        service: Stigmer's gRPC service.
        zigflow: The external activity.
    """

    client: Client
    callback_client: Client
    stigmer_client: Client
    agent_runner_client: Client
    workflow_runner_client: Client
    wrong_client: Client
    cut_off_client: Client
    store: ExecutionStore
    service: StigmerService
    zigflow: Zigflow


async def make_world(
    stack: AsyncExitStack,
    server: TemporalServer,
    namespace: str,
    stigmer_namespace: str,
    data_converter: DataConverter,
    time_scale: float,
) -> World:
    """Connect everything; nothing runs yet.

    Args:
        stack: Closes what has to be closed.
        server: The Temporal server.
        namespace: Temporal namespace of the external workflows; created if missing.
        stigmer_namespace: That of the Stigmer workflows; created if missing.
        data_converter: How both sides encode payloads.
        time_scale: Sandbox seconds per second of production.

    Raises:
        UnavailableError: If the server does not answer.
    """
    ids = {
        name: await server.ensure_namespace(name)
        for name in (namespace, stigmer_namespace, OTHER_NAMESPACE)
    }

    async def connect(name: str, identity: str, address: str = server.address) -> Client:
        return await Client.connect(
            address,
            namespace=name,
            identity=f"{identity}@sandbox",
            data_converter=data_converter,
            runtime=runtime(),
            lazy=address is NOT_LISTENING,
        )

    stigmer_client = await connect(stigmer_namespace, "stigmer-server")
    store = ExecutionStore()
    service = StigmerService(stigmer_client, store, port=free_ports(1)[0], time_scale=time_scale)
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(service.address))
    return World(
        client=await connect(namespace, "zigflow"),
        callback_client=await connect(namespace, "stigmer-server"),
        stigmer_client=stigmer_client,
        agent_runner_client=await connect(stigmer_namespace, "agent-runner"),
        workflow_runner_client=await connect(stigmer_namespace, "workflow-runner"),
        wrong_client=await connect(OTHER_NAMESPACE, "stigmer-server"),
        cut_off_client=await connect(namespace, "stigmer-server", NOT_LISTENING),
        store=store,
        service=service,
        zigflow=Zigflow(
            channel, namespace_id=ids[namespace], other_namespace_id=ids[OTHER_NAMESPACE]
        ),
    )
