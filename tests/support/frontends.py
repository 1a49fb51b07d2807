"""Connections as commands make them, without a load limit."""

from __future__ import annotations

from typing import Any

from temporalio.client import Client

from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace


async def frontend_at(address: str, namespace: str = "default", **pace: Any) -> Frontend:
    """A namespace of the server there; `pace` is as in `Pace`."""
    target = resolve(ConnectionOptions(address=address, namespace=namespace), {})
    return await connect(target, pace=Pace(**{"rps": 0, **pace}))


async def frontend_of(client: Client, **pace: Any) -> Frontend:
    """The namespace of an SDK client, as `frontend_at`."""
    return await frontend_at(client.service_client.config.target_host, client.namespace, **pace)
