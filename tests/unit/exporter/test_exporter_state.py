"""The state file: what it holds, what it refuses, and that it is never half written."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.errors import InputError, StigmerOpsError, UnavailableError
from stigmer_ops.exporter.callbacks.news import CallbackEnd
from stigmer_ops.exporter.state import ExporterState, StateFile
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Claim, TokenState
from support.task_tokens import WORKFLOW_ACTIVITY

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
IDS = {"default": "ns-1", "stigmer": "ns-2"}


def end(**fields: Any) -> CallbackEnd:
    given: dict[str, Any] = {
        "claim": Claim(TokenState.WHOLE, workflow_id="w", run_id="r", activity_id="5"),
        "namespace": "default",
        "service": "go",
        "status": "failure",
        "duration": timedelta(seconds=0.3),
        "error_type": "client_error",
    }
    return CallbackEnd(**{**given, **fields})


def some_state() -> ExporterState:
    state = ExporterState()
    position = state.position("stigmer", NOW)
    position.seen["run-1"] = NOW - timedelta(seconds=3)
    state.totals.count(end())
    state.totals.count(end(status="success", error_type=None, duration=timedelta(seconds=400)))
    return state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exporter.json"


def save(file: StateFile, state: ExporterState) -> bool:
    return asyncio.run(file.save(state))


def saved(path: Path) -> None:
    with StateFile(path, IDS) as file:
        assert save(file, some_state())


def test_state_is_read_as_it_was_saved(path: Path) -> None:
    saved(path)
    with StateFile(path, IDS) as file:
        assert file.load() == some_state()


def test_no_file_is_a_new_state_that_begins_now(path: Path) -> None:
    with StateFile(path, IDS) as file:
        state = file.load()
    assert state == ExporterState()
    assert state.position("default", NOW).time == NOW
    assert state.position("default", NOW + timedelta(hours=1)).time == NOW
    assert not path.exists()


def test_only_its_owner_may_read_it_whatever_was_there(path: Path) -> None:
    leftover = path.with_name("exporter.json.new")
    leftover.write_text("half")
    leftover.chmod(0o644)
    saved(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("exporter.json.lock").stat().st_mode) == 0o600
    assert not leftover.exists()


def test_no_token_is_in_the_file(path: Path) -> None:
    claim = claim_of(WORKFLOW_ACTIVITY)
    state = some_state()
    state.totals.count(end(claim=claim))
    with StateFile(path, IDS) as file:
        save(file, state)
    content = path.read_text()
    assert claim.workflow_id
    for secret in (WORKFLOW_ACTIVITY.hex(), claim.fingerprint, claim.workflow_id, claim.run_id):
        assert secret not in content


def replaced(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain.update(fields)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (replaced(kind="something"), "kind 'something', schema 1"),
        (replaced(schema=2), "schema 2, which this version lacks"),
        (replaced(totals={}), "is damaged"),
        (replaced(positions={"stigmer": {"time": "2026-11-24T10:00:00", "seen": {}}}), "damaged"),
        (replaced(positions=[1]), "is damaged"),
        (replaced(namespaces={"default": "ns-9"}), "namespace default has the id ns-9 there"),
        (replaced(namespaces={"other": "ns-9"}), "belongs to other namespaces: other"),
        (lambda plain: plain["totals"].update(durations=[["a", "b", "c", [1], 0.1]]), "damaged"),
        (lambda plain: plain["totals"].update(completions=[["a", "b", "c", -1]]), "damaged"),
    ],
)
def test_what_does_not_belong_is_refused_and_kept(
    path: Path, spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    saved(path)
    plain = json.loads(path.read_bytes())
    spoil(plain)
    path.write_text(json.dumps(plain))
    before = path.read_bytes()
    with StateFile(path, IDS) as file, pytest.raises(InputError) as refused:
        file.load()
    assert said in refused.value.happened
    assert "left as it is" in refused.value.not_done
    assert f"mv {path} {path}.old" in refused.value.advice
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'"state"'])
def test_what_is_no_state_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with StateFile(path, IDS) as file, pytest.raises(InputError, match="damaged, or no state"):
        file.load()


def test_directory_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with StateFile(path, IDS) as file, pytest.raises(InputError, match="cannot be read"):
        file.load()


def test_namespaces_that_are_not_read_today_keep_their_place(path: Path) -> None:
    saved(path)
    with StateFile(path, {"stigmer": "ns-2"}) as file:
        save(file, file.load())
    assert json.loads(path.read_bytes())["namespaces"] == IDS


def test_second_exporter_is_kept_away(path: Path) -> None:
    with StateFile(path, IDS):
        second = StateFile(path, IDS)
        with pytest.raises(InputError, match="another exporter uses"):
            second.__enter__()
    with StateFile(path, IDS) as file:
        assert file.load() == ExporterState()


def test_missing_directory_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"), StateFile(tmp_path / "no/s.json", IDS):
        pass


def troubles(file: StateFile) -> list[StigmerOpsError]:
    return [] if file.trouble is None else [file.trouble]


@contextmanager
def no_space() -> Iterator[None]:
    """Files of this process cannot grow beyond a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_told_and_the_old_state_stays(path: Path) -> None:
    saved(path)
    before = path.read_bytes()
    with StateFile(path, IDS) as file:
        with no_space():
            assert not save(file, ExporterState())
        (trouble,) = troubles(file)
        assert isinstance(trouble, UnavailableError)
        assert "File too large" in trouble.happened
        assert path.read_bytes() == before
        assert sorted(each.name for each in path.parent.iterdir()) == [
            "exporter.json",
            "exporter.json.lock",
        ]
        assert save(file, ExporterState())
        assert troubles(file) == []
        assert file.load() == ExporterState()


def test_link_in_place_of_the_new_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_name("exporter.json.new").symlink_to(victim)
    with StateFile(path, IDS) as file:
        assert not save(file, some_state())
        assert victim.read_text() == "precious"
        assert save(file, some_state())  # the link was removed


SAVES_FOR_EVER = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stigmer_ops.exporter.state import StateFile

async def main():
    with StateFile(Path(sys.argv[1]), {"default": "ns-1"}) as file:
        state = file.load()
        now = datetime(2026, 1, 1, tzinfo=UTC)
        position = state.position("default", now)
        while True:
            position.time += timedelta(seconds=1)
            position.seen = {f"run-{n}": now for n in range(2000)}
            state.totals.completions["default", "go", "success"] += 1
            await file.save(state)
            print(flush=True)

asyncio.run(main())
"""


def test_killed_while_it_saves_leaves_position_and_totals_that_agree(path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    counted = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVES_FOR_EVER, str(path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout:
            for _ in range(5):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        process.wait()
        with StateFile(path, {"default": "ns-1"}) as file:
            state = file.load()
        completions = state.totals.completions["default", "go", "success"]
        assert state.positions["default"].time == start + timedelta(seconds=completions)
        assert completions >= counted + 5
        counted = completions
