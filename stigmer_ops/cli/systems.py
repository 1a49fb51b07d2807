"""Both sides of the handshake, connected: for the commands that join them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection

if TYPE_CHECKING:
    from stigmer_ops.diagnosis.diagnose import Systems


@asynccontextmanager
async def both_sides(
    invocation: Invocation, connection: Connection, *, identity: str | None = None
) -> AsyncIterator[Systems]:
    """The namespaces of both sides, which may be one, and the Stigmer service if configured.

    Args:
        invocation: For the settings.
        connection: The options.
        identity: What history shall show as the caller of writes.

    Raises:
        StigmerOpsError: Temporal cannot be reached, or refuses us.
    """
    from stigmer_ops.diagnosis.diagnose import Systems
    from stigmer_ops.stigmer.service import stigmer_service

    settings = invocation.settings.stigmer
    async with AsyncExitStack() as stack:
        external = await stack.enter_async_context(
            invocation.temporal(connection, identity=identity)
        )
        stigmer = external
        if settings.namespace not in (None, external.namespace):
            stigmer = await stack.enter_async_context(
                invocation.temporal(connection, namespace=settings.namespace, identity=identity)
            )
        service = await stack.enter_async_context(stigmer_service(settings))
        yield Systems(external, stigmer, service)
