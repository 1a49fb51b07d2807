"""What somebody sees who has just installed it, on a terminal of 24 rows."""

from __future__ import annotations

from typer.testing import CliRunner

from stigmer_ops.cli.main import app
from stigmer_ops.cli.tree import ENTRIES


def test_help_ends_with_where_to_start() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"})
    last = shown.output.strip().splitlines()[-1].strip()
    assert shown.exit_code == 0
    assert last == "Start with: stigmer-ops check, then stigmer-ops diagnose"
    assert {"check", "diagnose"} <= {entry.name for entry in ENTRIES}
