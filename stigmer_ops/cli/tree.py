"""The command tree: every top-level name, and the module that is imported when it is used.

Start-up time is what an operator waits for at every command, so the root knows its commands by name
and summary only. Adding one is a module and a row here; a contract test holds the summaries equal.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer.core
import typer.main


@dataclass(frozen=True, slots=True)
class Entry:
    """A name under the root: a group of commands, or a command by itself.

    Attributes:
        name: What is typed.
        module: Under stigmer_ops.cli; its `app` holds the group, or the command among others.
        summary: One line for --help: the group's help, or the first line of the command's.
        panel: Under which heading --help lists it.
        group: Whether it has commands below it.
    """

    name: str
    module: str
    summary: str
    panel: str
    group: bool = True

    def load(self) -> Any:  # noqa: ANN401 - Typer's own Click has no public types
        """Import the module and build the group or command."""
        app = importlib.import_module(f"stigmer_ops.cli.{self.module}").app
        group = typer.main.get_group(app)
        found = group if self.group else group.commands[self.name]
        found.name = self.name
        return found


LOOK, REPAIR, SYSTEM, OWN = "Look", "Repair", "The system", "This tool"
MONITORING, PROCEDURES = "Monitoring", "Procedures"

ENTRIES: tuple[Entry, ...] = (
    Entry("pending", "pending", "The activities that wait.", LOOK),
    Entry(
        "diagnose",
        "diagnose",
        "Say why each external activity waits, with evidence, and what to do. Changes nothing.",
        LOOK,
        group=False,
    ),
    Entry(
        "report",
        "report",
        "Write what is known of an incident as one page, for a channel and the post-mortem.",
        LOOK,
        group=False,
    ),
    Entry(
        "watch",
        "watch",
        "Show live what waits, why, who polls and how callbacks go, until q. Changes nothing.",
        LOOK,
        group=False,
    ),
    Entry("token", "token", "Decode, validate and fingerprint task tokens.", LOOK),
    Entry("logs", "logs", "What the services' logs tell of a handshake.", LOOK),
    Entry("runbook", "runbook", "What it means, and how to mend it.", LOOK),
    Entry(
        "activity",
        "activity",
        "Complete, fail, redeliver to or extend one attempt of an activity, and prove it.",
        REPAIR,
    ),
    Entry(
        "plan",
        "plan",
        "Make, look at, compare and verify the plans that `apply` carries out.",
        REPAIR,
    ),
    Entry(
        "apply",
        "apply",
        "Carry a plan out: every row at most once, fenced to its attempt, and resumable.",
        REPAIR,
        group=False,
    ),
    Entry(
        "batch",
        "batch",
        "The plans that `apply --durable` handed over: how far they are, and pausing them.",
        REPAIR,
    ),
    Entry(
        "batch-worker",
        "batch_worker",
        "Carry out the plans that `apply --durable` hands over, until Ctrl-C or SIGTERM.",
        REPAIR,
        group=False,
    ),
    Entry("audit", "audit", "The record of every write.", REPAIR),
    Entry(
        "check",
        "check",
        "Check the whole system, and say for whatever is wrong what to do about it.",
        SYSTEM,
        group=False,
    ),
    Entry("worker", "worker", "The workers that poll the handshake's task queues.", SYSTEM),
    Entry(
        "smoke",
        "smoke",
        "Send a canary handshake through Temporal, and measure what the handshake adds.",
        SYSTEM,
        group=False,
    ),
    Entry(
        "exporter",
        "exporter",
        "Serve the metrics that the alerts need, computed from Temporal, until it is stopped.",
        MONITORING,
        group=False,
    ),
    Entry(
        "maintenance",
        "maintenance",
        "Maintenance windows in which nothing that waits is lost.",
        PROCEDURES,
    ),
    Entry("metrics", "metrics", "What Prometheus knows.", MONITORING),
    Entry("alerts", "alerts", "The alerting rules.", MONITORING),
    Entry("dashboards", "dashboards", "The Grafana dashboard.", MONITORING),
    Entry(
        "drain",
        "drain",
        "Wait until the pending external activities have fallen to a target. Changes nothing.",
        PROCEDURES,
        group=False,
    ),
    Entry(
        "deploy",
        "deploy",
        "Whether a deployment of Stigmer may begin, and whether it went well.",
        PROCEDURES,
    ),
    Entry("scale", "scale", "How many replicas Stigmer needs.", PROCEDURES),
    Entry(
        "escalate",
        "escalate",
        "Show where to go with an incident, which steps to take now, and what to paste there.",
        PROCEDURES,
        group=False,
    ),
    Entry("config", "config", "The settings in force.", OWN),
    Entry(
        "sandbox",
        "sandbox",
        "Run a Temporal server with a simulated Zigflow and Stigmer until Ctrl-C.",
        OWN,
        group=False,
    ),
    Entry(
        "demo",
        "sandbox",
        "Show the main job on a sandbox, from a stuck activity to the proof of its repair.",
        OWN,
        group=False,
    ),
)


class RootGroup(typer.core.TyperGroup):
    """The root, which loads what is below it when it is used."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer passes its own
        super().__init__(**attributes)
        self._entries = {entry.name: entry for entry in ENTRIES}
        for entry in ENTRIES:
            self.commands[entry.name] = typer.core.TyperCommand(entry.name, help=entry.summary)
        # Typer's Rich help imports a Markdown renderer, which costs more than all the rest.
        self.rich_markup_mode = None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
        """Load what is named before it is used."""
        self.load(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """List the commands of --help under their headings."""
        width = max(len(entry.name) for entry in ENTRIES)
        for panel in dict.fromkeys(entry.panel for entry in ENTRIES):
            with formatter.section(panel):
                formatter.write_dl(
                    [(e.name.ljust(width), e.summary) for e in ENTRIES if e.panel == panel]
                )

    def load(self, name: str) -> None:
        """Put the real command in the place of its summary."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.commands[name] = entry.load()

    def every_command(self) -> Iterator[tuple[str, Any]]:
        """Every command with its words, as in "pending list", in the order of --help."""
        for entry in ENTRIES:
            self.load(entry.name)
            found = self.commands[entry.name]
            if not entry.group:
                yield entry.name, found
                continue
            for name, command in found.commands.items():  # type: ignore[attr-defined] # a group
                yield f"{entry.name} {name}", command
