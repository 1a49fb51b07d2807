"""Intents and trails that the audit tests share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from stigmer_ops.audit import (
    AuditRecord,
    AuditTrail,
    Fingerprint,
    Intent,
    Parameters,
    Target,
    read_trail,
)

NOW = datetime(2026, 11, 24, 3, 12, 9, 123456, tzinfo=UTC)


def intent(**values: object) -> Intent:
    fields: dict[str, object] = {
        "command": "activity complete",
        "operator": "alice",
        "host": "bastion-1",
        "identity": "stigmer-ops:alice@bastion-1 INC-7",
        "reason": "INC-7 agent is gone",
        "namespace": "orders",
        "server_address": "127.0.0.1:7233",
        "target": Target(
            workflow_id="order-1",
            run_id="01936c5e-1a53-7000-8000-000000000001",
            activity_id="5",
            scheduled_event_id=5,
            attempt=1,
        ),
        "parameters": Parameters(fenced=True, result=Fingerprint.of(b'{"status":"completed"}')),
    }
    return Intent(**(fields | values))  # type: ignore[arg-type]


def trail_at(path: Path, **options: timedelta) -> AuditTrail:
    return AuditTrail(path, now=lambda: NOW, **options)


def records(path: Path) -> list[AuditRecord]:
    entries = [line.entry for line in read_trail(path)]
    assert all(isinstance(entry, AuditRecord) for entry in entries), entries
    return [entry for entry in entries if isinstance(entry, AuditRecord)]
