"""`sandbox` and the line that it prints, pasted into a terminal that pointed elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from stigmer_ops.sandbox.faults import FAULTS
from support.command_line import environment, stigmer_ops
from support.sandbox_command import running

SH = shutil.which("sh") or "/bin/sh"
PRODUCTION = {
    "STIGMER_OPS_MONITORING_PROMETHEUS": "http://127.0.0.1:1",
    "STIGMER_OPS_CONFIG": "/nowhere/production.yaml",
    "TEMPORAL_API_KEY": "production-key",
    "TEMPORAL_TLS": "true",
}


def mode_of(file: str) -> int:
    return Path(file).stat().st_mode & 0o777


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def pasted(file: str, command: str, home: Path) -> str:
    """What a command writes in a shell that has read the file."""
    process = await asyncio.create_subprocess_exec(
        *(SH, "-ec", f'. "{file}"; "{sys.executable}" -m stigmer_ops {command}'),
        env=environment({**PRODUCTION, "XDG_STATE_HOME": str(home)}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_pasted_line_reaches_the_sandbox_and_nothing_of_the_readers(tmp_path: Path) -> None:
    own, temporary = tmp_path / "own", tmp_path / "temporary"
    own.mkdir()
    temporary.mkdir()
    async with running("--fault", "token-not-passed", home=temporary) as (_, body):
        (handshake,) = body["handshakes"]
        file = body["environment_file"]
        assert mode_of(file) == 0o600
        assert body["not_seen"] == []

        assert handshake["workflow_id"] in await pasted(file, "pending list -o json", own)
        named = f"-w {handshake['workflow_id']} -a {handshake['activity_ids']}"
        await pasted(file, f"activity complete {named} --reason 'INC-1 by hand' --yes", own)

        assert "INC-1 by hand" in await pasted(file, "audit show -o json", own)
        trail = Path(body["environment"]["STIGMER_OPS_AUDIT_PATH"])
        assert trail in files(Path(file).parent)
        assert files(own) == []
    assert files(temporary) == []


async def test_faults_are_listed_with_what_diagnose_says() -> None:
    record = await stigmer_ops("sandbox", "--list-faults", "-o", "json")
    table = await stigmer_ops("sandbox", "--list-faults")
    assert [(one["fault"], one["verdict"]) for one in record.json["items"]] == [
        (one.id, one.verdict) for one in FAULTS
    ]
    assert table.code == 0
    assert all(one.breaks in table.out for one in FAULTS)
