"""Commands that do not declare a write leave every history, and every list, as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import stigmer_ops
from support.commands import commands, declaration

READS = {
    "audit show": (),
    "audit verify": (),
    "batch list": (),
    "config check": (),
    "config show": (),
    "diagnose": (),
    "exporter": ("--once",),
    "drain": ("--timeout", "0s"),
    "maintenance preflight": ("--for", "2h"),
    "maintenance status": (),
    "pending list": ("--all-types",),
    "pending show": ("-w", "{workflow_id}", "-a", "{activity_id}"),
    "pending summary": (),
    "report": ("--out", "{token}.html"),
    "scale recommend": (),
    "token decode": ("--token-file", "{token}"),
    "token fingerprint": ("--token-file", "{token}"),
    "token validate": ("--token-file", "{token}"),
    "watch": ("--count", "1"),
    "worker check": ("--passive",),
    "worker list": (),
}
"""Each command that reads, with what it needs."""

ELSEWHERE = {
    "demo": "runs the others, on a sandbox of its own",
    "sandbox": "starts a server of its own",
    "pending watch": "repeats pending list; test_pending_commands.py",
    "logs correlate": "reads files; asks as diagnose does",
    "batch show": "asks a batch that is there; test_batch_commands.py",
    "batch-worker": "carries out what others confirmed; test_batch_commands.py",
    "alerts generate": "writes files of its own",
    "alerts lint": "reads files",
    "alerts explain": "reads its own registry",
    "alerts status": "asks Prometheus",
    "alerts test": "runs promtool",
    "dashboards generate": "writes files of its own",
    "dashboards lint": "reads files",
    "dashboards preview": "asks Prometheus",
    "metrics query": "asks Prometheus",
    "plan show": "reads a file",
    "plan diff": "reads files",
    "plan create": "scans as pending list does; test_plan_commands.py",
    "plan verify": "reads histories as apply does; test_apply_commands.py",
    "runbook list": "reads pages",
    "runbook show": "reads pages",
    "deploy preflight": "runs the checks",
    "escalate": "runs the checks",
    "check": "repeats worker check and diagnose; test_check_commands.py",
    "smoke": "runs a canary of its own; test_check_commands.py",
}


def test_every_command_that_reads_is_tested_here_or_says_why_not() -> None:
    reading = {name for name, found in commands() if not declaration(found).writes}
    assert reading <= set(READS) | set(ELSEWHERE)
    assert set(READS) <= reading


@pytest.mark.parametrize("name", READS)
async def test_reads_write_nothing(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    async with sandbox.isolated() as quiet:
        handshakes = await quiet.populate({"still-running": 1, "callback-fails": 1})
        token = tmp_path / "token"
        token.write_bytes(handshakes[0].executions()[0].spec.callback_token)
        values = {
            "workflow_id": handshakes[0].workflow_id,
            "activity_id": handshakes[0].activity_ids[0],
            "token": str(token),
        }
        arguments = [argument.format(**values) for argument in READS[name]]
        audit = tmp_path / "audit.jsonl"
        variables = {**quiet.environment(), "STIGMER_OPS_AUDIT_PATH": str(audit)}
        before = await _everything(quiet)
        await stigmer_ops(*name.split(), *arguments, variables=variables)
        assert await _everything(quiet) == before
        assert not audit.exists()


async def _everything(sandbox: Sandbox) -> dict[str, tuple[int, str]]:
    """History length and status of every workflow of the namespace, once they hold still."""
    seen: dict[str, tuple[int, str]] = {}
    for _ in range(50):
        again = {
            workflow.id: (workflow.history_length, str(workflow.status))
            async for workflow in sandbox.client.list_workflows("")
        }
        if again and again == seen:
            return again
        seen = again
        await asyncio.sleep(0.3)
    raise AssertionError(f"the namespace does not hold still: {seen}")
