"""Where the audit trail is, for the commands that write it and those that read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stigmer_ops.cli.context import Invocation

if TYPE_CHECKING:
    from stigmer_ops.audit import AuditTrail, RecordedOperation


def audit_path(invocation: Invocation) -> Path:
    """The audit file in force: audit.path of the settings, else in the user's state directory.

    Raises:
        SettingsError: The settings are not valid, or there is no such directory.
    """
    configured = invocation.settings.audit.path
    return configured or invocation.state_file(
        "audit.jsonl", "the audit trail", "STIGMER_OPS_AUDIT_PATH"
    )


def audit_trail(invocation: Invocation) -> AuditTrail:
    """The audit trail in force, to write to."""
    from stigmer_ops.audit import AuditTrail

    return AuditTrail(audit_path(invocation), now=invocation.now)


def operation_row(operation: RecordedOperation) -> dict[str, Any]:
    """An operation, ready for JSON."""
    from stigmer_ops.audit import to_document
    from stigmer_ops.render.text import rfc3339

    document = to_document(operation.record)
    return {
        "operation_id": document["operation_id"],
        "started": rfc3339(operation.started),
        "ended": rfc3339(operation.ended),
        "command": document["command"],
        "operator": document["operator"],
        "host": document["host"],
        "identity": document["identity"],
        "reason": document["reason"],
        "namespace": document["namespace"],
        "server_address": document["server_address"],
        "target": document.get("target"),
        "parameters": to_document(operation.asked)["parameters"],
        "outcome": document.get("outcome"),
        "sequence": document["sequence"],
    }
