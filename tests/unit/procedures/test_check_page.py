"""What a person, and a program, sees of a run of checks."""

from __future__ import annotations

import io
import json

import pytest

from stigmer_ops.procedures.checks.check import Category, Check, CheckResult, Ok, Result
from stigmer_ops.procedures.checks.runner import CheckRun
from stigmer_ops.render.check import Page, run_record

LOWER, UPPER = Category("lower", "Lower things"), Category("upper", "Upper things")


class Context:
    def forget(self) -> None:
        """Nothing is kept."""


async def _ok(_context: Context) -> Ok:
    return Ok()


def result(
    id: str, category: Category, how: Result, detail: str = "", hint: str = ""
) -> CheckResult:
    check = Check(id, category, f"{id} is as it should be", frozenset(), "", _ok)
    return CheckResult(check, how, detail, hint, "own-kind" if how is Result.FAILED else "", 0.25)


RUN = CheckRun(
    [
        result("roof", LOWER, Result.OK, "seen"),
        result("wall", LOWER, Result.WARNING, "first cause\nsecond cause", "paint it"),
        result("door", UPPER, Result.FAILED, "it is \x1b[31mlocked", "find the key"),
        result("room", UPPER, Result.SKIPPED, "door failed"),
    ]
)

PAGE = """\
Lower things
------------
√ roof is as it should be (seen)
‼ wall is as it should be
    first cause
    second cause
    next: paint it
    help: stigmer-ops runbook show wall

Upper things
------------
× door is as it should be
    it is \\x1b[31mlocked
    next: find the key
    help: stigmer-ops runbook show door
- room is as it should be (skipped: door failed)

× 4 checks: 1 ok, 1 warning, 1 failed, 1 skipped
"""  # noqa: RUF001 - the sign is meant


def shown(encoding: str, run: CheckRun = RUN) -> str:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    page = Page(stream)
    for found in run.results:
        page.ended(found)
    page.summary(run)
    page.close()
    stream.flush()
    return "\n".join(line.rstrip() for line in buffer.getvalue().decode(encoding).split("\n"))


def test_page_has_categories_causes_hints_and_a_summary() -> None:
    assert shown("utf-8") == PAGE


def test_checks_skipped_for_one_reason_are_one_line_with_their_ids() -> None:
    skipped = CheckRun(
        [
            result("door", LOWER, Result.SKIPPED, "no key"),
            result("roof", UPPER, Result.SKIPPED, "no ladder"),
            result("wall", UPPER, Result.SKIPPED, "no ladder"),
            result("room", UPPER, Result.SKIPPED, "door failed"),
            result("path", UPPER, Result.OK),
            result("gate", UPPER, Result.SKIPPED, "door failed"),
        ]
    )
    assert shown("utf-8", skipped).splitlines() == [
        "Lower things",
        "------------",
        "- door is as it should be (skipped: no key)",
        "",
        "Upper things",
        "------------",
        "- 2 checks are skipped: no ladder",
        "    roof, wall",
        "- room is as it should be (skipped: door failed)",
        "√ path is as it should be",
        "- gate is as it should be (skipped: door failed)",
        "",
        "√ 6 checks: 1 ok, 5 skipped",
    ]


def test_skips_that_wait_for_the_next_check_are_printed_where_a_run_breaks_off() -> None:
    buffer = io.StringIO()
    page = Page(buffer)
    page.ended(result("roof", LOWER, Result.SKIPPED, "no ladder"))
    assert buffer.getvalue() == ""
    page.close()
    assert buffer.getvalue().splitlines()[-1] == "- roof is as it should be (skipped: no ladder)"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_page_uses_plain_marks_where_the_encoding_has_no_others(encoding: str) -> None:
    lines = shown(encoding).splitlines()
    assert lines[2].startswith("ok roof")
    assert lines[3].startswith("!! wall")
    assert any(line.startswith("x door") for line in lines)


def test_page_escapes_what_the_encoding_does_not_have() -> None:
    foreign = CheckRun([result("wall", LOWER, Result.FAILED, "naïve ⚠")])
    assert "na\\xefve \\u26a0" in shown("ascii", foreign)


def test_success_is_summed_up_as_such() -> None:
    fine = CheckRun(RUN.results[:2])
    assert shown("utf-8", fine).splitlines()[-1] == "√ 2 checks: 1 ok, 1 warning"


def test_record_is_stable_json() -> None:
    record = json.loads(json.dumps(run_record(RUN)))
    assert record["success"] is False
    assert record["counts"] == {"ok": 1, "warning": 1, "failed": 1, "skipped": 1}
    assert [category["id"] for category in record["categories"]] == ["lower", "upper"]
    assert record["categories"][1]["checks"][0] == {
        "id": "door",
        "sentence": "door is as it should be",
        "result": "failed",
        "detail": "it is \x1b[31mlocked",
        "hint": "find the key",
        "reference": "own-kind",
        "page": "runbooks/checks/door.md",
        "seconds": 0.25,
    }
    assert record["categories"][1]["checks"][1]["hint"] is None
