"""A command that gave up calls to Temporal ends at once, with its own exit code."""

from __future__ import annotations

import asyncio
import sys

from stigmer_ops.sandbox.server import TemporalServer

PROCESSES = 4  # were the interpreter to end by itself, most of them would hang or abort

GIVES_UP = """
import sys
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
