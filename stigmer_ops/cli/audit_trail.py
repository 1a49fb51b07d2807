"""Where the audit trail is, for the commands that write it and those that read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stigmer_ops.cli.context import Invocation

if TYPE_CHECKING:
    from stigmer_ops.audit import AuditTrail


def audit_path(invocation: Invocation) -> Path:
    """The audit file in force: audit.path of the settings, else in the user's state directory."""
    import platformdirs

    configured = invocation.settings.audit.path
    return configured or platformdirs.user_state_path("stigmer-ops") / "audit.jsonl"


def audit_trail(invocation: Invocation) -> AuditTrail:
    """The audit trail in force, to write to."""
    from stigmer_ops.audit import AuditTrail

    return AuditTrail(audit_path(invocation), now=invocation.now)
