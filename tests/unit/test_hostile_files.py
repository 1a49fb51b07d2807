"""What comes in files, and goes into them, does no harm to whoever opens them.

docs/security.md names each of these tests.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.exporter.log import Event, Level
from stigmer_ops.procedures.apply.report import report_file
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.render.exporter import LogFormat, log_to_stderr

FORMULAS = ('=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", FORMULAS)
def test_report_holds_no_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.csv"
    with report_file(path) as write:
        write([{"workflow_id": text, "attempt": -1, "detail": "a = b", "operation_id": None}])

    with path.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row == {
        "workflow_id": f"'{text}",
        "attempt": "-1",
        "detail": "a = b",
        "operation_id": "",
    }


@pytest.mark.parametrize("text", FORMULAS)
def test_report_for_machines_holds_what_was_planted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.jsonl"
    with report_file(path) as write:
        write([{"workflow_id": text}])

    assert json.loads(path.read_text()) == {"workflow_id": text}


@pytest.mark.parametrize(
    "planted",
    [
        "!!python/object/apply:os.system ['touch planted']",
        "!!python/name:os.system",
        "&bomb [*bomb, *bomb]",
        "{<<: *nothing}",
    ],
)
def test_plan_makes_no_objects(
    tmp_path: Path, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "plan.yaml"
    path.write_text(f"schema_version: 1\nkind: Plan\nnamespace: orders\nrows:\n  - {planted}\n")

    with pytest.raises(InputError) as refused, open_plan(path):
        pass

    assert "plan.yaml:5" in refused.value.happened
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", LogFormat)
def test_log_line_stays_one(capsys: pytest.CaptureFixture[str], form: LogFormat) -> None:
    planted = 'orders\ntime=2026 level=error message="forged"\r\x1b[2J\u2028\u202e" x=1'
    event = Event(Level.INFO, "reading", {"namespace": planted})

    log_to_stderr(form, lambda: NOW, debug=False)(event)

    written = capsys.readouterr().err
    assert len(written.splitlines()) == 1
    assert written.isascii()
    if form is LogFormat.JSON:
        assert json.loads(written)["namespace"] == planted
