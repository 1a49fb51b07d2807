"""`token` as a person and a script use it, and that no token ever shows."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import pty
import sys
import urllib.parse
from pathlib import Path

import pytest
import yaml

from stigmer_ops.cli.main import app
from stigmer_ops.handshake.token import fingerprint
from support.command_line import Finished, environment, stigmer_ops
from support.task_tokens import FIRST_ATTEMPT, SECOND_ATTEMPT, STANDALONE, WORKFLOW_ACTIVITY

BASE64 = base64.b64encode(WORKFLOW_ACTIVITY)
TWICE = base64.b64encode(BASE64)
CUT = base64.b64encode(WORKFLOW_ACTIVITY[:70])
NOWHERE = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}


async def token(*arguments: str, stdin: bytes = b"", **variables: str) -> Finished:
    return await stigmer_ops("token", *arguments, stdin=stdin, variables={**NOWHERE, **variables})


@pytest.mark.parametrize(
    ("stdin", "form"),
    [
        (WORKFLOW_ACTIVITY, "raw bytes"),
        (BASE64, "base64"),
        (BASE64 + b"\n", "base64"),
        (base64.urlsafe_b64encode(WORKFLOW_ACTIVITY).rstrip(b"="), "base64"),
        (WORKFLOW_ACTIVITY.hex().encode(), "hexadecimal"),
        (json.dumps({"spec": {"callbackToken": BASE64.decode()}}).encode(), "JSON field"),
    ],
)
async def test_decode_reads_a_piped_token_in_any_form(stdin: bytes, form: str) -> None:
    finished = await token("decode", "-o", "json", stdin=stdin)

    assert finished.code == 0, finished.err
    document = finished.json
    assert document["kind"] == "TokenDecoding"
    assert document["source"] == "standard input"
    assert form in document["form"]
    assert document["fingerprint"] == fingerprint(WORKFLOW_ACTIVITY)
    assert document["size_bytes"] == len(WORKFLOW_ACTIVITY)
    assert document["fields"]["workflow_id"] == "external-1"
    assert document["fields"]["attempt"] == 1
    assert document["damage"] is None
    assert "token_base64" not in document


async def test_decode_shows_a_standalone_token_and_unknown_fields() -> None:
    extended = STANDALONE + bytes([0xA2, 0x06, 2]) + b"hi"  # field 100, two bytes

    finished = await token("decode", stdin=base64.b64encode(extended))

    assert finished.code == 0
    assert "component_ref.business_id  " in finished.out
    assert "standalone-1" in finished.out
    assert "field 100" in finished.out
    assert "unknown: wire_type length_delimited, length 2" in finished.out


async def test_decode_names_the_source(tmp_path: Path) -> None:
    path = tmp_path / "token.b64"
    path.write_bytes(BASE64)

    from_file = await token("decode", "--token-file", str(path), "-o", "json")
    from_dash = await token("decode", "--token-file", "-", "-o", "json", stdin=BASE64)
    from_variable = await token(
        "decode", "--token-env", "CALLBACK", "-o", "json", CALLBACK=BASE64.decode()
    )
    from_argument = await token("decode", BASE64.decode(), "-o", "json")

    assert from_file.json["source"] == str(path)
    assert from_dash.json["source"] == "standard input"
    assert from_variable.json["source"] == "$CALLBACK"
    assert from_argument.json["source"] == "the argument"
    assert from_argument.err.startswith("warning: a token given as an argument")
    assert from_file.err == from_dash.err == from_variable.err == ""


async def test_decode_names_the_damage_the_answer_and_exits_1() -> None:
    finished = await token("decode", stdin=CUT)

    assert finished.code == 1
    assert "damaged: it is truncated at byte 70, inside run_id" in finished.out
    assert (
        "the server would answer: INVALID_ARGUMENT: Error deserializing task token." in finished.out
    )
    assert "next: " in finished.out
    document = (await token("decode", "-o", "yaml", stdin=CUT)).out
    damage = yaml.safe_load(document)["damage"]
    assert (damage["kind"], damage["offset"], damage["field"]) == ("truncated", 70, "run_id")
    assert damage["server_answer"]["code"] == "INVALID_ARGUMENT"


async def test_decode_shows_the_fields_inside_a_double_encoding_and_exits_1() -> None:
    finished = await token("decode", "-o", "json", stdin=TWICE)

    assert finished.code == 1
    assert finished.json["form"] == "base64 > base64"
    assert finished.json["damage"]["kind"] == "base64-text"
    assert finished.json["fields"]["workflow_id"] == "external-1"


async def test_decode_shows_the_token_only_when_told() -> None:
    in_table = await token("decode", "--show-token", stdin=WORKFLOW_ACTIVITY)
    in_json = await token("decode", "--show-token", "-o", "json", stdin=WORKFLOW_ACTIVITY)

    assert BASE64.decode() in in_table.out
    assert in_json.json["token_base64"] == BASE64.decode()


async def test_decode_without_a_token_is_wrong_usage() -> None:
    # On a terminal, where nothing is piped in.
    controller, terminal = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer_ops", "token", "decode"),
            env=environment(NOWHERE),
            stdin=terminal,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await asyncio.wait_for(process.communicate(), 30)
    finally:
        os.close(controller)
        os.close(terminal)
    assert process.returncode == 2
    assert b"no task token is given" in err


async def test_validate_of_damage_needs_no_server_and_exits_1() -> None:
    finished = await token("validate", "-o", "json", stdin=CUT)

    assert finished.code == 1, finished.err
    assert finished.json["verdict"] == "malformed"
    assert finished.json["severity"] == "critical"
    assert finished.json["damage"]["offset"] == 70
    assert finished.json["evidence"] is None


async def test_validate_without_a_server_exits_3() -> None:
    finished = await token("validate", "-o", "json", stdin=BASE64)

    assert finished.code == 3
    assert finished.out == ""
    assert json.loads(finished.err)["reference"] == "unavailable"


async def test_fingerprint_is_the_same_for_every_form_and_tells_attempts_apart() -> None:
    raw = await token("fingerprint", stdin=FIRST_ATTEMPT)
    encoded = await token("fingerprint", stdin=base64.b64encode(FIRST_ATTEMPT))
    retried = await token("fingerprint", stdin=SECOND_ATTEMPT)

    assert raw.code == encoded.code == retried.code == 0
    assert raw.out == encoded.out == fingerprint(FIRST_ATTEMPT) + "\n"
    assert retried.out == fingerprint(SECOND_ATTEMPT) + "\n"
    assert raw.out != retried.out


async def test_fingerprint_of_damage_prints_nothing_and_exits_1() -> None:
    finished = await token("fingerprint", stdin=CUT)

    assert finished.code == 1
    assert finished.out == ""
    assert finished.err.startswith("no token: it is truncated at byte 70")


LOG = b"\n".join(
    [
        b'INF Completing external activity callback_token="' + BASE64 + b'" execution_id=aex-1',
        b"INF nothing here",
        b"",
        base64.b64encode(FIRST_ATTEMPT) + b" " + base64.b64encode(SECOND_ATTEMPT),
    ]
)


async def test_fingerprint_lines_keeps_step_with_the_input(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_bytes(LOG + b"\n")
    expected = [
        fingerprint(WORKFLOW_ACTIVITY),
        "-",
        "-",
        f"{fingerprint(FIRST_ATTEMPT)} {fingerprint(SECOND_ATTEMPT)}",
    ]

    piped = await token("fingerprint", "--lines", stdin=LOG)
    from_file = await token("fingerprint", "--lines", "--token-file", str(path))

    assert piped.code == from_file.code == 0
    assert piped.out.splitlines() == from_file.out.splitlines() == expected


async def test_fingerprint_lines_for_programs() -> None:
    streamed = await token("fingerprint", "--lines", "-o", "jsonl", stdin=LOG)
    whole = await token("fingerprint", "--lines", "-o", "json", stdin=LOG)

    assert [line["source"] for line in streamed.lines] == [
        f"standard input:{number}" for number in (1, 2, 3, 4)
    ]
    assert streamed.lines[0]["kind"] == "TokenFingerprint"
    assert streamed.lines[0]["fingerprint"] == fingerprint(WORKFLOW_ACTIVITY)
    assert streamed.lines[1]["fingerprint"] is None
    assert streamed.lines[3]["other_fingerprints"] == [fingerprint(SECOND_ATTEMPT)]
    assert whole.json["kind"] == "TokenFingerprints"
    assert len(whole.json["lines"]) == 4


async def test_fingerprint_lines_without_any_token_exits_1() -> None:
    finished = await token("fingerprint", "--lines", stdin=b"one\ntwo\n")

    assert (finished.code, finished.out) == (1, "-\n-\n")


async def test_fingerprint_lines_refuses_a_single_token_by_other_ways() -> None:
    finished = await token("fingerprint", "--lines", BASE64.decode())

    assert finished.code == 2
    assert BASE64.decode() not in finished.err


async def test_decode_imports_neither_temporalio_nor_grpc() -> None:
    program = (
        "import sys\n"
        "sys.argv = ['stigmer-ops', 'token', 'decode']\n"
        "from stigmer_ops.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}\n"
        "  & {'temporalio', 'grpc', 'google', 'requests', 'pandas', 'yaml'}))\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(BASE64)
    assert out.decode().splitlines()[-1] == "[]"


SECRETS = (
    BASE64,
    TWICE,
    WORKFLOW_ACTIVITY.hex().encode(),
    WORKFLOW_ACTIVITY,
    BASE64[30:80],
    WORKFLOW_ACTIVITY[-20:],
    urllib.parse.quote(BASE64).encode(),
    repr(WORKFLOW_ACTIVITY)[2:60].encode(),
)


@pytest.mark.parametrize("command", ["decode", "validate", "fingerprint"])
@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.parametrize(
    "planted",
    [
        BASE64,
        TWICE,
        WORKFLOW_ACTIVITY,
        CUT,
        BASE64[:-20],
        BASE64 + b"=" + BASE64,
        WORKFLOW_ACTIVITY[:70],
        b"\xff" + WORKFLOW_ACTIVITY,
        b'{"token": "' + BASE64 + b'", ',
        base64.b64encode(b"\x00" + WORKFLOW_ACTIVITY),
    ],
    ids=range(10),
)
def test_planted_token_never_shows(
    command: str,
    output: str,
    planted: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    # In this process: sixty starts of the command would take most of a minute.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(planted)))
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE["TEMPORAL_ADDRESS"])

    with pytest.raises(SystemExit) as ended:
        app(["token", command, "--debug", "-o", output], prog_name="stigmer-ops")

    assert ended.value.code in (0, 1, 3)
    out, err = capfdbinary.readouterr()
    assert out or err
    for secret in SECRETS:
        assert secret not in out + err


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", BASE64.decode(), BASE64.decode()),
        ("decode", BASE64.decode(), "--token-env", "HOME"),
        ("decode", "--token-env", BASE64.decode()),
        ("decode", "--token-file", BASE64.decode()),
        ("fingerprint", "--lines", "--token-file", BASE64.decode()),
        ("decode", f"--token={BASE64.decode()}"),
        ("validate", "--debug", BASE64.decode()),
    ],
    ids=range(7),
)
async def test_token_in_a_wrong_place_is_not_repeated(arguments: tuple[str, ...]) -> None:
    finished = await token(*arguments)

    assert finished.code in (2, 3), finished.err
    assert BASE64.decode() not in finished.out + finished.err
