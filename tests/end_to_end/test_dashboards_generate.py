"""`dashboards generate` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from support.command_line import stigmer_ops

JSON = "stigmer-external-activities.json"


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_files_are_written_once_and_then_up_to_date(tmp_path: Path) -> None:
    out = tmp_path / "new" / "dashboards"
    first = await stigmer_ops("dashboards", "generate", "--out", str(out), "-o", "json")
    assert first.code == 0
    assert {file["done"] for file in first.json["files"]} == {"written"}
    assert names_in(out) == {JSON, "provisioning.yaml"}
    again = await stigmer_ops("dashboards", "generate", "--out", str(out), "-o", "json")
    assert {file["done"] for file in again.json["files"]} == {"unchanged"}
    check = await stigmer_ops("dashboards", "generate", "--check", "--out", str(out))
    assert (check.code, check.out) == (0, "")


async def test_check_shows_what_differs_and_writes_nothing(tmp_path: Path) -> None:
    await stigmer_ops("dashboards", "generate", "--out", str(tmp_path))
    before = (tmp_path / JSON).read_text()
    check = await stigmer_ops(
        "dashboards",
        "generate",
        "--check",
        "--out",
        str(tmp_path),
        variables={"STIGMER_OPS_MONITORING_THRESHOLDS_CRITICAL_AGE": "6h"},
    )
    assert check.code == 1
    changed = [line.strip() for line in check.out.splitlines() if line[:1] in "+-"]
    assert '-                "value": 43200.0' in changed
    assert '+                "value": 21600.0' in changed
    assert "1 of 2 files differ" in check.err
    assert (tmp_path / JSON).read_text() == before


async def test_the_v2_schema_is_not_provisioned_from_files(tmp_path: Path) -> None:
    await stigmer_ops("dashboards", "generate", "--out", str(tmp_path))
    done = await stigmer_ops("dashboards", "generate", "--schema", "v2", "--out", str(tmp_path))
    assert done.code == 0
    assert names_in(tmp_path) == {JSON}
    assert json.loads((tmp_path / JSON).read_text())["kind"] == "Dashboard"


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = await stigmer_ops("dashboards", "generate", "--out", str(tmp_path / "file"))
    assert done.code == 2
    assert str(tmp_path / "file") in done.err
