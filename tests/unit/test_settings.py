from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stigmer_ops.errors import SettingsError
from stigmer_ops.settings import Settings, leaves, variable_of
from stigmer_ops.settings_sources import load


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stigmer-ops.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_file_and_variables_everything_is_default() -> None:
    loaded = load(None, {})
    assert loaded.settings == Settings()
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}
    assert loaded.settings.thresholds.stuck_after == timedelta(hours=4)


def test_file_then_variable_win_and_say_so(tmp_path: Path) -> None:
    path = _file(tmp_path, "scan:\n  rps: 10\n  concurrency: 8\n")
    loaded = load(path, {"STIGMER_OPS_SCAN_RPS": "20"})
    assert (loaded.settings.scan.rps, loaded.settings.scan.concurrency) == (20, 8)
    assert str(loaded.origins["scan.rps"]) == "$STIGMER_OPS_SCAN_RPS"
    assert str(loaded.origins["scan.concurrency"]) == f"{path}:3"


def test_queue_names_follow_the_systems_own_variables_below_ours() -> None:
    system = {"TEMPORAL_ZIGFLOW_EXECUTION_TASK_QUEUE": "z1"}
    assert load(None, system).settings.task_queues.zigflow_execution.name == "z1"
    ours = {**system, "STIGMER_OPS_TASK_QUEUES_ZIGFLOW_EXECUTION_NAME": "z2"}
    assert load(None, ours).settings.task_queues.zigflow_execution.name == "z2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scann: {}\n", ":1: scann is not a setting; did you mean scan?"),
        ("scan:\n  rsp: 1\n", ":2: scan.rsp is not a setting; did you mean rps?"),
        ("thresholds:\n\n  stuck_after: 4\n", ":3: thresholds.stuck_after: 4 has no unit"),
        ("thresholds:\n  stuck_after: 4x\n", ":2: thresholds.stuck_after: '4x' is not a duration"),
        ("scan:\n  rps: 1\n  rps: 2\n", ":3: scan.rps is given twice"),
        ("scan: 3\n", ":1: scan: Input should be a valid dictionary"),
        ("scan:\n  rps: [\n", ":3: expected the node content"),
        ("a: b: c\n", ":1: mapping values are not allowed here"),
        ("scan:\n  concurrency: 0\n", ":2: scan.concurrency: Input should be greater than"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    assert f"{path}{expected}" in caught.value.happened


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = _file(tmp_path, "scan:\n  rps: x\nthresholds:\n  backlog: y\n")
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    assert f"{path}:2: scan.rps" in caught.value.happened
    assert f"{path}:4: thresholds.backlog" in caught.value.happened


def test_mistyped_variable_is_an_error_not_silence() -> None:
    with pytest.raises(SettingsError, match="did you mean STIGMER_OPS_SCAN_RPS"):
        load(None, {"STIGMER_OPS_SCAN_RSP": "1"})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00"])
def test_file_that_is_no_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=str(path)):
        load(path, {})


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*No such file"):
        load(tmp_path / "none.yaml", {})


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_makes_it_crash(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        said = str(load(path, {}).file)
    except SettingsError as error:
        said = error.happened
    assert str(path) in said


def test_variables_are_unambiguous() -> None:
    names = [variable_of(path) for path, _ in leaves(Settings())]
    assert len(names) == len(set(names))
