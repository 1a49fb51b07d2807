"""The real command tree, as the contract tests walk it."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator
from typing import Any

import typer.main

from stigmer_ops.cli.commands import Declaration
from stigmer_ops.cli.main import app
from stigmer_ops.cli.tree import RootGroup


@functools.cache
def root() -> RootGroup:
    """The root of the tree with everything loaded; built once, since parsing leaves it as it is."""
    group = typer.main.get_command(app)
    assert isinstance(group, RootGroup)
    assert dict(group.every_command())
    return group


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its words, as in "pending list"."""
    return root().every_command()


def declaration(found: Any) -> Declaration:
    """What a command says of itself."""
    declared = found.callback.declaration
    assert isinstance(declared, Declaration)
    return declared


def parse(line: str) -> str:
    """Parse a command line without running it; returns the command's words.

    Raises:
        Exception: Typer's usage error: there is no such command or option.
    """
    words = shlex.split(line, comments=True)
    group: Any = root()
    path: list[str] = []
    context = group.make_context("stigmer-ops", list(words), resilient_parsing=True)
    while hasattr(group, "commands"):
        if words and words[0] in ("--help", "-h", "--version", "--install-completion"):
            return " ".join(path)
        name = words.pop(0)
        assert name in group.commands, f"there is no command {' '.join((*path, name))!r}"
        path.append(name)
        group = group.commands[name]
    if "--help" in words or "-h" in words:
        return " ".join(path)
    group.make_context(" ".join(path), words, parent=context)
    return " ".join(path)
