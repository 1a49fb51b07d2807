"""One sandbox for the whole run: a real Temporal server with simulated Zigflow and Stigmer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.awaiting import Awaiting, awaiting


def pytest_configure(config: pytest.Config) -> None:
    """Let the SDK warn of a cancellation that arrives just after its activity has ended.

    It warns in the middle of the worker's poll loop: as an error that would stop the whole worker.
    """
    config.addinivalue_line(
        "filterwarnings", "ignore:Cannot find activity to cancel for token:UserWarning"
    )


@pytest.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """The shared sandbox. Its namespace fills up: tests that scan want `isolated_sandbox`."""
    async with Sandbox.start() as running:
        yield running


@pytest.fixture
async def isolated_sandbox(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """A sandbox on the same server, in an empty namespace of its own."""
    async with sandbox.isolated() as running:
        yield running


@pytest.fixture
async def two_namespaces_sandbox(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """As `isolated_sandbox`, with Stigmer in a second namespace of its own."""
    async with sandbox.isolated(two_namespaces=True) as running:
        yield running


@pytest.fixture(scope="module")
async def population(sandbox: Sandbox) -> AsyncIterator[Awaiting]:
    """Workflows that wait for an external activity each, in a namespace of the test file's own."""
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as running:
        yield running


@pytest.fixture
def frontend(population: Awaiting) -> Frontend:
    """The namespace of `population`, without a load limit."""
    return Frontend(population.client, Pace(rps=0))
