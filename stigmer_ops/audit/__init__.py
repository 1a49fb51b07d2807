"""The audit trail: what was done to Temporal, by whom and why, in a chain of digests.

Append-only JSON Lines. A write to Temporal leaves two records: its *intent*, on disk before the
call is made, and its *outcome*. Every record carries the SHA-256 of the line before it.

    trail = AuditTrail(path, now=now)
    with trail.operation(intent) as operation:
        ...                                    # the call
        operation.done(proof_event_id=17)

What the chain shows: a line that was changed, taken out, put in or moved, by accident or by
somebody who did not rewrite the rest of the file. What it cannot show: records cut off at the end,
or a file rewritten as a whole. For those, note `AuditReport.head` elsewhere (a ticket) and give it
to `verify(expect=...)` later.
"""

from __future__ import annotations

from stigmer_ops.audit.file import is_missing
from stigmer_ops.audit.line import Defect, to_document
from stigmer_ops.audit.operations import (
    RecordedOperation,
    RecordedOperations,
    read_operations,
)
from stigmer_ops.audit.record import (
    GENESIS,
    SCHEMA_VERSION,
    AuditRecord,
    Entry,
    Fingerprint,
    Intent,
    Outcome,
    Parameters,
    Phase,
    Result,
    Target,
)
from stigmer_ops.audit.trail import AuditTrail, Operation, OutcomeNotRecordedError
from stigmer_ops.audit.verification import AuditReport, Break, Line, Reason, read_trail, verify

__all__ = [
    "GENESIS",
    "SCHEMA_VERSION",
    "AuditRecord",
    "AuditReport",
    "AuditTrail",
    "Break",
    "Defect",
    "Entry",
    "Fingerprint",
    "Intent",
    "Line",
    "Operation",
    "Outcome",
    "OutcomeNotRecordedError",
    "Parameters",
    "Phase",
    "Reason",
    "RecordedOperation",
    "RecordedOperations",
    "Result",
    "Target",
    "is_missing",
    "read_operations",
    "read_trail",
    "to_document",
    "verify",
]
