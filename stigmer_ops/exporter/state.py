"""What the exporter must not forget: how far it read, and what it counted, in one file.

Position and totals are saved together, in one file that is replaced as a whole. An exporter that is
killed after it counted and before it saved goes back to the last save with both, and counts the
same callbacks again: the counters end up exact. If they were scraped in between, Prometheus sees
them go down, takes that for a restart, and `rate()` counts those few callbacks twice; no later
value is wrong. Without a file an exporter counts what ends from its start on.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stigmer_ops.errors import InputError, StigmerOpsError, UnavailableError
from stigmer_ops.exporter.callbacks.feed import Watermark
from stigmer_ops.exporter.callbacks.totals import Totals
from stigmer_ops.untrusted.json_text import json_value

KIND = "stigmer-ops/exporter-state"
SCHEMA = 1
_NOT_STARTED = "the exporter was not started, and the file was left as it is"


@dataclass(slots=True)
class ExporterState:
    """Everything that survives a restart.

    Attributes:
        positions: How far the closed workflows were read, by name of Stigmer's namespace.
        totals: What was counted.
    """

    positions: dict[str, Watermark] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)

    def position(self, stigmer_namespace: str, time: datetime) -> Watermark:
        """The position of a namespace; that of a new one is `time`, by the server's clock.

        Reading goes back behind a position by an overlap: add it to begin at a time exactly.
        """
        return self.positions.setdefault(stigmer_namespace, Watermark(time))


class StateFile:
    """The state file of one running exporter; a context manager that holds its lock.

    Args:
        path: The file. Beside it stands `{path}.lock`, which keeps a second exporter away.
        namespaces: Ids of all namespaces that are read, external and Stigmer's, by name. They tell
            whether the state belongs to this Temporal.

    Attributes:
        trouble: Why the last save failed; None if it did not. What was counted is served all the
            same, and the next save may succeed.
    """

    def __init__(self, path: Path, namespaces: Mapping[str, str]) -> None:
        self.path = path
        self.trouble: StigmerOpsError | None = None
        self._namespaces = dict(namespaces)
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            InputError: Another exporter has it, or the directory cannot be written to.
        """
        lock_path = self.path.with_name(f"{self.path.name}.lock")
        try:
            self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InputError(
                f"cannot write the exporter's state beside {self.path}: {error.strerror}",
                not_done="the exporter was not started",
                next_step="give it a directory that it may write to",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._unlock()
            raise InputError(
                f"another exporter uses the state file {self.path}",
                not_done="the exporter was not started",
                next_step="stop the other one, or give this one a file of its own",
            ) from error
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> ExporterState:
        """Read the file; a new state if there is none.

        Raises:
            InputError: It cannot be read, holds something else, or belongs to another Temporal.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ExporterState()
        except OSError as error:
            raise self._refused(f"cannot be read: {error.strerror}") from error
        try:
            plain = json_value(content)
            kind, schema = plain["kind"], plain["schema"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._refused("is damaged, or no state of an exporter") from error
        if (kind, schema) != (KIND, SCHEMA):
            raise self._refused(f"is of kind {kind!r}, schema {schema!r}, which this version lacks")
        try:
            self._check_owner(plain["namespaces"])
            return _state(plain)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._refused("is damaged") from error

    def _check_owner(self, saved: Mapping[str, str]) -> None:
        """Compare namespaces by id: a name may exist in each of several Temporals."""
        for name in sorted(saved.keys() & self._namespaces.keys()):
            if saved[name] != self._namespaces[name]:
                raise self._refused(
                    f"belongs to another Temporal: namespace {name} has the id {saved[name]} "
                    f"there, and {self._namespaces[name]} here"
                )
        if not saved.keys() & self._namespaces.keys():
            raise self._refused(f"belongs to other namespaces: {', '.join(sorted(saved))}")
        # Those that are not read today keep their place in the file.
        self._namespaces = {**saved, **self._namespaces}

    def _refused(self, what: str) -> InputError:
        return InputError(
            f"the state file {self.path} {what}",
            not_done=_NOT_STARTED,
            next_step=f"if it may be lost, count anew: mv {self.path} {self.path}.old",
        )

    async def save(self, state: ExporterState) -> bool:
        """Replace the file by the state as it is now, durably.

        The document is made at once, so that what is counted while it is written is not half in it.
        Never raises because of the disk: see `trouble`.

        Returns:
            Whether it is saved.
        """
        content = json.dumps(_document(self._namespaces, state)).encode()
        try:
            await asyncio.to_thread(_replace, self.path, content)
        except OSError as error:
            self.trouble = UnavailableError(
                f"cannot save the exporter's state to {self.path}: {error.strerror}",
                not_done="what was counted since the last save is counted again after a restart",
                next_step=f"see whether there is space and permission: ls -ld {self.path.parent}",
            )
            return False
        self.trouble = None
        return True


def _document(namespaces: Mapping[str, str], state: ExporterState) -> dict[str, Any]:
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "namespaces": dict(namespaces),
        "positions": {name: position.to_json() for name, position in state.positions.items()},
        "totals": state.totals.to_json(),
    }


def _state(plain: Mapping[str, Any]) -> ExporterState:
    return ExporterState(
        {str(name): Watermark.from_json(each) for name, each in plain["positions"].items()},
        Totals.from_json(plain["totals"]),
    )


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside it and rename that: whoever reads finds the old one or the new one."""
    beside = path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # it may have been left behind with another mode
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    # The rename is durable only once the directory is: fsync(2), the third paragraph.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
