"""Finding a token in whatever form it is at hand."""

from __future__ import annotations

import base64
import codecs
import json
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.token import (
    DamageKind,
    TokenDamagedError,
    fingerprint,
    read_form,
)
from stigmer_ops.handshake.token.layers import TOKEN_KEYS
from support.task_tokens import ALL, FIRST_ATTEMPT, SECOND_ATTEMPT, STANDALONE, WORKFLOW_ACTIVITY

RAW = WORKFLOW_ACTIVITY
B64 = base64.b64encode(RAW).decode()
TWICE = base64.b64encode(B64.encode()).decode()
HEX = RAW.hex()
PAYLOAD = base64.b64encode(json.dumps({"spec": {"callbackToken": B64}}).encode()).decode()
HISTORY = {"payloads": [{"metadata": {"encoding": "anNvbi9wcm90b2J1Zg=="}, "data": PAYLOAD}]}

FORMS = {
    "raw bytes": (RAW, ""),
    "raw bytes, line end": (RAW + b"\r\n", "bytes before a line end"),
    "base64": (B64, "base64"),
    "base64, line end": (B64 + "\n", "base64"),
    "unpadded": (B64.rstrip("="), "base64 (unpadded)"),
    "wrapped": ("\n".join(textwrap.wrap(B64, 76)), "base64 (with white space inside)"),
    "twice": (TWICE, "base64 > base64"),
    "three times": (base64.b64encode(TWICE.encode()), "base64 > base64 > base64"),
    "hex": (HEX, "hexadecimal"),
    "hex, upper case": (f"0x{HEX.upper()}", "hexadecimal"),
    "hex, colons": (RAW.hex(":"), "hexadecimal"),
    "hex, white space": (RAW.hex(" ", 2) + "\n", "hexadecimal"),
    "hex, of base64": (B64.encode().hex(), "hexadecimal > base64"),
    "single quotes": (f"'{B64}'", "quotes > base64"),
    "double quotes": (f'"{B64}"', "JSON string > base64"),
    "quoted hex": (f"'{HEX}'", "quotes > hexadecimal"),
    "JSON in JSON": (json.dumps(json.dumps({"taskToken": B64})),
                     "JSON string > JSON field taskToken > base64"),
    "callback input": (json.dumps({"CallbackToken": B64, "Result": None, "Error": {}}),
                       "JSON field CallbackToken > base64"),
    "execution": (json.dumps({"spec": {"callbackToken": B64}, "status": {"phase": 2}}),
                  "JSON field callbackToken > base64"),
    "in a list": (json.dumps([1, {"a": [{"task_token": B64}]}]), "JSON field task_token > base64"),
    "encoded twice in JSON": (json.dumps({"callback_token": TWICE}),
                              "JSON field callback_token > base64 > base64"),
    "JSON list": (json.dumps({"token": list(RAW)}), "JSON field token > list of byte values"),
    "Go bytes": (f"[{' '.join(map(str, RAW))}]", "list of byte values"),
    "byte order mark": ("\ufeff" + json.dumps({"token": B64}), "JSON field token > base64"),
    "marked base64, line end": (f"\ufeff{B64}\r\n", "text with a byte-order mark > base64"),
    "UTF-16, of PowerShell": (f"{B64}\r\n".encode("utf-16"), "UTF-16 text > base64"),
    "UTF-16, the other end first": (codecs.BOM_UTF16_BE + B64.encode("utf-16-be"),
                                    "UTF-16 text > base64"),
    "history": (json.dumps(HISTORY, indent=2),
                "text in line 7 > base64 > JSON field callbackToken > base64"),
    "zerolog JSON": (
        '{"level":"info","execution_id":"aex-01","callback_token":"' + B64 + '",'
        '"token_length":124,"message":"Callback token detected"}\n{"level":"info"}',
        "field callback_token in line 1 > base64"),
    "zerolog console": (
        "3:04AM INF Callback token detected \x1b[36mexecution_id=\x1b[0maex-01 "
        f"\x1b[36mcallback_token=\x1b[0m{B64} \x1b[36mtoken_length=\x1b[0m124",
        "field callback_token in line 1 > base64"),
    "Java": (f"StartWorkflowStep - Callback token detected\n  executionId=aex-01 taskToken={HEX}",
             "field taskToken in line 2 > hexadecimal"),
    "prose": (f"could you complete {TWICE}, please?", "text in line 1 > base64 > base64"),
}  # fmt: skip


def as_bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


@pytest.mark.parametrize(("data", "form"), FORMS.values(), ids=FORMS)
def test_read_form_finds_the_token_and_says_how_it_was_wrapped(
    data: str | bytes, form: str
) -> None:
    found = read_form(as_bytes(data))
    assert found.raw == RAW
    assert found.form == (form or "raw bytes")
    assert found.others == ()


@pytest.mark.parametrize("key", TOKEN_KEYS)
def test_read_form_knows_every_token_key(key: str) -> None:
    found = read_form(json.dumps({"outer": {key: B64}}).encode())
    assert found.layers == (f"JSON field {key}", "base64")


def test_read_form_url_safe_base64_is_read() -> None:
    # Question marks give bits that need the last letter of the alphabet.
    raw = RAW.replace(b"external-1", b"?" * 10)
    text = base64.urlsafe_b64encode(raw)
    assert b"_" in text
    assert read_form(text).raw == raw
    assert read_form(text).layers[0].startswith("base64 (URL-safe")


