"""What is written can be read, whatever the locale and whatever a foreign id holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stigmer_ops.audit import AuditTrail, Intent, Target
from support.activities import NOW
from support.command_line import stigmer_ops

STRANGE = "ünï-\N{GRINNING FACE}-\udcff"


@pytest.fixture
def audit_file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    intent = Intent(
        command="activity complete",
        operator="alice",
        host="laptop",
        identity="stigmer-ops:alice@laptop",
        reason=STRANGE,
        namespace="default",
        server_address="127.0.0.1:7233",
        target=Target(
            workflow_id="w", run_id="r", activity_id="5", scheduled_event_id=5, attempt=1
        ),
    )
    with AuditTrail(path, now=lambda: NOW).operation(intent) as operation:
        operation.done(proof_event_id=7)
    return path


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "utf-8:strict"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "C.UTF-8"},
    ],
    ids=str,
)
@pytest.mark.parametrize("output", ["json", "jsonl", "yaml", "table"])
async def test_strange_text_survives(audit_file: Path, locale: dict[str, str], output: str) -> None:
    done = await stigmer_ops(
        "audit", "show", "--file", str(audit_file), "-o", output, variables=locale
    )
    assert (done.code, done.err) == (0, "")
    if output == "json":
        (operation,) = json.loads(done.out)["operations"]
        assert operation["reason"] == STRANGE
    else:
        assert "alice" in done.out
