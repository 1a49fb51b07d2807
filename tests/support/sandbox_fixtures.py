"""One sandbox for the whole run: a real Temporal server with simulated Zigflow and Stigmer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stigmer_ops.sandbox.sandbox import Sandbox


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
