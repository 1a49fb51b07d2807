"""The options that say what a maintenance window is to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from stigmer_ops.cli.option_sets import parse_duration

_PANEL = "Window"


class WindowKind(StrEnum):
    """The values of --kind."""

    STIGMER = "stigmer"
    TEMPORAL = "temporal"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """What a maintenance window is to be."""

    duration: Annotated[
        timedelta | None,
        typer.Option(
            "--for",
            parser=parse_duration,
            metavar="DURATION",
            help="How long it lasts at the most: 30m, 2h, 1d",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    kind: Annotated[
        WindowKind,
        typer.Option(
            "--kind",
            help="What is maintained; extended also scales Stigmer to zero",
            rich_help_panel=_PANEL,
        ),
    ] = WindowKind.STIGMER
    margin: Annotated[
        timedelta | None,
        typer.Option(
            "--margin",
            parser=parse_duration,
            metavar="DURATION",
            help="How long after the window nothing may time out yet",
            show_default="15m",
            rich_help_panel=_PANEL,
        ),
    ] = None
    throttle: Annotated[
        float | None,
        typer.Option(
            "--throttle",
            min=0,
            metavar="RPS",
            help="Activity tasks a second that the throttled queues hand out; 0 for none",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    throttle_queue: Annotated[
        list[str] | None,
        typer.Option(
            "--throttle-queue",
            metavar="NAME",
            help="A task queue to throttle; may be repeated",
            show_default="that of the external activities, zigflow_execution",
            rich_help_panel=_PANEL,
        ),
    ] = None
    scale_to_zero: Annotated[
        bool | None,
        typer.Option(
            "--scale-to-zero/--no-scale-to-zero",
            help="Scale the deployments of Stigmer to zero by kubectl",
            show_default="only --kind extended does",
            rich_help_panel=_PANEL,
        ),
    ] = None
