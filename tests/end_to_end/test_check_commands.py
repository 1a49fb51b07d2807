"""`check` and `smoke` as a person, a script and CI run them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.procedures.checks.registry import CHECKS
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, environment, stigmer_ops
from support.terminal import at_terminal

NOBODY = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
GENEROUS = {"STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET": "30s"}
"""So that a busy machine fails no test."""


@pytest.fixture
def audit(tmp_path: Path) -> dict[str, str]:
    return {"STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl")}


def results(done: Finished) -> dict[str, str]:
    return {
        check["id"]: check["result"]
        for category in done.json["categories"]
        for check in category["checks"]
    }


def validate(body: Mapping[str, Any]) -> None:
    """The promised form of `check -o json`."""
    assert body["schema_version"] == 1
    assert body["kind"] == "CheckRun"
    assert isinstance(body["success"], bool)
    assert set(body["counts"]) == {"ok", "warning", "failed", "skipped"}
    fields = {"id", "sentence", "result", "detail", "hint", "reference", "page", "seconds"}
    for category in body["categories"]:
        assert set(category) == {"id", "checks"}
        assert category["checks"]
        for check in category["checks"]:
            assert set(check) == fields
            assert check["result"] in body["counts"]
            assert isinstance(check["seconds"], float)
            assert (check["hint"] is None) == (check["result"] in ("ok", "skipped"))


async def test_healthy_system_exits_0_in_json(
    isolated_sandbox: Sandbox, audit: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **audit, **GENEROUS}
    done = await stigmer_ops("check", "--smoke", "--wait", "10s", "-o", "json", variables=variables)
    assert done.code == 0, done.out
    validate(done.json)
    assert done.json["success"] is True
    assert results(done) == {
        check.id: "skipped" if check.category.id == "monitoring" else "ok"
        for check in CHECKS
        if check.category.id != "deployment"
    }


async def test_nobody_listens_is_a_failed_check(audit: dict[str, str]) -> None:
    done = await stigmer_ops("check", "-o", "json", variables={**NOBODY, **audit})
    assert done.code == 1
    validate(done.json)
    assert done.json["success"] is False
    found = results(done)
    assert found["temporal-reachable"] == "failed"
    assert found["settings-valid"] == "ok"
    assert {found[id] for id in ("task-queues-polled", "no-handshake-stuck")} == {"skipped"}
    assert "canary-passes" not in found


async def test_offline_exits_0_and_asks_nobody(audit: dict[str, str]) -> None:
    done = await stigmer_ops("check", "--offline", "-o", "json", variables={**NOBODY, **audit})
    assert done.code == 0
    validate(done.json)
    assert results(done) == {
        check.id: "skipped" if check.needs else "ok"
        for check in CHECKS
        if not check.category.opt_in
    }


async def test_warning_exits_0(audit: dict[str, str]) -> None:
    late = {"STIGMER_OPS_THRESHOLDS_STUCK_AFTER": "200h"}
    done = await stigmer_ops("check", "--offline", "-o", "json", variables={**audit, **late})
    assert done.code == 0
    assert results(done)["thresholds-effective"] == "warning"


async def test_settings_that_are_wrong_are_a_failed_check(tmp_path: Path) -> None:
    file = tmp_path / "stigmer-ops.yaml"
    file.write_text("scan:\n  rps: many\n")
    done = await stigmer_ops("check", "--config", str(file))
    assert done.code == 1
    assert f"{file}:2: scan.rps" in done.out
    assert "help: stigmer-ops runbook show settings-valid" in done.out
    assert "skipped: settings-valid failed" in done.out


async def test_people_see_cause_hint_and_page_and_pipes_see_no_colour(
    audit: dict[str, str],
) -> None:
    done = await stigmer_ops("check", variables={**NOBODY, **audit})
    assert done.code == 1
    lines = done.out.splitlines()
    at = lines.index("× the Temporal frontend can be reached")  # noqa: RUF001 - the sign is meant
    assert lines[at + 1].startswith("    cannot reach Temporal at 127.0.0.1:1")
    assert lines[at + 2].startswith("    next: ")
    assert lines[at + 3] == "    help: stigmer-ops runbook show temporal-reachable"
    assert "\x1b" not in done.out
    assert done.err == ""


async def test_poor_terminal_gets_ascii(audit: dict[str, str]) -> None:
    plain = {**NOBODY, **audit, "PYTHONIOENCODING": "ascii"}
    done = await stigmer_ops("check", "--category", "temporal", variables=plain)
    assert "x the Temporal frontend can be reached" in done.out.splitlines()
    assert done.out.isascii()


async def test_json_lines_come_one_by_one(audit: dict[str, str]) -> None:
    done = await stigmer_ops("check", "--offline", "-o", "jsonl", variables=audit)
    assert {line["kind"] for line in done.lines[:-1]} == {"Check"}
    assert done.lines[0]["category"] == "settings"
    assert done.lines[-1]["kind"] == "CheckRun"
    assert done.lines[-1]["success"] is True


async def test_reader_that_leaves_early_is_no_finding(audit: dict[str, str]) -> None:
    line = f"set -o pipefail; {sys.executable} -m stigmer_ops check --offline | head -1"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", line, env=environment(audit), stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"Settings\n", b"")


async def test_unknown_category_is_wrong_usage() -> None:
    done = await stigmer_ops("check", "--category", "tempral")
    assert done.code == 2
    assert "one of settings, temporal, " in done.err


async def test_terminal_shows_results_in_colour_and_ctrl_c_leaves_the_cursor(
    audit: dict[str, str],
) -> None:
    variables = {**NOBODY, **audit}
    async with at_terminal("check", "--wait", "60s", variables=variables) as terminal:
        await terminal.until("waiting: ")
        assert "\x1b[32m√\x1b[0m the settings are valid" in terminal.screen
        terminal.type("\x03")
        assert await terminal.code() == 130
        # What was hidden for the spinner is shown again.
        assert terminal.screen.rindex("\x1b[?25h") > terminal.screen.rindex("\x1b[?25l")


# --- smoke ---------------------------------------------------------------------------------------


async def test_smoke_passes_and_is_audited(
    isolated_sandbox: Sandbox, audit: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **audit, **GENEROUS}
    done = await stigmer_ops(
        "smoke", "--rounds", "3", "--reason", "CHG-1 go", "-o", "json", variables=variables
    )
    assert done.code == 0, done.err
    body = done.json
    assert body["kind"] == "Smoke"
    assert body["passed"] is True
    assert (body["rounds_planned"], body["rounds_completed"]) == (3, 3)
    assert list(body["times"]) == [
        "dispatch_seconds",
        "callback_seconds",
        "resume_seconds",
        "overhead_seconds",
    ]
    assert body["left_behind"] == []
    shown = await stigmer_ops("audit", "show", "-o", "json", variables=audit)
    (operation,) = shown.json["operations"]
    assert (operation["command"], operation["reason"]) == ("smoke", "CHG-1 go")
    assert operation["identity"].endswith(" CHG-1")
    assert operation["outcome"]["detail"] == "3 of 3 rounds; nothing left behind"


async def test_smoke_over_its_budget_exits_1(sandbox: Sandbox, audit: dict[str, str]) -> None:
    tight = {"STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET": "1ms"}
    variables = {**sandbox.environment(), **audit, **tight}
    done = await stigmer_ops("smoke", "--rounds", "2", variables=variables)
    assert done.code == 1
    assert "is above 1.0 ms" in done.out
    assert "overhead" in done.out


async def test_smoke_through_stigmer(sandbox: Sandbox, audit: dict[str, str]) -> None:
    variables = {**sandbox.environment(), **audit}
    done = await stigmer_ops("smoke", "--through-stigmer", "-o", "json", variables=variables)
    assert done.code == 0, done.err
    assert done.json["execution_id"].startswith("aex_")
    assert done.json["budget_seconds"] is None
    assert done.json["times"]["agent_seconds"]["p50"] > 0.5


async def test_smoke_writes_nothing_where_it_may_not(
    isolated_sandbox: Sandbox, audit: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **audit}
    refused = await stigmer_ops("smoke", variables={**variables, "STIGMER_OPS_READ_ONLY": "1"})
    assert refused.code == 4
    assert "read-only mode is on ($STIGMER_OPS_READ_ONLY)" in refused.err
    planned = await stigmer_ops("smoke", "--dry-run", "-o", "json", variables=variables)
    assert planned.code == 0
    assert planned.json["kind"] == "SmokePlan"
    assert planned.json["rounds"] == 10
    assert [found async for found in isolated_sandbox.client.list_workflows("")] == []
    shown = await stigmer_ops("audit", "show", variables=audit)
    assert "nothing has been written yet" in shown.err


async def test_smoke_that_cannot_be_audited_is_not_made(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    variables = {**isolated_sandbox.environment(), "STIGMER_OPS_AUDIT_PATH": str(tmp_path)}
    done = await stigmer_ops("smoke", variables=variables)
    assert done.code == 4
    assert [found async for found in isolated_sandbox.client.list_workflows("")] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--agent-id", "a"), 2, "add --through-stigmer"),
        (("--through-stigmer",), 2, "STIGMER_OPS_STIGMER_ADDRESS"),
        ((), 3, "connection refused"),
    ],
)
async def test_smoke_that_cannot_be_made_says_why(
    arguments: tuple[str, ...], code: int, said: str, audit: dict[str, str]
) -> None:
    done = await stigmer_ops("smoke", *arguments, variables={**NOBODY, **audit})
    assert done.code == code
    assert said in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_broken_off_smoke_leaves_nothing(
    number: signal.Signals, isolated_sandbox: Sandbox, audit: dict[str, str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stigmer_ops",
        "smoke",
        "--rounds",
        "1000",
        env=environment({**isolated_sandbox.environment(), **audit}),
        stderr=asyncio.subprocess.PIPE,
    )
    while not await _canaries(isolated_sandbox):
        assert process.returncode is None
        await asyncio.sleep(0.05)
    os.kill(process.pid, number)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 130
    assert err.decode() == "interrupted\n"
    async with asyncio.timeout(90):  # the server deletes closed workflows when it comes to it
        while await _canaries(isolated_sandbox):  # noqa: ASYNC110 - the server deletes
            await asyncio.sleep(0.1)


async def _canaries(sandbox: Sandbox) -> list[str]:
    return [found.id async for found in sandbox.client.list_workflows("")]
