"""`logs correlate` as a person and a script use it, without Temporal."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from support.command_line import Finished, stigmer_ops
from support.log_lines import (
    ACTIVITY,
    AT,
    EXECUTION,
    MESSAGE,
    WORKFLOW,
    ids_of,
    spring_console,
    temporal_go,
    token,
    zerolog_json,
)

NOWHERE = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
SECRET = base64.b64encode(token()).decode()


def go(*message_ids: str) -> bytes:
    return b"".join(temporal_go(MESSAGE[each], ids_of(MESSAGE[each]), AT) for each in message_ids)


DELIVERED = go("zigflow-returned-pending", "go-token-detected", "go-callback-delivered")
STOPPED = go("zigflow-returned-pending", "go-token-detected")
PREVIEW_ONLY = (
    b"2026-01-22T10:12:00Z ERROR SystemActivitiesImpl - Failed to complete external activity "
    b"tokenPreview=CiQ2YWM3ZjM2OS0xYjJj...\n"
)


async def correlate(*arguments: str, stdin: bytes = b"") -> Finished:
    return await stigmer_ops("logs", "correlate", *arguments, stdin=stdin, variables=NOWHERE)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "delivered.log").write_bytes(DELIVERED)
    (tmp_path / "stopped.log.gz").write_bytes(gzip.compress(STOPPED))
    return tmp_path


async def test_a_delivered_handshake_exits_0_and_tells_its_timeline(logs: Path) -> None:
    finished = await correlate(str(logs / "delivered.log"), "-e", EXECUTION)

    assert finished.code == 0, finished.err
    assert "delivered: the callback was delivered" in finished.out
    assert f"{WORKFLOW}  run" in finished.out
    assert "delivered.log:3" in finished.out
    assert "1 handshake: 1 delivered" in finished.err


async def test_an_unfinished_one_exits_1_and_says_what_to_type(logs: Path) -> None:
    finished = await correlate(str(logs / "stopped.log.gz"), "-w", WORKFLOW, "-a", ACTIVITY)

    assert finished.code == 1
    assert "reached: workflow-started" in finished.out
    assert "next should be: agent-started" in finished.out
    assert f"$ stigmer-ops diagnose -w {WORKFLOW}" in finished.out


async def test_without_an_id_there_is_a_table_of_all(logs: Path) -> None:
    finished = await correlate(str(logs / "delivered.log"), str(logs / "stopped.log.gz"))

    assert finished.code == 0
    assert finished.out.splitlines()[0].split()[:3] == ["VERDICT", "REACHED", "LAST"]
    assert "read 5 lines, 5 of them of the handshake" in finished.err


async def test_unfinished_leaves_out_what_was_delivered(logs: Path) -> None:
    finished = await correlate(str(logs / "delivered.log"), "--unfinished", "-o", "json")

    assert finished.code == 0
    assert finished.json["handshakes"] == []


async def test_nothing_found_exits_1(logs: Path) -> None:
    finished = await correlate(str(logs / "delivered.log"), "-e", "aex_other")

    assert finished.code == 1
    assert finished.out == ""
    assert "0 handshakes" in finished.err


async def test_json_is_complete_and_has_the_schema_version(logs: Path) -> None:
    finished = await correlate(str(logs / "delivered.log"), "-e", EXECUTION, "-o", "json")

    document = finished.json
    assert (document["schema_version"], document["kind"]) == (1, "LogCorrelation")
    [handshake] = document["handshakes"]
    assert handshake["activities"][0]["workflow_id"] == WORKFLOW
    assert handshake["timeline"][0]["time"] == "2026-01-22T10:11:12.000Z"
    assert handshake["timeline"][0]["service"] == "workflow-runner"
    assert document["files"][0]["lines"] == 3
    assert finished.err == ""


async def test_json_lines_end_with_how_reading_went(logs: Path) -> None:
    finished = await correlate(str(logs / "delivered.log"), "-o", "jsonl")

    assert [record["kind"] for record in finished.lines] == ["Handshake", "LogsRead"]


async def test_lines_with_nothing_but_a_preview_are_told_to_join_nothing() -> None:
    received = spring_console(
        MESSAGE["java-callback-started"], ids_of(MESSAGE["java-callback-started"]), AT
    )

    finished = await correlate("--offline", "-", stdin=received + PREVIEW_ONLY)

    assert finished.code == 1
    assert "outcome-not-joined" in finished.out
    assert "1 line cannot be joined" in finished.err
    assert "the same for all of a namespace (-:2)" in finished.err


async def test_temporal_out_of_reach_leaves_the_logs_answer_and_exits_3() -> None:
    message = MESSAGE["go-token-received"]

    finished = await correlate("-", "-o", "json", stdin=zerolog_json(message, ids_of(message), AT))

    assert finished.code == 3
    assert len(finished.json["handshakes"]) == 1
    assert "cannot reach Temporal at 127.0.0.1:1" in finished.err
    assert "--offline" in finished.err


async def test_a_cut_archive_is_told_and_exits_3(tmp_path: Path) -> None:
    whole = gzip.compress(DELIVERED)
    (tmp_path / "cut.gz").write_bytes(whole[:-4])

    finished = await correlate(str(tmp_path / "cut.gz"))

    assert finished.code == 3
    assert "delivered" in finished.out
    assert "cannot be read beyond line 3" in finished.err


async def test_no_token_is_ever_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    record = {
        "message": "Failed to complete external activity",
        "execution_id": EXECUTION,
        "callback_token": SECRET,
        "error": f"rejected {SECRET}",
    }
    log = DELIVERED.replace(b"token_preview ", b"token " + SECRET.encode() + b" token_preview ")
    log += json.dumps(record).encode() + b"\n"

    for output in ("table", "wide", "json", "yaml"):
        finished = await correlate(
            "--offline", "-", "--token-file", str(tmp_path / "token"), "-o", output, stdin=log
        )
        assert finished.code in (0, 1), finished.err
        assert "sha256:" in finished.out
        assert SECRET[30:70] not in finished.out + finished.err


async def test_hostile_lines_cannot_reach_the_terminal() -> None:
    record = {
        "message": "Callback token detected",
        "execution_id": "aex_\x1b]0;owned\x07[bold]\u202e[/x]",
    }

    finished = await correlate("--offline", "-", stdin=json.dumps(record).encode())

    assert finished.code == 1
    assert "[bold]" in finished.out
    assert not {"\x1b", "\x07", "\u202e"} & set(finished.out + finished.err)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.log"], "cannot read missing.log: No such file or directory"),
        (["."], ". is a directory"),
        ([], "Missing argument"),
        (["-", "--timezone", "Mars/Olympus"], "is no time zone"),
        (["-", "--token-file", "-"], "cannot both come from standard input"),
        (["x.log", "--token-file", "t", "-w", "order"], "a token names its activity already"),
        (["-", "--token-env", "DAMAGED"], "not a usable task token"),
    ],
)
async def test_wrong_usage_exits_2_and_says_what_is_wrong(
    arguments: list[str], complaint: str
) -> None:
    finished = await stigmer_ops(
        "logs", "correlate", *arguments, variables={**NOWHERE, "DAMAGED": SECRET[:60]}
    )

    assert finished.code == 2
    assert complaint in " ".join(finished.err.split())


async def test_local_times_are_read_in_their_zone(tmp_path: Path) -> None:
    (tmp_path / "berlin.log").write_bytes(DELIVERED)

    finished = await correlate(
        str(tmp_path / "berlin.log"), "--timezone", "Europe/Berlin", "-o", "json"
    )

    assert finished.json["handshakes"][0]["first_time"] == "2026-01-22T09:11:12.000Z"
