"""The audit trail on terminals: a line a record where it fits, and no folded ids where not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from stigmer_ops.render.audit import operations_table, report_table

RUN = "01a20df8-3449-789c-b687-6da4400d5f16"


def operation(**changed: Any) -> dict[str, Any]:
    return {
        "operation_id": RUN,
        "started": "2026-11-24T14:39:47.000Z",
        "ended": "2026-11-24T14:39:47.752Z",
        "command": "activity redeliver",
        "operator": "alice",
        "host": "bastion-1",
        "reason": "INC-1 callback lost",
        "namespace": "orders",
        "server_address": "127.0.0.1:7233",
        "target": {"workflow_id": "summarise-ticket-078efce210f6", "activity_id": "5"},
        "parameters": {},
        "outcome": {"result": "done", "proof_event_id": 7, "detail": "COMPLETED"},
        **changed,
    }


def drawn(width: int, *operations: dict[str, Any], wide: bool = False) -> list[str]:
    stream = io.StringIO()
    operations_table(Console(file=stream, width=width), operations, wide=wide)
    return stream.getvalue().splitlines()


REFUSED = operation(
    target={"workflow_id": "order-1", "activity_id": "5", "attempt": 2},
    outcome={"result": "refused", "detail": "moved to attempt 3"},
)


@pytest.mark.parametrize("width", [80, 120])
def test_a_record_is_a_line_and_what_it_was_about_stands_below(width: int) -> None:
    lines = drawn(width, operation(), REFUSED)
    assert lines[0].split() == ["TIME", "COMMAND", "RESULT", "EVENT", "OPERATOR"]
    assert lines[1].split() == [
        "2026-11-24T14:39:47.752Z", "activity", "redeliver", "done", "7", "alice",
    ]  # fmt: skip
    assert lines[2:4] == ["    summarise-ticket-078efce210f6  5", "    INC-1 callback lost"]
    assert lines[4].split()[3:] == ["refused", "-", "alice"]
    assert lines[5:] == [
        "    order-1  5  attempt 2",
        "    INC-1 callback lost",
        "    moved to attempt 3",
    ]


def test_a_wide_terminal_has_a_column_for_each_fact() -> None:
    heading, row = drawn(200, operation())
    assert heading.split()[3:5] == ["WORKFLOW", "ACTIVITY"]
    assert "summarise-ticket-078efce210f6  5 " in row


def test_what_has_no_target_or_no_outcome_says_so() -> None:
    unfinished = operation(target=None, outcome=None, ended=None)
    lines = drawn(80, unfinished)
    assert lines[1].split()[3] == "unfinished"
    assert lines[2:] == ["    INC-1 callback lost"]


def test_wide_output_keeps_every_id_whole_on_a_narrow_terminal() -> None:
    text = "\n".join(drawn(80, operation(target={"run_id": RUN}), wide=True))
    assert text.count(RUN) == 2


@pytest.mark.parametrize("width", [80, 120])
def test_the_head_is_one_line_to_copy(width: int) -> None:
    stream = io.StringIO()
    digest = "ab" * 32
    report: dict[str, Any] = {
        "path": "/var/audit.jsonl", "broken": None, "records": 4, "outcomes": {"done": 2},
        "unfinished": [], "sealed": 0, "head": digest,
    }  # fmt: skip
    report_table(Console(file=stream, width=width), report, wide=False)
    assert [line.split() for line in stream.getvalue().splitlines() if digest in line] in (
        [[digest]],
        [["head", digest]],
    )
