"""Tokens are found in every encoding of the executions, behind a codec server too."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import temporalio.converter

from stigmer_ops.sandbox.plan import Encoding
from stigmer_ops.sandbox.sandbox import Sandbox
from support.codec import ReversingCodec, codec_server
from support.command_line import Finished, stigmer_ops

FAULTS = {
    "token-not-passed": 1,
    "still-running": 1,
    "stigmer-workflow-terminated": 1,
    "callback-fails": 1,
}


@asynccontextmanager
async def encrypted(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    converter = dataclasses.replace(temporalio.converter.default(), payload_codec=ReversingCodec())
    async with Sandbox.start(
        server=sandbox.server,
        namespace=await sandbox.new_namespace(),
        data_converter=converter,
    ) as running:
        yield running


async def diagnose(sandbox: Sandbox, *options: str) -> Finished:
    return await stigmer_ops(
        "diagnose", *options, "-o", "json", variables=sandbox.environment(), timeout_seconds=60
    )


async def test_executions_behind_a_codec_server(sandbox: Sandbox) -> None:
    async with encrypted(sandbox) as secret, codec_server(authorization="Bearer x") as codec:
        await secret.populate(FAULTS)
        options = ("--codec-endpoint", codec.endpoint, "--codec-auth", "Bearer x")
        done = await diagnose(secret, *options)
        assert done.code == 1, done.err
        assert done.json["counts"] == {
            "token-not-passed": 1,
            "stigmer-workflow-terminated": 1,
            "callback-failed": 1,
            "running": 1,
        }
        assert {namespace for _, namespace in codec.requests} == {secret.namespace}


async def test_without_the_codec_nothing_is_guessed(sandbox: Sandbox) -> None:
    async with encrypted(sandbox) as secret:
        await secret.populate(FAULTS)
        done = await diagnose(secret)
    assert done.code == 3
    assert {item["confidence"] for item in done.json["items"]} == {"possible"}
    assert len(done.json["unreadable"]) == sum(FAULTS.values())
    assert "is a codec needed?" in done.json["unreadable"][0]["reason"]


@pytest.mark.parametrize(
    "script", [{"encoding": Encoding.BINARY}, {"token_in_status": True}], ids=str
)
async def test_token_is_found_in_every_place(sandbox: Sandbox, script: dict[str, Any]) -> None:
    async with sandbox.isolated() as quiet:
        handshake = await quiet.start_handshake("still-running", script=script)
        await quiet.settle(handshake)
        done = await diagnose(quiet, "-w", handshake.workflow_id)
    (item,) = done.json["items"]
    assert item["verdict"] == "running"
    assert item["executions"][0]["execution_id"] == handshake.executions()[0].metadata.id


async def test_parallel_agents_are_told_apart(sandbox: Sandbox) -> None:
    faults = ["still-running", "token-not-passed", "callback-fails", "token-double-encoded"]
    handshake = await sandbox.start_handshake(faults)
    await sandbox.settle(handshake)
    done = await diagnose(sandbox, "-w", handshake.workflow_id)
    verdicts = {item["activity"]["activity_id"]: item["verdict"] for item in done.json["items"]}
    assert [verdicts[activity_id] for activity_id in handshake.activity_ids] == [
        "running",
        "token-not-passed",
        "callback-failed",
        "token-double-encoded",
    ]