@given(
    st.sampled_from(ALL),
    st.lists(
        st.sampled_from(
            [
                base64.b64encode,
                base64.urlsafe_b64encode,
                lambda data: base64.b64encode(data).rstrip(b"="),
                lambda data: data.hex().encode(),
                lambda data: b"'" + base64.b64encode(data) + b"'",
                lambda data: json.dumps({"token": base64.b64encode(data).decode()}).encode(),
            ]
        ),
        max_size=3,
    ),
)
def test_read_form_unwraps_any_nesting(raw: bytes, wraps: list) -> None:  # type: ignore[type-arg]
    data = raw
    for wrap in wraps:
        data = wrap(data)
    assert read_form(data).raw == raw


@given(st.one_of(st.binary(max_size=150), st.text(max_size=150).map(str.encode)))
def test_read_form_any_input_is_named_damage(data: bytes) -> None:
    with pytest.raises(TokenDamagedError) as caught:
        read_form(data)
    assert caught.value.happened.startswith("not a usable task token: ")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(TOKEN_KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_read_form_any_json_is_named_damage(document: object) -> None:
    with pytest.raises(TokenDamagedError):
        read_form(json.dumps(document).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"token":' * 50_000,
        b"1" * 10_000,
        b"[" + b"1," * 9_999 + b"1]",
        b'"\\ud800"',
    ],
    ids=["deep list", "deep object", "long number", "long list", "lone surrogate"],
)
def test_read_form_hostile_text_is_named_as_damage(data: bytes) -> None:
    with pytest.raises(TokenDamagedError) as caught:
        read_form(data)
    assert caught.value.damage.kind is DamageKind.NOT_A_TOKEN


def test_read_form_a_second_encoding_is_told_with_the_servers_answer() -> None:
    found = read_form(json.dumps({"callbackToken": TWICE}).encode())
    assert found.damage is not None
    assert found.damage.kind is DamageKind.BASE64_TEXT
    assert found.damage.server_answer is not None
    assert found.damage.server_answer.message == "Error deserializing task token."
    assert found.notes == (found.damage.reason,)
    for single in (B64, json.dumps({"callbackToken": B64}), json.dumps(HISTORY)):
        assert read_form(single.encode()).damage is None


@pytest.mark.parametrize("join", ["\n", " and ", ","])
def test_read_form_several_tokens_are_all_named(join: str) -> None:
    texts = [base64.b64encode(raw).decode() for raw in (FIRST_ATTEMPT, SECOND_ATTEMPT, STANDALONE)]
    found = read_form(join.join([*texts, texts[0]]).encode())
    assert found.raw == FIRST_ATTEMPT
    assert found.others == (fingerprint(SECOND_ATTEMPT), fingerprint(STANDALONE))
    assert "2 more" in found.notes[0]


def test_read_form_two_unpadded_tokens_in_a_row_do_not_pass_for_one() -> None:
    # 126 bytes need no padding, so that the two lines are one valid base64 text.
    tokens = [raw + b"\x50\x07" for raw in (FIRST_ATTEMPT, SECOND_ATTEMPT)]
    texts = [base64.b64encode(raw).decode() for raw in tokens]
    assert all("=" not in text for text in texts)
    found = read_form("\n".join(texts).encode())
    assert found.raw == tokens[0]
    assert found.others == (fingerprint(tokens[1]),)


@pytest.mark.parametrize(
    ("data", "kind", "told"),
    [
        ("", DamageKind.EMPTY, "0 bytes"),
        ('""', DamageKind.EMPTY, "(read as JSON string)"),
        ('{"spec":{"callbackToken":null}}', DamageKind.EMPTY, "(read as JSON field callbackToken)"),
        (B64[:20], DamageKind.TRUNCATED, "token preview"),
        (f"{B64[:20]}...", DamageKind.TRUNCATED, "token preview"),
        (
            f"tokenPreview={B64[:20]}... error=x",
            DamageKind.TRUNCATED,
            "field tokenPreview in line 1",
        ),
        (f'{{"token_preview":"{B64[:20]}","token_length":124}}', DamageKind.TRUNCATED, "preview"),
        (B64[:81], DamageKind.TRUNCATED, "its last character is incomplete"),
        (TWICE[:100], DamageKind.TRUNCATED, "read as base64 > base64"),
        (json.dumps({"callbackToken": B64[:100]}), DamageKind.TRUNCATED, "truncated at byte 75"),
        (HEX[:101], DamageKind.TRUNCATED, "truncated at byte 50"),
        ("hello", DamageKind.NOT_A_TOKEN, "text of 5 bytes"),
        (" \n", DamageKind.NOT_A_TOKEN, "text of 2 bytes"),
        ('{"phase": 2}', DamageKind.NOT_A_TOKEN, "text of 12 bytes"),
        (base64.b64encode(b"\x08" * 60), DamageKind.NOT_A_TOKEN, "read as base64"),
    ],
)
def test_read_form_explains_the_reading_that_came_furthest(
    data: str | bytes, kind: DamageKind, told: str
) -> None:
    with pytest.raises(TokenDamagedError) as caught:
        read_form(as_bytes(data))
    assert caught.value.damage.kind is kind
    assert told in caught.value.happened


@given(st.sampled_from(ALL), st.data())
def test_read_form_errors_never_quote_the_input(raw: bytes, data: st.DataObject) -> None:
    text = base64.b64encode(raw)[: data.draw(st.integers(24, 60))]
    with pytest.raises(TokenDamagedError) as caught:
        read_form(json.dumps({"note": "secret-note", "token": text.decode()}).encode())
    told = repr(caught.value) + str(caught.value) + repr(caught.value.damage)
    assert text[:12].decode() not in told
    assert "secret-note" not in told


def test_import_needs_nothing_heavy() -> None:
    program = (
        "import sys, stigmer_ops.handshake.token;"
        "print(sorted({'google', 'grpc', 'temporalio', 'pydantic', 'asyncio', 'typer'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
