"""The server of a sandbox: it starts, is found out when it cannot, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from stigmer_ops.errors import CapabilityError, UnavailableError
from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox import server as server_module
from stigmer_ops.sandbox.child import free_ports
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.server import TemporalServer, executable

SERVE = """
import asyncio, json
from stigmer_ops.sandbox.serve import serve
def report(event):
    print(json.dumps({"step": event.step, **event.data}), flush=True)
asyncio.run(serve(report, faults={"still-running": 2}))
"""


def servers_at(address: str) -> list[str]:
    """Command lines of the processes that have to do with the server at that address."""
    port = address.rpartition(":")[2]
    listing = subprocess.run(
        ["ps", "-axww", "-o", "command"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if f"--port={port}" in line]


def gone(address: str, seconds: float = 15.0) -> bool:
    """Whether the server's processes end within that time."""
    end = time.monotonic() + seconds
    while servers_at(address):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def address_served_by(child: subprocess.Popen[str]) -> str:
    """The address of the server, once a process that runs `SERVE` is ready."""
    assert child.stdout is not None
    for line in child.stdout:
        event = json.loads(line)
        if event["step"] == "ready":
            return str(event["TEMPORAL_ADDRESS"])
    raise AssertionError("the sandbox was never ready")


def test_no_process_is_left_behind_however_the_parent_ends() -> None:
    with ExitStack() as stack:
        children = {
            how: stack.enter_context(
                subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
            )
            for how in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
        }
        for child in children.values():
            stack.callback(child.kill)
        addresses = {how: address_served_by(child) for how, child in children.items()}
        # Each has a server and its supervisor.
        assert [len(servers_at(address)) for address in addresses.values()] == [2, 2, 2]

        for how, child in children.items():
            child.send_signal(how)

        codes = {how: child.wait(timeout=20) for how, child in children.items()}
        assert codes[signal.SIGKILL] == -signal.SIGKILL
        assert 0 not in codes.values()
        assert [how for how, address in addresses.items() if not gone(address)] == []


async def test_error_in_the_block_stops_the_server() -> None:
    async def fail() -> str:
        async with Sandbox.start() as running:
            message = running.address
            raise ValueError(message)

    with pytest.raises(ValueError, match=r"127\.0\.0\.1") as raised:
        await fail()

    assert servers_at(str(raised.value)) == []


async def test_restart_with_a_file_keeps_workflows_and_address(tmp_path: Path) -> None:
    async with Sandbox.start(db_filename=tmp_path / "temporal.db") as running:
        handshake = await running.start_handshake("still-running")
        await running.settle(handshake)
        before = running.address

        await running.server.stop()
        assert not running.server.running
        await running.server.start()

        assert running.address == before
        await handshake.until({"5": conditions.agent_running}, 30)


async def test_port_that_is_taken_is_refused(sandbox: Sandbox) -> None:
    port = int(sandbox.address.rpartition(":")[2])

    with pytest.raises(UnavailableError, match=rf"port {port} is in use"):
        await TemporalServer(port=port).start()


async def test_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "temporal.db"

    with pytest.raises(UnavailableError, match="ended while it was starting") as raised:
        await TemporalServer(db_filename=nowhere).start()

    assert "no such file or directory" in raised.value.happened


def test_missing_server_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_candidates", list)

    with pytest.raises(CapabilityError) as raised:
        executable()

    assert "stigmer-ops[sandbox]" in raised.value.next_step


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
