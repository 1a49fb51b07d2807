from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.token.task import fingerprint
from stigmer_ops.logs.tokens import first_token, without_tokens
from support.log_lines import ACTIVITY, PREVIEW, RUN, WORKFLOW, token, token_text

TOKEN = token()
TEXT = token_text(TOKEN)


def text_format(raw: bytes) -> str:
    """As protobuf's text format writes bytes, in octal."""
    return "".join(chr(b) if 32 < b < 127 and b not in b"\"'\\" else f"\\{b:03o}" for b in raw)


NOTATIONS = {
    "base64": TEXT,
    "base64 without padding": TEXT.rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(TOKEN).decode(),
    "base64 twice": base64.b64encode(TEXT.encode()).decode(),
    "hex": TOKEN.hex(),
    "capital hex": TOKEN.hex().upper(),
    "Go's %v": f"[{' '.join(str(byte) for byte in TOKEN)}]",
    "Java's toString": f"[{', '.join(str(byte - 256 if byte > 127 else byte) for byte in TOKEN)}]",
}
OPAQUE = {"text format": text_format(TOKEN), "repr": repr(TOKEN), "long base64": "QUJD" * 60}


def pieces(secret: str, length: int = 60) -> set[str]:
    """Every part of `secret` of that length."""
    return {secret[at : at + length] for at in range(max(len(secret) - length, 1))}


@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_token_is_found_in_every_notation(notation: str) -> None:
    found = first_token(f'error="bad token {NOTATIONS[notation]}" execution_id=a')

    assert found is not None
    assert found.fingerprint == fingerprint(TOKEN)
    assert found.activity == ActivityKey(WORKFLOW, RUN, ACTIVITY)
    assert found.attempt == 1


@pytest.mark.parametrize("notation", [*NOTATIONS, *OPAQUE])
def test_no_part_of_a_token_is_left_in_a_text(notation: str) -> None:
    secret = {**NOTATIONS, **OPAQUE}[notation]

    cleaned = without_tokens(f"before {secret} after, again:{secret}")

    assert cleaned.startswith("before ")
    assert not any(piece in cleaned for piece in pieces(secret))
    assert (fingerprint(TOKEN) in cleaned) == (notation in NOTATIONS)


def test_a_cut_token_is_taken_out_too() -> None:
    cut = TEXT[:80]

    found = first_token(cut)

    assert found is not None
    assert found.activity is None
    assert cut not in without_tokens(f"token was {cut}")


@pytest.mark.parametrize(
    "text",
    [
        f"token_preview={PREVIEW} token_length=120",
        "workflow stigmer/agent-execution/invoke/aex_01kf2m3n4p5q6r7s8t9v0w1x2y not found",
        "run 01980000-0000-7000-8000-0000000000aa of order-4711 is closed",
        "costs 10 36 dollars, 10, 36 and $20",
    ],
)
def test_what_is_no_token_stays(text: str) -> None:
    assert first_token(text) is None
    assert without_tokens(text) == text


@given(st.text(max_size=200), st.sampled_from(sorted(NOTATIONS)), st.text(max_size=20))
def test_whatever_stands_around_a_token_it_does_not_stay(
    before: str, notation: str, after: str
) -> None:
    secret = NOTATIONS[notation]

    cleaned = without_tokens(before + secret + after)

    assert secret not in cleaned


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    assert isinstance(without_tokens(text), str)
    first_token(text)
