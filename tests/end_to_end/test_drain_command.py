"""`drain` on a real server: it waits, tells how fast, and gives up in time."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest
from temporalio.client import Client

from stigmer_ops.sandbox.sandbox import Sandbox
from support.awaiting import awaiting
from support.command_line import environment, stigmer_ops


async def test_drain_waits_for_the_target_and_says_how_far_it_is(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    variables = {"TEMPORAL_ADDRESS": sandbox.address, "TEMPORAL_NAMESPACE": client.namespace}
    async with awaiting(client) as population:
        names = await population.start(f"order-{number}" for number in range(6))
        late = await stigmer_ops(
            "drain", "--timeout", "1s", "--interval", "300ms", variables=variables
        )
        enough = await stigmer_ops("drain", "--target", "6", "-o", "json", variables=variables)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer_ops", "drain", "--target", "2"),
            *("--interval", "200ms", "--timeout", "60s", "-o", "jsonl"),
            env=environment(variables),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = [await process.stdout.readline()]
        for name in names[:4]:
            await client.workflow_service.respond_activity_task_completed(
                RespondActivityTaskCompletedRequest(task_token=population.tokens[name, 1])
            )
        lines += [line async for line in process.stdout]
        code = await process.wait()
        nobody = await stigmer_ops("drain", "--address", "127.0.0.1:1", variables=variables)
        odd = await stigmer_ops("drain", "--all-types", "--activity-type", "A", variables=variables)
    assert (late.code, "not drained after" in late.out) == (1, True)
    assert late.err.count("6 pending") >= 2
    assert (enough.code, enough.json["reached"], enough.json["seconds"]) == (0, True, 0.0)
    assert code == 0
    assert b'"pending": 6' in lines[0]
    assert b'"kind": "Drain"' in lines[-1]
    assert b'"pending": 2' in lines[-1]
    assert (nobody.code, odd.code) == (3, 2)
