"""The options that commands share, each declared once.

A command takes a whole set as one parameter (`connection: Connection`); `command` in commands.py
spreads its fields into options. So `--namespace` means the same everywhere, and a contract test can
ask which commands have which set.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from stigmer_ops.handshake.activity import ActivityState
from stigmer_ops.handshake.selection import Attempts, parse_attempts
from stigmer_ops.render.output import OutputFormat

CONNECTION = "Connection"
OUTPUT = "Output"
ACTIVITY = "Activity"
FILTER = "Filter"
WRITE = "Write"


def parse_duration(text: str) -> timedelta:
    """A duration option: 90s, 30m, 4h, 1d12h."""
    import durationpy

    try:
        duration = durationpy.from_str(text)
    except durationpy.DurationError:
        raise typer.BadParameter(f"{text!r} is not a duration such as 90s, 30m or 4h") from None
    if duration < timedelta(0):
        raise typer.BadParameter(f"{text!r} is negative")
    return duration


@dataclass(frozen=True, slots=True)
class Common:
    """Options of every command."""

    output: Annotated[
        OutputFormat | None,
        typer.Option(
            "--output",
            "-o",
            help="table, wide, json, jsonl or yaml; results go to standard output",
            show_default="table",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    no_progress: Annotated[
        bool,
        typer.Option("--no-progress", help="No progress on standard error", rich_help_panel=OUTPUT),
    ] = False
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar="STIGMER_OPS_CONFIG",
            help="The settings file",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of an error", rich_help_panel=OUTPUT),
    ] = False


def _connection(*names: str, text: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        *names, help=text, metavar=metavar, show_default=False, rich_help_panel=CONNECTION
    )
    return option


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach Temporal; what is not given comes from TEMPORAL_* and temporal.toml."""

    address: Annotated[
        str | None, _connection("--address", text="Temporal frontend, host:port")
    ] = None
    profile: Annotated[str | None, _connection("--profile", text="Profile of temporal.toml")] = None
    api_key_file: Annotated[
        Path | None,
        _connection("--api-key-file", text="File with the API key (or set TEMPORAL_API_KEY)"),
    ] = None
    tls: Annotated[bool | None, _connection("--tls/--no-tls", text="Speak TLS")] = None
    tls_server_name: Annotated[
        str | None, _connection("--tls-server-name", text="Name in the server's certificate")
    ] = None
    tls_ca_path: Annotated[
        Path | None, _connection("--tls-ca-path", text="CA certificate of the server")
    ] = None
    tls_cert_path: Annotated[
        Path | None, _connection("--tls-cert-path", text="Client certificate")
    ] = None
    tls_key_path: Annotated[
        Path | None, _connection("--tls-key-path", text="Private key of the client certificate")
    ] = None
    codec_endpoint: Annotated[
        str | None, _connection("--codec-endpoint", text="Codec server, http(s)://…")
    ] = None
    codec_auth: Annotated[
        str | None,
        _connection("--codec-auth", text="Authorization header for it (TEMPORAL_CODEC_AUTH)"),
    ] = field(default=None, repr=False)
    rps: Annotated[
        float | None,
        typer.Option(
            "--rps",
            min=0,
            help="Calls a second to Temporal at most; 0 for no limit",
            show_default="scan.rps, 200",
            rich_help_panel=CONNECTION,
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency",
            min=1,
            max=1000,
            help="Calls under way at once at most",
            show_default="scan.concurrency, 64",
            rich_help_panel=CONNECTION,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Connection(Server):
    """How to reach one namespace of it."""

    namespace: Annotated[
        str | None, _connection("--namespace", "-n", text="Temporal namespace")
    ] = None


@dataclass(frozen=True, slots=True)
class Connections(Server):
    """How to reach several namespaces of it."""

    namespaces: Annotated[
        list[str] | None,
        _connection("--namespace", "-n", text="Temporal namespace; may be repeated"),
    ] = None

    def to(self, namespace: str | None, *, rps: float | None) -> Connection:
        """The options for one of them (None: that of TEMPORAL_NAMESPACE), with so many calls."""
        shared = {field.name: getattr(self, field.name) for field in fields(Server)}
        return Connection(**{**shared, "rps": rps}, namespace=namespace)


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where a task token comes from. As an argument it would be seen by everyone on the host."""

    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="File with the task token; - for standard input", metavar="FILE"
        ),
    ] = None
    token_env: Annotated[
        str | None,
        typer.Option("--token-env", help="Environment variable with the token", metavar="NAME"),
    ] = None


@dataclass(frozen=True, slots=True)
class ActivityReference:
    """Which activity, by its ids."""

    workflow_id: Annotated[
        str | None,
        typer.Option("--workflow-id", "-w", help="Workflow id", rich_help_panel=ACTIVITY),
    ] = None
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id",
            "-r",
            help="Run id",
            show_default="the current run",
            rich_help_panel=ACTIVITY,
        ),
    ] = None
    activity_id: Annotated[
        str | None,
        typer.Option("--activity-id", "-a", help="Activity id", rich_help_panel=ACTIVITY),
    ] = None
    standalone: Annotated[
        bool,
        typer.Option(
            "--standalone",
            help="A standalone activity, which has no workflow",
            rich_help_panel=ACTIVITY,
        ),
    ] = False


def _attempts(text: str) -> Attempts:
    try:
        return parse_attempts(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@dataclass(frozen=True, slots=True)
class ActivityFilters:
    """Which pending activities; an option that is given twice means either."""

    activity_type: Annotated[
        list[str] | None,
        typer.Option(
            "--activity-type",
            help="Activity type; may be repeated",
            show_default="external.activity_types, CallAgentActivity",
            rich_help_panel=FILTER,
        ),
    ] = None
    all_types: Annotated[
        bool, typer.Option("--all-types", help="Every activity type", rich_help_panel=FILTER)
    ] = False
    workflow_type: Annotated[
        list[str] | None,
        typer.Option(
            "--workflow-type",
            help="Type of the waiting workflow; may be repeated",
            show_default=False,
            rich_help_panel=FILTER,
        ),
    ] = None
    task_queue: Annotated[
        list[str] | None,
        typer.Option(
            "--task-queue",
            help="Task queue of the activity; may be repeated",
            show_default=False,
            rich_help_panel=FILTER,
        ),
    ] = None
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            "--older-than",
            parser=parse_duration,
            metavar="DURATION",
            help="Waiting for at least this long: 90s, 30m, 4h, 1d",
            show_default=False,
            rich_help_panel=FILTER,
        ),
    ] = None
    expires_within: Annotated[
        timedelta | None,
        typer.Option(
            "--expires-within",
            parser=parse_duration,
            metavar="DURATION",
            help="At most this long before its deadline, or past it",
            show_default=False,
            rich_help_panel=FILTER,
        ),
    ] = None
    attempt: Annotated[
        Attempts | None,
        typer.Option(
            "--attempt",
            parser=_attempts,
            metavar="N|N+",
            help="Attempt: 1 is only the first, 2+ is whatever was retried",
            show_default=False,
            rich_help_panel=FILTER,
        ),
    ] = None
    state: Annotated[
        list[ActivityState] | None,
        typer.Option(
            "--state",
            case_sensitive=False,
            metavar="STATE",
            help="SCHEDULED, STARTED, CANCEL_REQUESTED, PAUSED or PAUSE_REQUESTED; may be repeated",
            show_default=False,
            rich_help_panel=FILTER,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Mutation:
    """What every command that writes asks for."""

    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            help="Why; kept in the audit file and, with its ticket, in the history",
            rich_help_panel=WRITE,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show what would be done, send nothing", rich_help_panel=WRITE
        ),
    ] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask", rich_help_panel=WRITE)] = (
        False
    )
    confirm_namespace: Annotated[
        str | None,
        typer.Option(
            "--confirm-namespace",
            metavar="NAME",
            help="The namespace that is meant: instead of typing a protected one's name",
            rich_help_panel=WRITE,
        ),
    ] = None
