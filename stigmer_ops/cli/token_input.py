"""Where a task token comes from: a file, a variable, standard input, or (with a warning) argv.

Only the place is chosen here. Which form the bytes have (raw, base64, hex, JSON, ...) is for
`handshake.token` to say.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import TokenSource
from stigmer_ops.cli.terminal import ctrl_c_interrupts
from stigmer_ops.errors import InputError, UsageError

SIZE_LIMIT = 64 * 1024
"""Bytes. A token has a few hundred; what is longer is another file, or a device without end."""

NAME_LIMIT = 100
"""Characters from which a name is not quoted in messages; the shortest base64 token has 150."""

TOKEN_VARIABLE = "STIGMER_OPS_TOKEN"  # noqa: S105 - the variable's name
_WAYS = f"--token-file FILE (- for standard input), --token-env NAME, or set {TOKEN_VARIABLE}"


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token as it was found, in whatever form.

    Attributes:
        content: The bytes. A bearer secret: whoever holds it can complete the activity.
        place: Where it was found, for messages: `FILE`, `$NAME`, `standard input`, `the argument`.
    """

    content: bytes = field(repr=False)
    place: str


def token_named(source: TokenSource, argument: str | None = None) -> bool:
    """Whether the command line itself names a token."""
    return any(value is not None for value in (argument, source.token_file, source.token_env))


def read_token(
    invocation: Invocation,
    source: TokenSource,
    argument: str | None = None,
    *,
    from_pipe: bool = False,
) -> FoundToken:
    """Read the token that the command line names; failing that, STIGMER_OPS_TOKEN.

    Args:
        invocation: The command's run.
        source: The options.
        argument: The token itself, where the command takes one as an argument.
        from_pipe: Whether standard input, unless it is a terminal, is read without being named.

    Raises:
        UsageError: None is named, or more than one.
        InputError: The file or variable cannot be read, or holds more than `SIZE_LIMIT` bytes.
    """
    found = _chosen(invocation, source, argument, from_pipe=from_pipe)()
    if len(found.content) > SIZE_LIMIT:
        raise InputError(
            f"{found.place} holds more than {SIZE_LIMIT} bytes, so it is no task token",
            next_step="a token has a few hundred bytes; check that this is the right file",
        )
    return found


def _chosen(
    invocation: Invocation, source: TokenSource, argument: str | None, *, from_pipe: bool
) -> Callable[[], FoundToken]:
    ways: list[Callable[[], FoundToken]] = []
    if argument is not None:
        ways.append(lambda: _from_argument(invocation, argument))
    if (path := source.token_file) is not None:
        ways.append(lambda: _from_file(path))
    if (name := source.token_env) is not None:
        ways.append(lambda: _from_variable(invocation, name))
    if len(ways) > 1:
        raise UsageError("several tokens are given", next_step=f"keep one of {_WAYS}")
    if ways:
        return ways[0]
    if invocation.environment.get(TOKEN_VARIABLE):
        return lambda: _from_variable(invocation, TOKEN_VARIABLE)
    if from_pipe and not sys.stdin.isatty():
        return _from_standard_input
    raise UsageError("no task token is given", next_step=f"give one with {_WAYS}")


def _from_argument(invocation: Invocation, argument: str) -> FoundToken:
    invocation.say(
        "warning: a token given as an argument can be read by every user of this host (ps) and "
        "stays in the shell's history; --token-file or --token-env keep it secret"
    )
    return FoundToken(argument.encode(errors="surrogateescape"), "the argument")


def _from_file(path: Path) -> FoundToken:
    if str(path) == "-":
        return _from_standard_input()
    try:
        with path.open("rb") as stream:
            return FoundToken(stream.read(SIZE_LIMIT + 1), str(path))
    except OSError as error:
        raise InputError(
            f"cannot read the token file {_quotable(str(path))}: {error.strerror}",
            next_step="check --token-file",
        ) from error


def _from_variable(invocation: Invocation, name: str) -> FoundToken:
    value = invocation.environment.get(name)
    if value is None:
        raise InputError(
            f"the environment variable {_quotable(name)} is not set",
            next_step="--token-env takes the variable's name, not the token; is it exported?",
        )
    return FoundToken(os.fsencode(value), f"${name}")


def _quotable(name: str) -> str:
    # Somebody will give the token itself where its file or variable belongs.
    return name if len(name) < NAME_LIMIT else f"<{len(name)} characters: the token itself?>"


def _from_standard_input() -> FoundToken:
    if sys.stdin.isatty():
        with ctrl_c_interrupts():
            typed = getpass.getpass("task token (not shown): ", stream=sys.stderr)
        return FoundToken(os.fsencode(typed), "standard input")
    return FoundToken(sys.stdin.buffer.read(SIZE_LIMIT + 1), "standard input")
