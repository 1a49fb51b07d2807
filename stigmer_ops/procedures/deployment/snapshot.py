"""What was pending before a deployment, and which revision each deployment had: a small file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stigmer_ops.errors import InputError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.summary import Summary
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.untrusted.json_text import json_value
from stigmer_ops.whole_files import write_whole

SCHEMA_VERSION = 1
KIND = "DeploymentSnapshot"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was the case before.

    Attributes:
        time: When it was taken.
        namespace: Of the external workflows.
        pending: External activities that waited.
        by_age: The same by age bucket.
        revisions: Revision of each deployment, where kubectl was asked.
    """

    time: datetime
    namespace: str
    pending: int
    by_age: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, namespace: str, activities: Iterable[PendingActivity], now: datetime) -> Snapshot:
        """What waits now."""
        counted = Summary(now)
        for activity in activities:
            counted.add(activity)
        by_age = {bucket: tally.count for bucket, tally in counted.by_age.items()}
        return cls(now, namespace, counted.all.count, by_age)

    def record(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "time": timestamp(self.time),
            "namespace": self.namespace,
            "pending": self.pending,
            "by_age": dict(self.by_age),
            "revisions": dict(self.revisions),
        }


def write_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write it; a snapshot of an earlier deployment is replaced.

    Raises:
        InputError: It cannot be written.
    """
    whole = {"schema_version": SCHEMA_VERSION, "kind": KIND, **snapshot.record()}
    try:
        write_whole(path, [json.dumps(whole, indent=2).encode() + b"\n"], overwrite=True)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", not_done="there is no snapshot"
        ) from error


def read_snapshot(path: Path, namespace: str) -> Snapshot:
    """Read it.

    Raises:
        InputError: It cannot be read, is no snapshot, or is one of another namespace.
    """
    try:
        whole = json_value(path.read_bytes())
        if (whole["kind"], whole["schema_version"]) != (KIND, SCHEMA_VERSION):
            raise ValueError(f"{whole['kind']} of version {whole['schema_version']}")
        found = Snapshot(
            datetime.fromisoformat(whole["time"]).astimezone(UTC),
            str(whole["namespace"]),
            int(whole["pending"]),
            {str(age): int(count) for age, count in whole["by_age"].items()},
            {str(name): int(revision) for name, revision in whole["revisions"].items()},
        )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path} is no snapshot of version {SCHEMA_VERSION}",
            next_step=f"take one: stigmer-ops deploy preflight --snapshot {path}",
        ) from error
    if found.namespace != namespace:
        raise InputError(f"{path} is of namespace {found.namespace!r}, and this is {namespace!r}")
    return found
