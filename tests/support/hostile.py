"""What a namespace's member may plant, and what nobody may obey."""

from __future__ import annotations

import re

from support.html_pages import browsed
from support.pending import HOSTILE

SHELL = (
    "$(touch planted)",
    "`touch planted`",
    "'; touch planted; '",
    "a\n touch planted\n",
    '" && touch planted "',
    "--yes",
    "!!",
    "*",
)
OTHERS = ("sep\u2028arated", "=1+1", "{{.Value}}", '{"a": "b"}', "a" * 900)
ALL_IN_ONE = "".join((*HOSTILE, *SHELL, *OTHERS[:-1]))
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Whatever a terminal obeys, but for the end of a line."""

NOW = {
    # Everything is seconds old.
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
    "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": "0s",
}

_ACTIVE = frozenset({"script", "img", "iframe", "object", "embed", "link", "form", "base", "audio"})


def is_harmless_page(text: str) -> None:
    """Nothing in a page runs, asks another server, or leads away.

    Raises:
        AssertionError: Something does.
    """
    assert OBEYED.findall(text) == []
    for tag, attributes in browsed(text).tags:
        assert tag not in _ACTIVE
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "action", "style"):
            assert (attributes.get(name) or "#").startswith("#") or name == "style"
