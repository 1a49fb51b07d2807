"""Which operations of an audit trail an incident is about."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.audit import Entry, Outcome, Result
from stigmer_ops.procedures.incident.actions import Actions, Wanted, names, read_actions
from support.audit import NOW, intent, trail_at

HERE, ELSEWHERE = "temporal:7233", "127.0.0.1:7233"


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    for reason, address, namespace in (
        ("INC-7 lost", HERE, "orders"),
        ("INC-70 lost", HERE, "orders"),
        ("TOUR in a sandbox", ELSEWHERE, "orders"),
        ("INC-7 of another team", HERE, "billing"),
    ):
        opened = Entry.opening(intent(reason=reason, server_address=address, namespace=namespace))
        trail_at(path).append(opened)
        trail_at(path).append(opened.closing(Outcome(result=Result.DONE)))
    return path


def actions(path: Path, **asked: Any) -> Actions:
    since = NOW - timedelta(hours=1)
    return read_actions([path], Wanted(since, frozenset({"orders"}), **asked))


def reasons(found: Actions) -> list[str]:
    return [one.record.intent.reason for one in found.operations]


def test_what_was_done_on_another_server_is_left_out_and_told(trail: Path) -> None:
    found = actions(trail, servers=frozenset({HERE}))

    assert reasons(found) == ["INC-7 lost", "INC-70 lost"]
    assert found.elsewhere == (ELSEWHERE,)


def test_other_address_of_the_server_is_taken_in(trail: Path) -> None:
    found = actions(trail, servers=frozenset({HERE, ELSEWHERE}))

    assert reasons(found) == ["INC-7 lost", "INC-70 lost", "TOUR in a sandbox"]
    assert found.elsewhere == ()


def test_ticket_selects_by_the_reason_and_of_other_servers_too(trail: Path) -> None:
    found = actions(trail, servers=frozenset({HERE}), tickets=("INC-7",))

    assert reasons(found) == ["INC-7 lost"]
    assert found.elsewhere == ()


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("INC-7", True),
        ("inc-7: lost", True),
        ("lost (INC-7)", True),
        ("INC-70", False),
        ("PINC-7", False),
        ("INC-7-2", False),
        ("", False),
    ],
)
def test_ticket_is_named_whole(reason: str, named: bool) -> None:
    assert names(reason, "INC-7") is named
