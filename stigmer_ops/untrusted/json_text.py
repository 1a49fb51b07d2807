"""JSON as RFC 8259 has it: the standard library takes more, and raises more."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, NoReturn

OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that JSON may hold as they are, and that a terminal obeys: C1 controls, and those that
turn the direction of what follows."""


def json_value(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text; bytes are UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: It is no JSON, is nested too deeply, or holds a number that is infinite or none.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text))
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def harmless_json(text: str) -> str:
    """The same JSON, with an escape for each character that a terminal would obey."""
    return OBEYED.sub(lambda char: f"\\u{ord(char[0]):04x}", text)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError("a number that is too large")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
