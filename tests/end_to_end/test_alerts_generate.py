"""`alerts generate` as it is typed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import yaml

from support.command_line import stigmer_ops

RULES = {
    "stigmer-activities.yaml",
    "stigmer-completion-recordings.yaml",
    "stigmer-completions.yaml",
    "stigmer-deployment.yaml",
    "stigmer-exporter.yaml",
    "stigmer-handshake-recordings.yaml",
    "stigmer-workers.yaml",
}


def files_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.is_file()}


async def test_files_are_written_once_and_then_up_to_date(tmp_path: Path) -> None:
    first = await stigmer_ops("alerts", "generate", "-o", "json", directory=tmp_path)
    assert {file["done"] for file in first.json["files"]} == {"written"}
    assert files_in(tmp_path / "alerts") == RULES
    assert files_in(tmp_path / "alerts" / "tests" / "generated")
    again = await stigmer_ops("alerts", "generate", "-o", "json", directory=tmp_path)
    assert {file["done"] for file in again.json["files"]} == {"unchanged"}
    check = await stigmer_ops("alerts", "generate", "--check", directory=tmp_path)
    assert (check.code, check.out) == (0, "")


async def test_check_shows_what_differs_and_writes_nothing(tmp_path: Path) -> None:
    await stigmer_ops("alerts", "generate", directory=tmp_path)
    rules = tmp_path / "alerts" / "stigmer-activities.yaml"
    before = rules.read_text()
    check = await stigmer_ops(
        "alerts",
        "generate",
        "--check",
        directory=tmp_path,
        variables={"STIGMER_OPS_MONITORING_THRESHOLDS_CRITICAL_AGE": "6h"},
    )
    assert check.code == 1
    changed = [line.strip() for line in check.out.splitlines() if line[:1] in "+-"]
    assert "-      ) > 43200" in changed
    assert "+      ) > 21600" in changed
    assert "2 of 14 files differ" in check.err
    assert rules.read_text() == before


async def test_rule_file_that_is_no_longer_generated_is_removed(tmp_path: Path) -> None:
    await stigmer_ops("alerts", "generate", directory=tmp_path)
    written = (tmp_path / "alerts" / "stigmer-workers.yaml").read_text()
    (tmp_path / "alerts" / "stigmer-old.yaml").write_text(written)
    (tmp_path / "alerts" / "mine.yaml").write_text("groups: []\n")
    check = await stigmer_ops("alerts", "generate", "--check", "-o", "json", directory=tmp_path)
    assert check.code == 1
    surplus = [file["path"] for file in check.json["files"] if file["state"] == "surplus"]
    assert surplus == ["alerts/stigmer-old.yaml"]
    await stigmer_ops("alerts", "generate", directory=tmp_path)
    assert files_in(tmp_path / "alerts") == {*RULES, "mine.yaml"}


async def test_resources_for_the_operator_are_rules_without_tests(tmp_path: Path) -> None:
    out = tmp_path / "deploy"
    done = await stigmer_ops(
        "alerts", "generate", "--format", "prometheus-operator", "--out", str(out)
    )
    assert done.code == 0
    assert {path.name for path in out.iterdir()} == RULES
    resources = [yaml.safe_load(path.read_text()) for path in out.iterdir()]
    assert {resource["kind"] for resource in resources} == {"PrometheusRule"}


async def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = await stigmer_ops("alerts", "generate", "--out", str(tmp_path / "file"))
    assert done.code == 2
    assert str(tmp_path / "file") in done.err


@pytest.mark.parametrize("library", ["temporalio", "grpc", "pandas", "requests"])
async def test_it_starts_without(library: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-X", "importtime", "-m", "stigmer_ops", "alerts", "generate"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert "stigmer_ops.monitoring.rules" in imported
    assert library not in imported
