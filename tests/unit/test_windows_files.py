"""Files that an editor of Windows saved: a byte-order mark in front, and carriage returns.

Plans are in test_plan_file.py, tokens in test_token_forms.py, logs in test_scan.py and
test_sources.py.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common, Connection
from stigmer_ops.errors import InputError, SettingsError
from stigmer_ops.settings_sources import load
from stigmer_ops.temporal.results import parse_json


def saved(path: Path, text: str) -> Path:
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    return path


def test_settings_are_read_with_their_lines(tmp_path: Path) -> None:
    path = saved(tmp_path / "settings.yaml", "thresholds:\n  # when\n  stuck_after: 3h\n")
    loaded = load(path, {})
    assert loaded.settings.thresholds.stuck_after == timedelta(hours=3)
    assert str(loaded.origins["thresholds.stuck_after"]).endswith("settings.yaml:3")


def test_wrong_setting_is_told_with_its_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "settings.yaml", "thresholds:\n  stuck: 3h\n")
    with pytest.raises(SettingsError, match=r"settings\.yaml:2: thresholds\.stuck"):
        load(path, {})


def test_settings_in_utf_16_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("thresholds: {}\n", encoding="utf-16")
    with pytest.raises(SettingsError, match="not UTF-8 at byte 0"):
        load(path, {})


def test_key_is_what_stands_between(tmp_path: Path) -> None:
    path = saved(tmp_path / "key", "secret-key\n")
    invocation = Invocation(Common(), environment={})
    target = invocation.target(Connection(address="127.0.0.1:1", api_key_file=path))
    assert target.api_key == "secret-key"


def test_result_is_the_value(tmp_path: Path) -> None:
    path = saved(tmp_path / "result.json", '{"text":\n "a\\r\\nb"}\n')
    assert parse_json(path.read_bytes(), str(path)) == {"text": "a\r\nb"}
    with pytest.raises(InputError, match="not UTF-8 at byte 0"):
        parse_json('{"a": 1}'.encode("utf-16"), "result.json")
