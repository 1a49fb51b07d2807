from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import InputError
from stigmer_ops.temporal.results import DEFAULT_RESULT, parse_json


def test_stock_result_is_the_runbooks() -> None:
    assert parse_json(DEFAULT_RESULT, "the default") == {
        "status": "completed",
        "message": "manually completed",
    }


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON_VALUES, st.booleans())
def test_any_json_is_taken(value: object, with_mark: bool) -> None:
    text = json.dumps(value).encode()

    assert parse_json((b"\xef\xbb\xbf" if with_mark else b"") + text, "a file") == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1"),
        (b"done", "line 1, column 1"),
        (b'{\n  "a": 1\n  "b": 2\n}', "line 3, column 3"),
        (b'{"a": 1} {"b": 2}', "line 1, column 10"),
        (b'{"a": NaN}', "no NaN"),
        (b"[-Infinity]", "no -Infinity"),
        (b"1e999", "too large a number"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(InputError) as error:
        parse_json(content, "result.json")

    assert error.value.happened.startswith("the result (result.json) is ")
    assert said in error.value.happened
    assert error.value.not_done == "nothing was sent to Temporal"


@given(st.binary())
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    try:
        parse_json(content, "input")
    except InputError as error:
        assert error.happened  # noqa: PT017 - whether it raises depends on the bytes
