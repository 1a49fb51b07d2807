"""HTML and SVG as trees, so that foreign text can never become markup."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, tostring

from stigmer_ops.render.text import visible

Child = Element | str
_NAMED = frozenset(
    ("green", "yellow", "light-blue", "orange", "red", "blue", "purple", "text", "transparent")
)
_SHADE = re.compile(r"(super-light|light|semi-dark|dark)-")
_HEX = re.compile(r"#[0-9a-fA-F]{3,8}")


def element(tag: str, *children: Child, **attributes: str | float) -> Element:
    """An element; a trailing underscore of an attribute's name is dropped, others become dashes."""
    made = Element(tag, {_name(name): _value(value) for name, value in attributes.items()})
    for child in children:
        if isinstance(child, str):
            _append_text(made, visible(child))
        else:
            made.append(child)
    return made


def serialised(root: Element) -> str:
    """The tree as HTML."""
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def colour(name: str) -> str:
    """A colour by Grafana's name for it, or in hexadecimal; that of text for any other."""
    if _HEX.fullmatch(name):
        return name
    if name == "transparent":
        return name
    plain = name if name in _NAMED else _SHADE.sub("", name)
    return f"var(--{plain})" if plain in _NAMED else "var(--text)"


def _append_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return visible(value) if isinstance(value, str) else f"{value:.6g}"
