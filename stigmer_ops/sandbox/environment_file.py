"""The file that points a terminal at a sandbox, and at nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from stigmer_ops.settings import Settings, leaves, variable_of
from stigmer_ops.temporal.connection_origins import TLS_VARIABLES

NAME = "environment"
_KEPT = frozenset({"STIGMER_OPS_READ_ONLY", "STIGMER_OPS_OUTPUT"})
"""What does not point anywhere: whoever has turned writing off wants it off here too."""
_ELSEWHERE = (
    "STIGMER_OPS_CONFIG",
    "TEMPORAL_API_KEY",
    "TEMPORAL_PROFILE",
    *TLS_VARIABLES,
    "TEMPORAL_CODEC_AUTH",
    "TEMPORAL_CODEC_ENDPOINT",
)
"""Variables that are no settings, and that would point at something of the reader's."""


def places_in(directory: Path) -> dict[str, str]:
    """Variables that keep what commands write and read apart from what is the reader's own.

    There is no `temporal.toml` in the directory, which the SDK takes for an empty one.
    """
    return {
        "STIGMER_OPS_AUDIT_PATH": str(directory / "audit.jsonl"),
        "STIGMER_OPS_PROCEDURES_PATH": str(directory / "procedures"),
        "TEMPORAL_CONFIG_FILE": str(directory / "temporal.toml"),
    }


def write_environment(directory: Path, variables: Mapping[str, str]) -> Path:
    """Write a file for `.` of a POSIX shell, which only its owner may read.

    It exports `variables`, and unsets every other one that says where something is.

    Returns:
        Where it is.
    """
    known = (*(variable_of(path) for path, _ in leaves(Settings())), *_ELSEWHERE)
    others = [name for name in known if name not in variables and name not in _KEPT]
    lines = [f"unset {name}" for name in others]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    path = directory / NAME
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path
