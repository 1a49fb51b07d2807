"""How many replicas there should be, for a person, for JSON, and for kubectl."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stigmer_ops.render.output import OutputFormat, Record, write_text
from stigmer_ops.render.text import seconds, visible

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.workers import QueueWorkers
    from stigmer_ops.procedures.scaling.autoscaler import Manifest
    from stigmer_ops.procedures.scaling.load import Load
    from stigmer_ops.procedures.scaling.recommendation import Recommendation


def recommendation_record(
    found: Recommendation, load: Load, limits: tuple[int, int], commands: Sequence[str]
) -> Record:
    """The recommendation with what it goes by, ready for JSON."""
    pending = load.pending
    return {
        "replicas": found.replicas,
        "current": found.current,
        "direction": found.direction.value,
        "trouble": found.trouble,
        "min_replicas": limits[0],
        "max_replicas": limits[1],
        "pending": {
            "now": pending.now,
            "least_while_sustained": pending.least,
            "source": pending.source.value,
        },
        "task_queues": [_queue_record(queue) for queue in load.queues],
        "reasons": [
            {
                "signal": reason.signal,
                "replicas": reason.replicas,
                "sentence": reason.sentence,
                "trouble": reason.trouble,
            }
            for reason in found.reasons
        ],
        "commands": list(commands),
    }


def _queue_record(queue: QueueWorkers) -> dict[str, Any]:
    return {
        "task_queue": queue.expected.name,
        "namespace": queue.expected.namespace,
        "backlogs": {
            kind.value: {
                "tasks": backlog.count,
                "age_seconds": seconds(backlog.age),
                "added_per_second": round(backlog.add_rate, 3),
                "taken_per_second": round(backlog.dispatch_rate, 3),
            }
            for kind, backlog in queue.backlogs
        },
    }


def recommendation_page(console: Console, found: Recommendation, commands: Sequence[str]) -> None:
    """The number first, then why, then what to type."""
    from rich.text import Text  # noqa: PLC0415 - JSON output does without Rich

    styles = {"up": "bold yellow", "down": "bold cyan", "hold": "bold green"}
    console.print(Text(_head(found), styles[found.direction.value]))
    for reason in found.reasons:
        style = "bold red" if reason.trouble else ""
        body = Text(visible(reason.sentence), style).wrap(console, max(console.width - 4, 20))
        for number, line in enumerate(body):
            console.print(Text.assemble("    " if number else "  - ", line))
    for command in commands:
        console.print(Text(f"  $ {visible(command)}"), soft_wrap=True)


def _head(found: Recommendation) -> str:
    replicas = f"replicas: {found.replicas}"
    if not found.current:
        return f"{replicas} (how many there are is not to be seen)"
    if found.direction.value == "hold":
        return f"{replicas}, as many as there are"
    apart = abs(found.replicas - found.current)
    deed = "add" if found.direction.value == "up" else "take away"
    return f"{replicas} (now {found.current}: {deed} {apart})"


def write_manifests(
    manifests: Sequence[Manifest], adapter_rule: Manifest, output: OutputFormat
) -> None:
    """Manifests as `kubectl apply -f -` takes them: YAML, or JSON where that is asked for."""
    if output is OutputFormat.JSONL:
        write_text("".join(json.dumps(manifest) + "\n" for manifest in manifests))
        return
    if output is OutputFormat.JSON:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        write_text(json.dumps(listed, indent=2) + "\n")
        return
    import yaml  # noqa: PLC0415 - only YAML output pays for it

    head = "# The metric comes from prometheus-adapter, with this rule in its configuration:\n"
    rule = yaml.safe_dump(adapter_rule, sort_keys=False, width=1000)
    comment = head + "".join(f"#   {line}\n" for line in rule.splitlines())
    write_text(comment + yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True))
