from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.logs.fields import error_after, parse


def test_a_field_of_json_wins_over_the_same_name_in_its_text() -> None:
    line = parse(b'{"message":"Failed to ... workflow_id=other","workflow_id":"order-1"}')

    assert line.fields["workflow_id"] == "order-1"


def test_the_first_of_a_name_in_text_wins_since_errors_come_last() -> None:
    line = parse(
        b"ERROR Failed WorkflowID order-1 ActivityID 5 error cannot find pending activity with "
        b"ActivityID 99, check workflow execution history"
    )

    assert line.fields["activity_id"] == "5"


def test_temporals_own_error_texts_name_no_ids() -> None:
    line = parse(
        b"ERROR Failed to complete external activity error=invalid activityID or activity already "
        b"timed out or invoking workflow is completed"
    )

    assert "activity_id" not in line.fields


@pytest.mark.parametrize(
    "text",
    [
        "parent_workflow_id=x",
        "my-execution_id=x",
        "xrunId=1",
        "the execution id is 5",
        "activityIds=5",
    ],
)
def test_names_that_only_contain_a_known_one_are_others(text: str) -> None:
    assert parse(text.encode()).fields == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("execution_id=aex_1", "aex_1"),
        ('execution_id="a b"', "a b"),
        ("executionId: aex_1, next", "aex_1"),
        ("(executionId=aex_1)", "aex_1"),
        ("[executionId=aex_1]", "aex_1"),
        ("'execution_id': 'aex_1'", "aex_1"),
        ('"execution_id" : "a\\"b"', 'a"b'),
        ("execution_id=aex_1.", "aex_1"),
        ("execution_id=", None),
        ('execution_id="never closed', "never"),
    ],
)
def test_values_are_read_with_their_quoting(text: str, value: str | None) -> None:
    found = parse(text.encode()).fields.get("execution_id")

    assert found == value or (value == "never" and found is None)


def test_colours_and_terminal_titles_are_taken_off() -> None:
    line = parse(b"\x1b[1;36mexecution_id=\x1b[0maex_1\x1b]0;title\x07 \x1b(B end\x1b")

    assert line.text == "execution_id=aex_1 B end"
    assert line.fields["execution_id"] == "aex_1"


def test_other_control_characters_stay_for_the_renderer_to_show() -> None:
    assert parse(b"a\x00b\x07[bold]c").text == "a\x00b\x07[bold]c"


def test_bytes_that_are_not_utf8_do_not_hide_the_rest() -> None:
    assert parse(b"\xff\xfe execution_id=aex_1 \xc3").fields["execution_id"] == "aex_1"


def test_envelopes_within_envelopes_are_opened() -> None:
    innermost = {"level": "info", "execution_id": "aex_1", "time": 5, "message": "words"}
    shipped = {"log": json.dumps(innermost) + "\n", "time": "2026-01-22T10:11:12Z"}

    line = parse(json.dumps(shipped).encode())

    assert line.text.startswith("words")
    assert line.fields["execution_id"] == "aex_1"
    assert line.time == 5


def test_json_behind_a_prefix_is_json() -> None:
    line = parse(b'stigmer-server-1 | {"message":"words","execution_id":"aex_1"}')

    assert line.fields["execution_id"] == "aex_1"


@pytest.mark.parametrize(
    "content",
    [
        b"{" * 100_000,
        b'{"a":' * 100_000 + b"}",
        b'{"message":5}',
        b'{"message":null}',
        b"{}",
        b"[]{}",
    ],
)
def test_json_that_is_none_or_says_nothing(content: bytes) -> None:
    assert parse(content).fields == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('Failed error="no such thing" execution_id=a', "no such thing"),
        ("Failed error=no such thing execution_id=a", "no such thing"),
        ("Failed error no such thing", "no such thing"),
        ("Failed err=x", "x"),
        ("Failed error: rpc error: code = NotFound", "rpc error: code = NotFound"),
        ("Failed has_error=true", ""),
        ("Failed", ""),
    ],
)
def test_errors_are_read_to_their_end(text: str, error: str) -> None:
    assert error_after(text, len("Failed")) == error


def test_an_error_of_spaces_costs_no_time() -> None:
    assert error_after("error " + " " * 1_000_000 + "x", 0) == ""


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(content: bytes) -> None:
    line = parse(content)

    assert all(isinstance(value, str) for value in line.fields.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "log", "time", "execution_id", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_survived(value: object) -> None:
    line = parse(json.dumps(value).encode())

    assert all(isinstance(found, str) for found in line.fields.values())
