"""`activity`: complete, fail or extend exactly the attempt that was looked at."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli import redelivery
from stigmer_ops.cli.activity_reference import named_activity
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import (
    ActivityReference,
    Connection,
    Mutation,
    TokenSource,
    parse_duration,
)
from stigmer_ops.cli.token import TokenArgument
from stigmer_ops.cli.write_flow import author_of, carry_out
from stigmer_ops.errors import NOTHING_SENT, ExitCode, InputError, StigmerOpsError, UsageError

if TYPE_CHECKING:
    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.handshake.shape import ResultShape
    from stigmer_ops.handshake.write_plan import WritePlan
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer(
    name="activity",
    help="Complete, fail, redeliver to or extend one attempt of an activity, and prove it.",
    no_args_is_help=True,
)
app.add_typer(redelivery.app)

RESULT_FILE_LIMIT = 64 * 1024 * 1024
"""Bytes read of a result at most; any namespace allows less."""

Unfenced = Annotated[
    bool,
    typer.Option(
        "--unfenced",
        help="By id: act on whichever attempt is pending when it arrives, started or not",
    ),
]
ShowPayloads = Annotated[
    bool, typer.Option("--show-payloads", help="Show the result or message too: may hold secrets")
]


@command(
    app,
    "complete",
    examples=(
        "activity complete --workflow-id order-4711 --activity-id 5 --reason 'INC-1 result lost'",
        "activity complete -w order-4711 -a 5 --result @result.json --dry-run",
        "activity complete --token-file token.b64 --result - --reason INC-1 --yes < result.json",
        "activity complete --standalone --activity-id probe-1 --reason INC-1",
    ),
    writes=True,
)
async def complete(
    invocation: Invocation,
    connection: Connection,
    source: TokenSource,
    reference: ActivityReference,
    mutation: Mutation,
    token: TokenArgument = None,
    result: Annotated[
        str | None,
        typer.Option(
            "--result",
            metavar="JSON|@FILE|-",
            help="The result as JSON; - for standard input",
            show_default='{"status": "completed", "message": "manually completed"}',
        ),
    ] = None,
    shape_check: Annotated[
        bool,
        typer.Option(
            "--shape-check/--no-shape-check",
            help="Warn where the result looks unlike recent ones of this activity type",
        ),
    ] = True,
    unfenced: Unfenced = False,
    show_payloads: ShowPayloads = False,
) -> ExitCode:
    """Complete a pending activity with a result, so that its workflow goes on.

    Finds the attempt, shows what will happen, asks, writes the audit record, sends one call that
    the server refuses unless exactly that attempt is pending, and reads the proof back. Exit 4:
    refused, with what the activity is now. Exit 1: done, but not with the outcome that was meant.
    """
    from stigmer_ops.procedures.activity_plans import plan_completion
    from stigmer_ops.temporal.attempt import locate
    from stigmer_ops.temporal.results import DEFAULT_RESULT, encode_result, parse_json

    named = named_activity(invocation, source, token, reference)
    _refuse_unfenced_token(unfenced=unfenced, by_token=named.token is not None)
    if result == "-" and source.token_file == Path("-"):
        raise UsageError(
            "both the token and the result are to come from standard input",
            not_done=NOTHING_SENT,
            next_step="give one of them in a file",
        )
    content, place = (DEFAULT_RESULT, "the default") if result is None else result_input(result)
    value = parse_json(content, place)
    require_writable(invocation, mutation, invocation.target(connection).namespace)
    author = author_of(invocation, mutation)
    async with invocation.temporal(connection, identity=author.identity) as frontend:
        found = await locate(frontend, named.reference(await frontend.namespace_id()))
        described, payloads = await encode_result(
            frontend, value, content, is_default=result is None
        )
        write = plan_completion(frontend, found, described, payloads, author, unfenced=unfenced)
        warnings = _warnings(found.activity, unfenced=unfenced)
        if shape_check:
            warnings += await _shape_warnings(frontend, found.activity, described.shape)
        return await carry_out(
            invocation, mutation, frontend, write, warnings=warnings, show_payloads=show_payloads
        )


@command(
    app,
    "fail",
    examples=(
        "activity fail --workflow-id order-4711 --activity-id 5 --message 'agent gone' "
        "--reason 'INC-1 agent host lost'",
        "activity fail --token-file token.b64 --message 'try again' --retryable --reason INC-1",
    ),
    writes=True,
)
async def fail(
    invocation: Invocation,
    connection: Connection,
    source: TokenSource,
    reference: ActivityReference,
    mutation: Mutation,
    message: Annotated[
        str, typer.Option("--message", help="The failure's message, which the workflow sees")
    ],
    token: TokenArgument = None,
    failure_type: Annotated[
        str, typer.Option("--type", help="The failure's type, which the workflow may match")
    ] = "ManualFailure",
    retryable: Annotated[
        bool,
        typer.Option(
            "--retryable", help="Let the retry policy start another attempt: the work is done AGAIN"
        ),
    ] = False,
    unfenced: Unfenced = False,
    show_payloads: ShowPayloads = False,
) -> ExitCode:
    """Fail a pending activity, for good unless --retryable is given.

    As `activity complete`. An activity that no worker has started cannot be failed: the server has
    no call for it.
    """
    from stigmer_ops.handshake.write_plan import FailureContent
    from stigmer_ops.procedures.activity_plans import plan_failure
    from stigmer_ops.temporal.attempt import locate
    from stigmer_ops.temporal.results import encode_failure

    named = named_activity(invocation, source, token, reference)
    _refuse_unfenced_token(unfenced=unfenced, by_token=named.token is not None)
    require_writable(invocation, mutation, invocation.target(connection).namespace)
    author = author_of(invocation, mutation)
    content = FailureContent(message, failure_type, retryable)
    async with invocation.temporal(connection, identity=author.identity) as frontend:
        found = await locate(frontend, named.reference(await frontend.namespace_id()))
        failure = await encode_failure(frontend, content)
        write = plan_failure(frontend, found, content, failure, author, unfenced=unfenced)
        return await carry_out(
            invocation,
            mutation,
            frontend,
            write,
            warnings=_warnings(found.activity, unfenced=unfenced),
            show_payloads=show_payloads,
        )


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-11-24T09:30Z") from None
    if time.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone: end it with Z or +01:00")
    return time.astimezone(UTC)


@command(
    app,
    "extend",
    examples=(
        "activity extend --workflow-id order-4711 --activity-id 5 --by 2h --reason 'INC-1 slow'",
        "activity extend -w order-4711 -a 5 --until 2026-11-24T09:30Z --reason INC-1",
        "activity extend -w order-4711 -a 5 --start-to-close 8h --dry-run",
    ),
    writes=True,
)
async def extend(
    invocation: Invocation,
    connection: Connection,
    source: TokenSource,
    reference: ActivityReference,
    mutation: Mutation,
    token: TokenArgument = None,
    by: Annotated[
        timedelta | None,
        typer.Option(
            "--by", parser=parse_duration, metavar="DURATION", help="Move the deadline back by this"
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", parser=_parse_time, metavar="TIME", help="The new deadline, RFC 3339"
        ),
    ] = None,
    start_to_close: Annotated[
        timedelta | None,
        typer.Option(
            "--start-to-close",
            parser=parse_duration,
            metavar="DURATION",
            help="Time for the attempt, counted from its start",
        ),
    ] = None,
) -> ExitCode:
    """Move the deadline of a pending activity back; its task token stays valid.

    Raises every timeout that would end before the new deadline, and reads the result back. The
    server compares no attempt here, so it is read again just before. Exit 1: less was set than
    asked.
    """
    from stigmer_ops.handshake.extension import wanted_deadline
    from stigmer_ops.procedures.activity_plans import plan_extension
    from stigmer_ops.temporal.attempt import locate

    named = named_activity(invocation, source, token, reference)
    if sum(value is not None for value in (by, until, start_to_close)) != 1:
        raise UsageError(
            "exactly one of --by, --until and --start-to-close is needed",
            not_done=NOTHING_SENT,
            next_step="for example --by 2h",
        )
    require_writable(invocation, mutation, invocation.target(connection).namespace)
    author = author_of(invocation, mutation)
    async with invocation.temporal(connection, identity=author.identity) as frontend:
        if until is not None and until <= invocation.now():
            raise UsageError(f"--until {until:%Y-%m-%dT%H:%M:%SZ} is past", not_done=NOTHING_SENT)
        found = await locate(frontend, named.reference(await frontend.namespace_id()))
        deadline = wanted_deadline(
            found.activity, by=by, until=until, start_to_close=start_to_close
        )
        write = await plan_extension(frontend, found, deadline, author)
        return await carry_out(
            invocation, mutation, frontend, write, warnings=_extension_warnings(write.plan)
        )


def result_input(result: str) -> tuple[bytes, str]:
    """The bytes that --result names, and where they are from.

    Raises:
        InputError: The file cannot be read.
    """
    if result == "-":
        return sys.stdin.buffer.read(RESULT_FILE_LIMIT), "standard input"
    if not result.startswith("@"):
        return result.encode(errors="surrogateescape"), "--result"
    path = Path(result[1:])
    try:
        with path.open("rb") as stream:
            return stream.read(RESULT_FILE_LIMIT), str(path)
    except OSError as error:
        raise InputError(
            f"cannot read the result file {path}: {error.strerror or error}",
            not_done=NOTHING_SENT,
            next_step="check --result @FILE",
        ) from error


def _refuse_unfenced_token(*, unfenced: bool, by_token: bool) -> None:
    if unfenced and by_token:
        raise UsageError(
            "--unfenced is for ids: a token names its attempt, and the server compares it",
            not_done=NOTHING_SENT,
            next_step="leave --unfenced out, or give --workflow-id and --activity-id",
        )


def _warnings(activity: PendingActivity, *, unfenced: bool) -> list[str]:
    warnings = []
    if unfenced:
        needless = "; a fenced write is possible: leave --unfenced out"
        warnings.append(
            f"unfenced: if attempt {activity.attempt} ends first, the next one is written to"
            + (needless if activity.state.token_is_live else "")
        )
    if activity.workflow_paused:
        warnings.append("the workflow is paused: it goes on only after it is unpaused")
    return warnings


def _extension_warnings(plan: WritePlan) -> list[str]:
    from stigmer_ops.handshake.extension import TimeoutChange

    change = plan.change
    if not isinstance(change, TimeoutChange) or change.outlives_workflow is None:
        return []
    return [
        f"the workflow itself times out at {change.outlives_workflow:%Y-%m-%dT%H:%M:%SZ}, before "
        "the new deadline; a run timeout cannot be changed"
    ]


async def _shape_warnings(
    frontend: Frontend, activity: PendingActivity, shape: ResultShape
) -> list[str]:
    from stigmer_ops.handshake.shape import differences
    from stigmer_ops.temporal.recent_results import recent_shapes

    if activity.standalone:
        return []
    try:
        recent = await recent_shapes(frontend, activity.workflow_type, activity.activity_type)
    except StigmerOpsError as error:
        return [f"the result was not compared with recent ones: {error.happened}"]
    found = "; ".join(differences(shape, recent))
    said = f"the result looks unlike recent ones of {activity.activity_type}: {found}"
    return [said] if found else []
