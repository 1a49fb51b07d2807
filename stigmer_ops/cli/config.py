"""`config`: what is in force, where it came from, and whether it is valid."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(name="config", help="The settings in force.", no_args_is_help=True)


@command(
    app, "show", examples=("config show", "config show -o json", "config show --namespace orders")
)
def show(invocation: Invocation, connection: Connection) -> ExitCode:
    """Print every setting in force, and where it came from."""
    from stigmer_ops.render.config import config_table
    from stigmer_ops.settings import leaves, variable_of

    loaded = invocation.loaded_settings
    target = invocation.target(connection)
    rows = [
        {
            "setting": ".".join(path),
            "value": _plain(value),
            "origin": str(loaded.origins[".".join(path)]),
            "variable": variable_of(path),
        }
        for path, value in leaves(loaded.settings)
    ]
    temporal = {
        "address": target.address,
        "namespace": target.namespace,
        "tls": bool(target.tls),
        "api_key_set": target.api_key is not None,
        "codec_endpoint": _plain(target.codec_endpoint),
        "codec_auth_set": target.codec_auth is not None,
    }
    origins = dict(target.origins)
    body = {"temporal": temporal, "temporal_origins": origins, "settings": rows}
    document = Document("Config", body)

    def table(console: Console, wide: bool) -> None:
        told = [
            {**row, "value": _told(value, row["value"])}
            for row, (_, value) in zip(rows, leaves(loaded.settings), strict=True)
        ]
        config_table(console, temporal, origins, told, wide=wide)

    invocation.write(document, table)
    return ExitCode.OK


@command(app, "check", examples=("config check", "config check --config stigmer-ops.yaml"))
def check(invocation: Invocation, connection: Connection) -> ExitCode:
    """Check the settings file, the variables and temporal.toml; exit 2 names what is wrong."""
    from stigmer_ops.temporal.connection_origins import passed_over

    loaded = invocation.loaded_settings
    invocation.target(connection)
    source = str(loaded.file) if loaded.file else "no settings file"
    warnings = list(passed_over(invocation.environment))
    body = {"valid": True, "file": source if loaded.file else None, "warnings": warnings}

    def table(console: Console, _wide: bool) -> None:
        console.print(f"valid ({source})")

    invocation.write(Document("ConfigCheck", body), table)
    for warning in warnings:
        invocation.say(f"warning: {warning}")
    return ExitCode.OK


def _told(value: object, plain: object) -> object:
    """A value as a person reads it: durations with their units, as they are written too."""
    from stigmer_ops.monitoring.catalogue.promql import duration

    return duration(value) if isinstance(value, timedelta) else plain


def _plain(value: object) -> object:
    from stigmer_ops.monitoring.http_api import without_credentials
    from stigmer_ops.render.text import seconds

    match value:
        case str() if "://" in value:
            return without_credentials(value)
        case timedelta():
            return seconds(value)
        case Path():
            return str(value)
        case tuple():
            return [str(item) for item in value]
        case _:
            return value
