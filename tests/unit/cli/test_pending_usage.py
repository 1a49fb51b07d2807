"""What `pending` looks for, and what it refuses before it asks any server."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters, Common
from stigmer_ops.cli.pending_scan import selection_of
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE

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


@pytest.mark.parametrize(
    ("filters", "types", "left_out"),
    [
        (ActivityFilters(), {"Own", "Other"}, set(KIND_BY_WORKFLOW_TYPE)),
        (ActivityFilters(activity_type=["ExecuteGraphton"]), {"ExecuteGraphton"}, set()),
        (ActivityFilters(all_types=True), set(), set()),
    ],
    ids=("settings", "named", "all"),
)
def test_stigmers_own_workflows_are_left_out_where_only_external_activities_are_meant(
    filters: ActivityFilters, types: set[str], left_out: set[str]
) -> None:
    variables = {"STIGMER_OPS_EXTERNAL_ACTIVITY_TYPES": "Own,Other"}
    selection = selection_of(Invocation(Common(), variables), filters)
    assert set(selection.activity_types) == types
    assert set(selection.other_than) == left_out
