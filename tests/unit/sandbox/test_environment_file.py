"""The file that a terminal reads to work on a sandbox, in a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stigmer_ops.sandbox.environment_file import places_in, write_environment

SH = shutil.which("sh") or "/bin/sh"


def after(file: Path, **before: str) -> dict[str, str]:
    """The variables of a shell that has read the file."""
    done = subprocess.run(
        [SH, "-euc", f". '{file}'; env -0"], env=before, capture_output=True, check=True
    )
    pairs = done.stdout.decode().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = write_environment(tmp_path, {"TEMPORAL_ADDRESS": "127.0.0.1:1"})

    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("value", ["127.0.0.1:1", "it's $HOME; `id`", "two\nlines", ""])
def test_values_arrive_as_they_are(tmp_path: Path, value: str) -> None:
    file = write_environment(tmp_path, {"TEMPORAL_NAMESPACE": value})

    assert after(file)["TEMPORAL_NAMESPACE"] == value


def test_what_pointed_elsewhere_is_unset(tmp_path: Path) -> None:
    elsewhere = {
        "STIGMER_OPS_CONFIG": "/etc/production.yaml",
        "STIGMER_OPS_MONITORING_ALERTMANAGER": "http://production:9093",
        "STIGMER_OPS_MONITORING_THRESHOLDS_CRITICAL_AGE": "12h",
        "STIGMER_OPS_STIGMER_NAMESPACE": "production",
        "STIGMER_OPS_KUBERNETES_CONTEXT": "production",
        "TEMPORAL_API_KEY": "secret",
        "TEMPORAL_TLS": "true",
        "TEMPORAL_PROFILE": "production",
    }
    file = write_environment(tmp_path, {"TEMPORAL_ADDRESS": "127.0.0.1:1"})

    assert not set(after(file, **elsewhere)) & set(elsewhere)


def test_read_only_mode_stays_on(tmp_path: Path) -> None:
    file = write_environment(tmp_path, {"TEMPORAL_ADDRESS": "127.0.0.1:1"})

    assert after(file, STIGMER_OPS_READ_ONLY="1")["STIGMER_OPS_READ_ONLY"] == "1"


def test_what_commands_write_is_in_the_directory(tmp_path: Path) -> None:
    places = places_in(tmp_path)

    assert {"STIGMER_OPS_AUDIT_PATH", "STIGMER_OPS_PROCEDURES_PATH"} <= set(places)
    assert {Path(place).parent for place in places.values()} == {tmp_path}
