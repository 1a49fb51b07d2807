"""A command that gave up calls to Temporal ends at once, with its own exit code."""

from __future__ import annotations

import asyncio
import sys

import pytest

from stigmer_ops.sandbox.server import TemporalServer

PROCESSES = 4  # were the interpreter to end by itself, most of them would hang or abort

GIVES_UP = """
import sys

import pytest
import stigmer_ops.cli.main as program
from stigmer_ops.cli.commands import command
from stigmer_ops.errors import ExitCode

@command(program.app, "give-up", examples=())
async def give_up(invocation, connection: "Connection") -> ExitCode:
    import asyncio
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    async with invocation.temporal(connection) as frontend:
        request = DescribeNamespaceRequest(namespace=frontend.namespace)
        calls = [
            asyncio.create_task(frontend.call(frontend.service.describe_namespace, request))
            for _ in range(200)
        ]
        await asyncio.sleep(0.02)
        print(sum(not call.done() for call in calls))
    return ExitCode.FINDINGS

sys.exit(program.main())
"""


async def _give_up(server: TemporalServer) -> tuple[int | None, int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"from stigmer_ops.cli.option_sets import Connection{GIVES_UP}"),
        *("give-up", "--address", server.address, "--rps", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, int(out)


async def test_command_after_cancelled_calls_ends_with_its_own_exit_code() -> None:
    async with TemporalServer() as server:
        ended = await asyncio.gather(*(_give_up(server) for _ in range(PROCESSES)))
    assert [code for code, _ in ended] == [1] * PROCESSES
    assert sum(given_up for _, given_up in ended) > 0


INTERRUPTED_WHILE_LOADING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interruption:
    module = sys.argv.pop(1)
    def find_spec(self, name, path=None, target=None):
        if name == self.module:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interruption())
from stigmer_ops.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module", ["stigmer_ops.cli.main", "typer", "stigmer_ops.cli.pending", "asyncio", "temporalio"]
)
async def test_ctrl_c_while_the_program_is_loaded_leaves_no_trace(module: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTED_WHILE_LOADING, module),
        *("pending", "list", "--address", "127.0.0.1:1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert err in (b"interrupted\n", b"")  # Typer says nothing of one that it catches itself
