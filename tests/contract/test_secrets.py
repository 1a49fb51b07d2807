"""A task token shows nowhere: not on a stream, in a file, or in a traceback."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops


def forms(token: bytes) -> list[str]:
    """How a token could be written, and what gives away most of it."""
    text = base64.b64encode(token).decode()
    # What the logs call the preview is the same for all tokens of a namespace, and harmless.
    return [
        text,
        text[20:60],
        token.hex(),
        token.hex()[40:100],
        base64.urlsafe_b64encode(token).decode(),
    ]


def leaks(token: bytes, *places: str) -> list[str]:
    return [form for form in forms(token) for place in places if form in place]


@pytest.fixture
async def handshake(sandbox: Sandbox) -> Handshake:
    handshake = await sandbox.start_handshake("still-running")
    await sandbox.settle(handshake)
    return handshake


def token_of(handshake: Handshake) -> bytes:
    return handshake.executions()[0].spec.callback_token


def reads(handshake: Handshake) -> list[tuple[str, ...]]:
    named = ("-w", handshake.workflow_id, "-a", handshake.activity_ids[0])
    return [
        ("pending", "list"),
        ("pending", "show", *named),
        ("diagnose", *named),
        ("token", "decode", "--token-file", "-"),
        ("token", "fingerprint", "--token-file", "-"),
        ("token", "validate", "--token-file", "-"),
        ("activity", "complete", "--token-file", "-", "--dry-run"),
        ("activity", "complete", *named, "--dry-run"),
        ("activity", "fail", *named, "--message", "m", "--dry-run"),
        ("activity", "extend", *named, "--by", "1h", "--dry-run"),
    ]


@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("output", ["wide", "json"])
async def test_no_read_shows_it(
    sandbox: Sandbox, handshake: Handshake, index: int, output: str
) -> None:
    token = token_of(handshake)
    arguments = reads(handshake)[index]
    done = await stigmer_ops(
        *arguments,
        "-o",
        output,
        "--debug",
        variables=sandbox.environment(),
        stdin=base64.b64encode(token),
    )
    assert done.code in (0, 1), done.err
    assert leaks(token, done.out, done.err) == []


async def test_no_write_leaves_it_behind(
    sandbox: Sandbox, handshake: Handshake, tmp_path: Path
) -> None:
    token = token_of(handshake)
    audit = tmp_path / "audit.jsonl"
    variables = {**sandbox.environment(), "STIGMER_OPS_AUDIT_PATH": str(audit)}
    done = await _complete(token, variables)
    assert done.code == 0, done.err
    again = await _complete(token, variables)
    assert again.code == 4
    shown = await stigmer_ops("audit", "show", "-o", "json", variables=variables)
    assert (
        leaks(token, done.out, done.err, again.out, again.err, shown.out, audit.read_text()) == []
    )


async def _complete(token: bytes, variables: dict[str, str]) -> Finished:
    return await stigmer_ops(
        "activity",
        "complete",
        "--token-file",
        "-",
        "--reason",
        "INC-1",
        "--yes",
        "--debug",
        variables=variables,
        stdin=base64.b64encode(token),
    )


@pytest.mark.parametrize("keep", [10, 60, 100, -1])
async def test_damaged_token_is_not_quoted(handshake: Handshake, keep: int) -> None:
    token = token_of(handshake)[:keep]
    for data in (token, base64.b64encode(token), base64.b64encode(base64.b64encode(token))):
        done = await stigmer_ops("token", "decode", "--token-file", "-", "--debug", stdin=data)
        quoted = [form for form in forms(token) if len(form) >= 20 and form in done.out + done.err]
        assert quoted == []


async def test_plan_holds_no_secret(sandbox: Sandbox, handshake: Handshake, tmp_path: Path) -> None:
    stuck = await sandbox.start_handshake("stigmer-workflow-terminated")
    await sandbox.settle(stuck)
    plan = tmp_path / "plan.jsonl"
    done = await stigmer_ops(
        "diagnose",
        "-w",
        stuck.workflow_id,
        "--plan-out",
        str(plan),
        variables=sandbox.environment(),
    )
    assert done.code == 1, done.err
    assert stuck.workflow_id in plan.read_text()
    assert leaks(token_of(stuck), plan.read_text(), done.out, done.err) == []


async def test_shown_only_when_asked_for(handshake: Handshake) -> None:
    token = token_of(handshake)
    done = await stigmer_ops("token", "decode", "--token-file", "-", "--show-token", stdin=token)
    assert done.code == 0, done.err
    assert base64.b64encode(token).decode() in done.out.replace("\n", "")
