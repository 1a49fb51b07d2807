from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
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
from stigmer_ops.handshake.activity import Timeouts
from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.procedures.audited_timeouts import timeout_parameters
from support.command_line import Finished, stigmer_ops

HOSTILE = "order-\x1b[31m\u202e\nINC"


async def run(path: Path | str, *arguments: str, **variables: str) -> Finished:
    return await stigmer_ops(
        "audit", *arguments, variables={"STIGMER_OPS_AUDIT_PATH": str(path), **variables}
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


def change(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.write_bytes(edit(path.read_bytes()))


def state(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), path.stat().st_mtime_ns


def shown(result: Finished) -> list[str]:
    return [row["target"]["workflow_id"] for row in result.lines]


async def test_show_lists_operations_by_their_last_record(path: Path) -> None:
    result = await run(path, "show")
    header, *rows = (re.split(r"\s{2,}", line.strip()) for line in result.out.splitlines())
    assert result.code == 0
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
    assert result.err == ""


async def test_show_neutralises_control_characters(path: Path) -> None:
    output = (await run(path, "show", "-o", "wide")).out
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
async def test_show_filters(path: Path, options: list[str], expected: list[str]) -> None:
    result = await run(path, "show", "-o", "jsonl", *options)
    assert (result.code, shown(result)) == (0, expected)


def test_show_filter_offers_every_result() -> None:
    assert {choice.value for choice in ResultFilter} == {*Result, "unfinished"}


async def test_show_one_operation_by_its_id(path: Path) -> None:
    (row,) = (await run(path, "show", "-o", "jsonl", "--result", "refused")).lines
    again = await run(path, "show", "-o", "jsonl", "--operation-id", row["operation_id"])
    assert again.lines == [row]
    assert row["outcome"] == {"result": "refused", "detail": "moved to attempt 2"}
    assert row["parameters"]["result"]["size_bytes"] == 2
    assert row["started"]
    assert row["ended"]


async def test_show_tells_what_to_put_back_of_an_extension_whose_outcome_was_lost(
    tmp_path: Path,
) -> None:
    opening = entry("order-9")
    change = TimeoutChange(
        before=Timeouts(start_to_close=timedelta(hours=1), schedule_to_start=timedelta(minutes=1)),
        after=Timeouts(start_to_close=timedelta(hours=3), schedule_to_start=timedelta(minutes=9)),
        deadline_before=None,
        deadline=datetime.now(UTC),
    )
    intent = replace(opening.intent, parameters=timeout_parameters(change))
    path = tmp_path / "extended.jsonl"
    AuditTrail(path, now=lambda: datetime.now(UTC)).append(replace(opening, intent=intent))

    wide = await run(path, "show", "-o", "wide", COLUMNS="400")
    (row,) = (await run(path, "show", "-o", "jsonl", "--result", "unfinished")).lines

    assert "start_to_close 3600s -> 10800s; schedule_to_start 60s -> 540s" in wide.out
    assert row["parameters"]["start_to_close_timeout_before_seconds"] == 3600.0
    assert row["parameters"]["schedule_to_start_timeout_before_seconds"] == 60.0


async def test_show_limit_keeps_the_latest_and_says_that_there_are_more(path: Path) -> None:
    result = await run(path, "show", "-o", "jsonl", "--limit", "2")
    assert shown(result) == ["order-2", HOSTILE]
    assert "--limit 0" in result.err


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
async def test_show_whole_documents_agree(path: Path, form: str, load: type) -> None:
    document = load((await run(path, "show", "-o", form)).out)
    assert document["kind"] == "AuditOperations"
    assert document["schema_version"] == 1
    assert [row["operator"] for row in document["operations"]] == ["alice", "alice", "alice", "bob"]


async def test_show_of_no_trail_is_empty(tmp_path: Path) -> None:
    result = await run(tmp_path / "none.jsonl", "show", "-o", "json")
    assert (result.code, result.json["operations"]) == (0, [])
    assert "nothing has been written yet" in result.err


async def test_show_of_a_named_file_that_is_missing_is_wrong_usage(
    path: Path, tmp_path: Path
) -> None:
    result = await run(path, "show", "--file", str(tmp_path / "none.jsonl"))
    assert result.code == 2
    assert "there is no audit trail" in result.err


async def test_show_reports_lines_that_it_cannot_read(path: Path) -> None:
    change(path, lambda content: content.replace(b"bob", b"eve"))
    result = await run(path, "show", "-o", "jsonl")
    assert result.code == 1
    assert "stigmer-ops audit verify" in result.err
    assert "order-2" in shown(result)


async def test_verify_of_an_untouched_trail_exits_0_with_its_head(path: Path) -> None:
    report = (await run(path, "verify", "-o", "json")).json
    result = await run(path, "verify", "--expect", report["head"])
    assert result.code == 0
    assert "intact" in result.out
    assert report["head"] in result.out
    assert (report["records"], report["outcomes"]) == (7, {"done": 2, "refused": 1})
    assert [row["target"]["workflow_id"] for row in report["unfinished"]] == ["order-4"]
    assert "unfinished" in result.err


async def test_verify_names_the_line_of_a_change_and_exits_1(path: Path) -> None:
    change(path, lambda content: content.replace(b"order-2", b"order-3", 1))
    result = await run(path, "verify", "-o", "json")
    report = result.json
    assert result.code == 1
    assert report["intact"] is False
    assert (report["broken"]["line"], report["broken"]["reason"]) == (3, "edited")
    assert "broken at line 3: edited" in (await run(path, "verify")).out


async def test_verify_finds_a_cut_end_only_with_the_noted_head(path: Path) -> None:
    head = (await run(path, "verify", "-o", "json")).json["head"]
    change(path, lambda content: b"".join(content.splitlines(keepends=True)[:-1]))
    assert (await run(path, "verify")).code == 0
    result = await run(path, "verify", "--expect", head)
    assert result.code == 1
    assert "head missing" in result.out


async def test_verify_calls_an_interrupted_write_torn(path: Path) -> None:
    change(path, lambda content: content[:-30])
    result = await run(path, "verify")
    assert result.code == 1
    assert "broken at line 7: torn" in result.out


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64])
async def test_verify_refuses_what_is_no_digest(path: Path, digest: str) -> None:
    result = await run(path, "verify", "--expect", digest)
    assert result.code == 2
    assert "64 hexadecimal digits" in result.err


async def test_verify_of_a_missing_trail_is_wrong_usage(tmp_path: Path) -> None:
    assert (await run(tmp_path / "none.jsonl", "verify")).code == 2


async def test_neither_command_changes_the_file_or_makes_one(path: Path, tmp_path: Path) -> None:
    before = state(path)
    missing = tmp_path / "state" / "audit.jsonl"
    for command in ("show", "verify"):
        await run(path, command)
        await run(missing, command)
    assert state(path) == before
    assert not missing.parent.exists()


async def test_default_file_is_in_the_state_directory(tmp_path: Path) -> None:
    result = await run("", "show", XDG_STATE_HOME=str(tmp_path))
    assert str(tmp_path / "stigmer-ops" / "audit.jsonl") in result.err
