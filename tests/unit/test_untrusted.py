"""JSON and YAML of others end in a value or in a ValueError, whatever is in them."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.procedures.redelivery import without_token
from stigmer_ops.untrusted.json_text import OBEYED, harmless_json, json_value
from stigmer_ops.untrusted.yaml_text import (
    MAXIMUM_DEPTH,
    QUICK,
    YamlProblem,
    value_of,
    yaml_node,
    yaml_value,
)

LONG_SECONDS = 5
MEGABYTE = 1 << 20
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
CHAIN = "\n".join(["- &a0 [x]", *(f"- &a{n} [*a{n - 1}]" for n in range(1, 300))])


@given(JSON)
def test_json_is_read_as_the_standard_library_writes_it(value: Any) -> None:
    text = json.dumps(value)
    assert json_value(text) == json_value(text.encode()) == value


@given(JSON)
def test_harmless_json_is_the_same_json(value: Any) -> None:
    text = harmless_json(json.dumps(value, ensure_ascii=False))
    assert not OBEYED.search(text)
    assert json_value(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5_000, "4300 digits"),
        ("1e999", "too large"),
        ("[NaN]", "JSON has no NaN"),
        ("-Infinity", "JSON has no -Infinity"),
        (b"\xff", "can't decode"),
        ("", "Expecting value"),
    ],
)
def test_json_that_nobody_writes_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        json_value(text)


@given(JSON)
def test_yaml_is_read_as_pyyaml_writes_it(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert yaml_value(text) == yaml.safe_load(text)
    assert yaml_value(text, QUICK) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (BOMB, 6, "its aliases expand to more than a million values"),
        (CHAIN, MAXIMUM_DEPTH + 1, "nested too deeply"),
        ("a: &a [*a]", 1, "an alias that stands for what it is in"),
        ("- 1\n- &a {k: [*a]}", 2, "an alias that stands for what it is in"),
        ("a:\n  " + "[" * 100_000, 2, "nested too deeply"),
        ("- " * 100_000, 1, "nested too deeply"),
    ],
    ids=["bomb", "chain", "itself", "mapping", "flow", "block"],
)
def test_what_is_small_as_text_and_enormous_as_a_value_is_refused(
    text: str, line: int, said: str
) -> None:
    tracemalloc.start()
    began = time.process_time()
    for loader in (yaml.SafeLoader, QUICK):
        with pytest.raises(YamlProblem) as refused:
            yaml_value(text, loader)
        assert (refused.value.line, refused.value.problem) == (line, said)
    assert time.process_time() - began < LONG_SECONDS
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * MEGABYTE


@pytest.mark.parametrize(
    "text",
    [
        *("!!timestamp x", "!!bool x", "!!int x", "!!float x", "2026-13-45", "!!binary \u00e9"),
        *("!!python/name:os.system", "? [a]\n: b", "<<: [1]", "*a", "a: b: c", "\x00"),
        "--- 1\n--- 2",
    ],
)
def test_yaml_of_which_constructors_raise_anything_is_refused(text: str) -> None:
    with pytest.raises(YamlProblem):
        yaml_value(text)


def test_as_deep_as_is_allowed_and_aliases_that_people_use_are_read() -> None:
    deep = "[" * MAXIMUM_DEPTH + "]" * MAXIMUM_DEPTH
    assert json.dumps(yaml_value(deep)) == deep
    assert yaml_value("a: &x [1]\nb: *x\nc: [*x, *x]") == {"a": [1], "b": [1], "c": [[1], [1]]}
    node = yaml_node("a: 1\nb: 2026-11-24\n")
    assert isinstance(node, yaml.MappingNode)
    assert str(value_of(node.value[1][1])) == "2026-11-24"
    assert yaml_value("# nothing\n") is None


def test_a_token_in_lists_is_not_shown_either() -> None:
    result = [{"spec": {"callbackToken": "secret"}}, [{"callback_token": "secret", "n": 1}]]
    shown = [
        {"spec": {"callbackToken": "(task token)"}},
        [{"callback_token": "(task token)", "n": 1}],
    ]
    assert without_token(result) == shown
