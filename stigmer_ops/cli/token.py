"""`token`: what a task token says, what it is worth now, and a name for it that is safe to show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, TokenSource
from stigmer_ops.errors import ExitCode, InputError, UsageError
from stigmer_ops.render.output import Document, write_line

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.render.token import TokenReading

app = typer.Typer(
    name="token", help="Decode, validate and fingerprint task tokens.", no_args_is_help=True
)

# A list, because Typer would print a second argument, which is a token too, in its complaint.
TokenArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TOKEN]",
        help="The token; everyone on this host can read an argument, so rather pipe it in",
        show_default=False,
    ),
]


@command(
    app,
    "decode",
    examples=(
        "token decode --token-file token.b64",
        "token decode --token-env CALLBACK_TOKEN -o json",
        "token decode < token.bin",
    ),
)
def decode(
    invocation: Invocation,
    source: TokenSource,
    token: TokenArgument = None,
    show_token: Annotated[
        bool, typer.Option("--show-token", help="Print the token too, as base64: it is a secret")
    ] = False,
) -> ExitCode:
    """Show every field of a task token, or exactly what is wrong with it.

    Works offline. Takes raw bytes, base64, hexadecimal, byte lists, quotes, JSON and log lines,
    from standard input unless a source is named. Exit 1: the token is damaged.
    """
    from stigmer_ops.render.token import decoding_record, decoding_table

    reading = _reading(invocation, source, token)

    def table(console: Console, _wide: bool) -> None:
        decoding_table(console, reading, show_token=show_token)

    invocation.write(
        Document("TokenDecoding", decoding_record(reading, show_token=show_token)), table
    )
    return ExitCode.OK if reading.damage is None else ExitCode.FINDINGS


@command(
    app,
    "validate",
    examples=(
        "token validate --token-file token.b64",
        "token validate --namespace orders -o json < token.b64",
    ),
)
async def validate(
    invocation: Invocation,
    connection: Connection,
    source: TokenSource,
    token: TokenArgument = None,
) -> ExitCode:
    """Say what a task token is worth now, and what the server would answer to its use.

    Only reads. Exit 0: the token is of the attempt that is pending. Exit 1: any other verdict.
    """
    from stigmer_ops.handshake import token_validation
    from stigmer_ops.handshake.token_verdicts import CURRENT
    from stigmer_ops.render.token import validation_record, validation_table

    reading = _reading(invocation, source, token)
    if reading.found is None:
        assert reading.damage is not None
        result = token_validation.malformed(reading.damage)
    else:
        from stigmer_ops.temporal.token_state import validate_token

        async with invocation.temporal(connection) as frontend:
            result = await validate_token(frontend, reading.found.token)
        if reading.damage is not None:
            result = token_validation.double_encoded(reading.damage, result)

    def table(console: Console, _wide: bool) -> None:
        validation_table(console, reading, result)

    invocation.write(Document("TokenValidation", validation_record(reading, result)), table)
    return ExitCode.OK if result.verdict is CURRENT else ExitCode.FINDINGS


@command(
    app,
    "fingerprint",
    examples=(
        "token fingerprint --token-file token.b64",
        "token fingerprint --lines < stigmer-server.log",
    ),
)
def fingerprint(
    invocation: Invocation,
    source: TokenSource,
    token: TokenArgument = None,
    lines: Annotated[
        bool,
        typer.Option(
            "--lines", help="Every line of the input by itself: its fingerprints, or - for none"
        ),
    ] = False,
) -> ExitCode:
    """Print a digest that tells tokens apart and is safe to log and to paste.

    Unlike the first 20 characters of the token, which are the same for a whole namespace. Exit 1:
    there is no whole token in the input.
    """
    if lines:
        return _fingerprint_lines(invocation, source, token)
    from stigmer_ops.render.token import fingerprint_record, fingerprints_of

    reading = _reading(invocation, source, token)

    def table(console: Console, _wide: bool) -> None:
        for each in fingerprints_of(reading):
            console.print(each)

    invocation.write(Document("TokenFingerprint", fingerprint_record(reading)), table)
    if reading.found is not None:
        return ExitCode.OK
    assert reading.damage is not None
    invocation.say(f"no token: {reading.damage.reason}")
    return ExitCode.FINDINGS


def _reading(invocation: Invocation, source: TokenSource, tokens: list[str] | None) -> TokenReading:
    from stigmer_ops.cli.token_input import read_token

    if tokens and len(tokens) > 1:
        raise UsageError(
            "several tokens are given as arguments",
            next_step="give one, or pipe them in: stigmer-ops token fingerprint --lines",
        )
    given = read_token(invocation, source, tokens[0] if tokens else None, from_pipe=True)
    return _read(given.content, given.place)


def _read(content: bytes, place: str) -> TokenReading:
    from stigmer_ops.handshake.token import TokenDamagedError, read_form
    from stigmer_ops.render.token import TokenReading

    try:
        found = read_form(content)
    except TokenDamagedError as error:
        return TokenReading(place, len(content), None, error.damage, error.layers)
    return TokenReading(place, len(content), found, found.damage, found.layers)


def _fingerprint_lines(
    invocation: Invocation, source: TokenSource, tokens: list[str] | None
) -> ExitCode:
    from stigmer_ops.render.output import OutputFormat
    from stigmer_ops.render.token import fingerprint_record, fingerprints_of

    if tokens or source.token_env is not None:
        raise UsageError(
            "--lines reads standard input or --token-file", next_step="pipe the lines in"
        )
    output, found = invocation.output, False
    records = []
    for reading in _readings_by_line(source):
        found = found or reading.found is not None
        if output.for_people:
            sys.stdout.write((" ".join(fingerprints_of(reading)) or "-") + "\n")
            sys.stdout.flush()
        elif output is OutputFormat.JSONL:
            write_line("TokenFingerprint", fingerprint_record(reading))
        else:
            records.append(fingerprint_record(reading))
    if output in (OutputFormat.JSON, OutputFormat.YAML):
        invocation.write(Document("TokenFingerprints", {"lines": records}), lambda *_: None)
    return ExitCode.OK if found else ExitCode.FINDINGS


def _readings_by_line(source: TokenSource) -> Iterator[TokenReading]:
    from stigmer_ops.cli.token_input import SIZE_LIMIT

    path = source.token_file
    if path is None or str(path) == "-":
        if sys.stdin.isatty():
            raise UsageError(
                "--lines does not read from a terminal, which would show the tokens",
                next_step="stigmer-ops token fingerprint --lines < FILE",
            )
        place, stream = "standard input", sys.stdin.buffer
    else:
        try:
            place, stream = str(path), path.open("rb")
        except OSError as error:
            raise InputError(
                f"cannot read the token file: {error.strerror}", next_step="check --token-file"
            ) from error
    with stream:
        number = 0
        while line := stream.readline(SIZE_LIMIT):
            number += 1
            yield _read(line.rstrip(b"\r\n"), f"{place}:{number}")
