"""The external activity of docs/handshake.md, right, and wrong in each way that the page names."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError

from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.workers import Role
from support.command_line import stigmer_ops

DOCS = Path(__file__).parent.parent.parent / "docs"
EXAMPLE = DOCS / "examples" / "external_activity.py"
_MISTAKE = re.compile(r"^\| `(.+?)` \| `(.+?)` \| (?:\[([a-z-]+)\]|none)", re.MULTILINE)
REAL_TIME = 1.0
"""The example's times are those of production: its agents work for a minute."""


@dataclass(frozen=True)
class Mistake:
    """A row of the page's table; without a verdict the activity fails by itself."""

    right: str
    wrong: str
    verdict: str | None


MISTAKES = [
    Mistake(right, wrong, verdict or None)
    for right, wrong, verdict in _MISTAKE.findall((DOCS / "handshake.md").read_text())
]


@contextmanager
def example(folder: Path, mistake: Mistake | None = None) -> Iterator[ModuleType]:
    """The example as a module, with a mistake made in it."""
    source = EXAMPLE.read_text()
    if mistake is not None:
        assert source.count(mistake.right) == 1
        source = "import base64\n" + source.replace(
            "from __future__ import annotations\n", ""
        ).replace(mistake.right, mistake.wrong)
        source = "from __future__ import annotations\n" + source
    name = f"external_activity_{uuid.uuid4().hex}"
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where the SDK's own sandbox looks it up
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        del sys.modules[name]


@asynccontextmanager
async def running(
    module: ModuleType, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """The example's own main, against the sandbox."""

    async def connect(address: str) -> Client:
        return await Client.connect(address, namespace=sandbox.namespace)

    monkeypatch.setenv("TEMPORAL_ADDRESS", sandbox.address)
    monkeypatch.setenv("STIGMER_ADDRESS", sandbox.stigmer_address)
    monkeypatch.setattr(module, "Client", type("Client", (), {"connect": staticmethod(connect)}))
    worker = asyncio.create_task(module.main())
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def ask(sandbox: Sandbox, *messages: str) -> WorkflowHandle[Any, Any]:
    return await sandbox.client.start_workflow(
        "AskAgents", list(messages), id=f"order-{uuid.uuid4().hex[:8]}", task_queue="orders"
    )


async def test_every_agent_answers(
    isolated_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with example(tmp_path) as module:
        async with running(module, isolated_sandbox, monkeypatch):
            handle = await ask(isolated_sandbox, "one", "two", "three")
            answers = await asyncio.wait_for(handle.result(), 60)

    assert [answer["spec"]["message"] for answer in answers] == ["one", "two", "three"]
    assert len({answer["metadata"]["id"] for answer in answers}) == 3


async def test_refused_execution_fails_the_activity_at_once(
    isolated_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await isolated_sandbox.stop_worker(Role.SERVICE)
    with example(tmp_path) as module:
        async with running(module, isolated_sandbox, monkeypatch):
            handle = await ask(isolated_sandbox, "one")
            with pytest.raises(WorkflowFailureError) as raised:
                await asyncio.wait_for(handle.result(), 60)

    assert isinstance(raised.value.cause, ActivityError)
    assert isinstance(raised.value.cause.cause, ApplicationError)
    assert "UNAVAILABLE" in raised.value.cause.cause.message


def test_the_page_names_mistakes_of_every_kind() -> None:
    assert len(MISTAKES) >= 9
    assert None in {mistake.verdict for mistake in MISTAKES}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.wrong)
async def test_mistake_earns_its_verdict(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Mistake
) -> None:
    namespace = await sandbox.new_namespace()
    async with Sandbox.start(
        time_scale=REAL_TIME, server=sandbox.server, namespace=namespace
    ) as world:
        with example(tmp_path, mistake) as module:
            async with running(module, world, monkeypatch):
                handle = await ask(world, "one")
                if mistake.verdict is None:
                    with pytest.raises(WorkflowFailureError):
                        await asyncio.wait_for(handle.result(), 60)
                    return
                assert await verdict_on(world, handle.id, mistake.verdict) == mistake.verdict


async def verdict_on(world: Sandbox, workflow_id: str, expected: str) -> str:
    """What `diagnose` says, once it says what is expected, or for long does not."""
    variables = {**world.environment(), "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s"}
    said = "nothing"
    for _ in range(40):
        done = await stigmer_ops("diagnose", "-w", workflow_id, "-o", "json", variables=variables)
        said = next((item["verdict"] for item in done.json["items"]), "nothing")
        if said == expected:
            break
        await asyncio.sleep(0.5)
    return said
