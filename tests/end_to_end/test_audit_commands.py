from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from stigmer_ops.audit import (
    AuditTrail,
    Entry,
    Fingerprint,
    Intent,
    Outcome,
    Parameters,
    Result,
    Target,
)
from stigmer_ops.cli.audit import ResultFilter

HOSTILE = "order-\x1b[31m\u202e\nINC"


def run(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "STIGMER_OPS_AUDIT_PATH": str(path),
        **variables,
    }
    command = [sys.executable, "-m", "stigmer_ops", "audit", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=60
    )


def entry(workflow_id: str, operator: str = "alice") -> Entry:
    return Entry.opening(
        Intent(
            command="activity complete",
            operator=operator,
            host="bastion-1",
            identity=f"stigmer-ops:{operator}@bastion-1 INC-7",
            reason="INC-7 agent is gone",
            namespace="orders",
            server_address="127.0.0.1:7233",
            target=Target(workflow_id=workflow_id, activity_id="5", attempt=1),
            parameters=Parameters(fenced=True, result=Fingerprint.of(b"{}")),
        )
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trail of four operations: done, refused, unfinished, and done two days before the rest."""
    path = tmp_path / "audit.jsonl"
    now = datetime.now(UTC)
    early = AuditTrail(path, now=lambda: now - timedelta(days=2))
    early.append_many(
        [
            e := entry("order-1"),
            e.closing(Outcome(result=Result.DONE, proof_event_id=17)),
        ]
    )
    late = AuditTrail(path, now=lambda: now)
    late.append_many([a := entry("order-2"), b := entry(HOSTILE, "bob"), entry("order-4")])
    late.append(a.closing(Outcome(result=Result.REFUSED, detail="moved to attempt 2")))
    late.append(b.closing(Outcome(result=Result.DONE, proof_event_id=9)))
    return path


def shown(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [json.loads(line)["target"]["workflow_id"] for line in result.stdout.splitlines()]


def test_show_lists_operations_by_their_last_record(path: Path) -> None:
    result = run(path, "show")
    header, *rows = (re.split(r"\s{2,}", line.strip()) for line in result.stdout.splitlines())
    assert result.returncode == 0
    assert header[:4] == ["TIME", "COMMAND", "OPERATOR", "WORKFLOW"]
    assert header[4:] == ["ACTIVITY", "ATTEMPT", "RESULT", "EVENT", "REASON"]
    assert rows[0][1:] == [
        "activity complete",
        "alice",
        "order-1",
        "5",
        "1",
        "done",
        "17",
        "INC-7 agent is gone",
    ]
    assert [row[6] for row in rows] == ["done", "unfinished", "refused", "done"]
    assert result.stderr == ""


def test_show_neutralises_control_characters(path: Path) -> None:
    output = run(path, "show", "-o", "wide").stdout
    assert "order-\\x1b[31m\\u202e\\nINC" in output
    assert "\x1b" not in output
    assert len(output.splitlines()) == 5


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--workflow-id", "order-2"], ["order-2"]),
        (["--operator", "bob"], [HOSTILE]),
        (["--result", "unfinished"], ["order-4"]),
        (["--result", "done"], ["order-1", HOSTILE]),
        (["--result", "refused", "--result", "unfinished"], ["order-4", "order-2"]),
        (["--since", "1d"], ["order-4", "order-2", HOSTILE]),
        (["--operator", "nobody"], []),
        (["--limit", "0"], ["order-1", "order-4", "order-2", HOSTILE]),
    ],
)
def test_show_filters(path: Path, options: list[str], expected: list[str]) -> None:
    result = run(path, "show", "-o", "jsonl", *options)
    assert (result.returncode, shown(result)) == (0, expected)


def test_show_filter_offers_every_result() -> None:
    assert {choice.value for choice in ResultFilter} == {*Result, "unfinished"}


def test_show_one_operation_by_its_id(path: Path) -> None:
    lines = run(path, "show", "-o", "jsonl", "--result", "refused").stdout
    row = json.loads(lines)
    again = run(path, "show", "-o", "jsonl", "--operation-id", row["operation_id"]).stdout
    assert json.loads(again) == row
    assert row["outcome"] == {"result": "refused", "detail": "moved to attempt 2"}
    assert row["parameters"]["result"]["size_bytes"] == 2
    assert row["started"]
    assert row["ended"]


def test_show_limit_keeps_the_latest_and_says_that_there_are_more(path: Path) -> None:
    result = run(path, "show", "-o", "jsonl", "--limit", "2")
    assert shown(result) == ["order-2", HOSTILE]
    assert "--limit 0" in result.stderr


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_show_whole_documents_agree(path: Path, form: str, load: type) -> None:
    document = load(run(path, "show", "-o", form).stdout)
    assert document["kind"] == "AuditOperations"
    assert document["schema_version"] == 1
    assert [row["operator"] for row in document["operations"]] == ["alice", "alice", "alice", "bob"]


def test_show_of_no_trail_is_empty(tmp_path: Path) -> None:
    result = run(tmp_path / "none.jsonl", "show", "-o", "json")
    assert (result.returncode, json.loads(result.stdout)["operations"]) == (0, [])
    assert "nothing has been written yet" in result.stderr


def test_show_of_a_named_file_that_is_missing_is_wrong_usage(path: Path, tmp_path: Path) -> None:
    result = run(path, "show", "--file", str(tmp_path / "none.jsonl"))
    assert result.returncode == 2
    assert "there is no audit trail" in result.stderr


def test_show_reports_lines_that_it_cannot_read(path: Path) -> None:
    path.write_text(path.read_text().replace("bob", "eve"))
    result = run(path, "show", "-o", "jsonl")
    assert result.returncode == 1
    assert "stigmer-ops audit verify" in result.stderr
    assert "order-2" in shown(result)


def test_verify_of_an_untouched_trail_exits_0_with_its_head(path: Path) -> None:
    report = json.loads(run(path, "verify", "-o", "json").stdout)
    result = run(path, "verify", "--expect", report["head"])
    assert result.returncode == 0
    assert "intact" in result.stdout
    assert report["head"] in result.stdout
    assert (report["records"], report["outcomes"]) == (7, {"done": 2, "refused": 1})
    assert [row["target"]["workflow_id"] for row in report["unfinished"]] == ["order-4"]
    assert "unfinished" in result.stderr


def test_verify_names_the_line_of_a_change_and_exits_1(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b"alice", b"mallo"), *lines[3:]]))
    result = run(path, "verify", "-o", "json")
    report = json.loads(result.stdout)
    assert result.returncode == 1
    assert report["intact"] is False
    assert (report["broken"]["line"], report["broken"]["reason"]) == (3, "edited")
    assert "broken at line 3: edited" in run(path, "verify").stdout


def test_verify_finds_a_cut_end_only_with_the_noted_head(path: Path) -> None:
    head = json.loads(run(path, "verify", "-o", "json").stdout)["head"]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert run(path, "verify").returncode == 0
    result = run(path, "verify", "--expect", head)
    assert result.returncode == 1
    assert "head missing" in result.stdout


def test_verify_calls_an_interrupted_write_torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])
    result = run(path, "verify")
    assert result.returncode == 1
    assert "broken at line 7: torn" in result.stdout


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64])
def test_verify_refuses_what_is_no_digest(path: Path, digest: str) -> None:
    result = run(path, "verify", "--expect", digest)
    assert result.returncode == 2
    assert "64 hexadecimal digits" in result.stderr


def test_verify_of_a_missing_trail_is_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path / "none.jsonl", "verify").returncode == 2


def test_neither_command_changes_the_file_or_makes_one(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    missing = tmp_path / "state" / "audit.jsonl"
    for command in ("show", "verify"):
        run(path, command)
        run(missing, command)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert not missing.parent.exists()


def test_default_file_is_in_the_state_directory(tmp_path: Path) -> None:
    result = run(Path(), "show", XDG_STATE_HOME=str(tmp_path), STIGMER_OPS_AUDIT_PATH="")
    assert str(tmp_path / "stigmer-ops" / "audit.jsonl") in result.stderr
