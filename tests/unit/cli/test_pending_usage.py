"""What `pending` refuses before it asks any server."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

USAGE = {
    "list --older-than 4": "is not a duration such as",
    "list --older-than=-4h": "is negative",
    "list --attempt 0": "is not an attempt such as",
    "list --state RUNNING": "'RUNNING' is not one of",
    "list --limit=-1": "is not in the range",
    "list --all-types --activity-type A": "contradict each other",
    "watch --count 0": "is not in the range",
    "show -a 1": "--workflow-id is missing",
    "show -w a -a 1 -r no-uuid": "is not a UUID",
}


@pytest.mark.parametrize("line", USAGE)
def test_wrong_usage_is_exit_2_and_says_what_is_wrong(line: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "stigmer_ops", "pending", *line.split()],
        env={"PATH": os.environ["PATH"], "TEMPORAL_ADDRESS": "127.0.0.1:1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert USAGE[line] in result.stderr
