"""Plan files: both forms, their lines, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.handshake.plan import PlanHeader, PlanRow
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.plan_file import PROBLEMS_SHOWN, new_plan, open_plan

RUN_ID = "01936c5e-1a53-7000-8000-000000000001"
HEADER = '{"schema_version": 1, "kind": "Plan", "namespace": "orders"}\n'
YAML_HEADER = "schema_version: 1\nkind: Plan\nnamespace: orders\n"
YAML_ROW = f"""
  - action: extend
    workflow_id: order-1
    run_id: {RUN_ID}
    activity_id: "5"
    attempt: 1
    extend_by_seconds: 60
"""


def row(number: int, **fields: object) -> PlanRow:
    values = {"action": Action.SKIP, "scheduled_event_id": 5, **fields}
    return PlanRow(
        **{  # type: ignore[arg-type] # fields of a row
            "workflow_id": f"order-{number}",
            "run_id": RUN_ID,
            "activity_id": "5",
            "attempt": 1,
            **values,
        }
    )


def line(number: int) -> str:
    return json.dumps(row(number).as_record()) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan"


def refused(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as wrong, open_plan(path):
        pass
    return wrong.value.happened


def test_written_plan_is_read_again(path: Path) -> None:
    rows = [row(number) for number in range(3)]
    with new_plan(path, PlanHeader("orders", RUN_ID)) as plan:
        for each in rows:
            plan.add(each)
    with open_plan(path) as read:
        assert [each.row for each in read.rows()] == rows
        assert [(each.number, each.line) for each in read.rows()] == [(1, 2), (2, 3), (3, 4)]
        assert not read.edited
        assert read.tally.by_action[Action.SKIP] == 3


def test_failed_writing_leaves_nothing(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_plan(path, PlanHeader("orders")):
        raise ZeroDivisionError
    assert not path.exists()


def test_plan_is_never_overwritten(path: Path) -> None:
    path.write_text("kept")
    with pytest.raises(InputError, match="never overwritten"), new_plan(path, PlanHeader("o")):
        pass
    assert path.read_text() == "kept"


def test_edited_plan_is_known_and_blank_lines_do_no_harm(path: Path) -> None:
    with new_plan(path, PlanHeader("orders")) as plan:
        plan.add(row(1))
        plan.add(row(2))
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n\n")
    with open_plan(path) as read:
        assert read.edited
        assert read.tally.rows == 1


@pytest.mark.parametrize(
    "text",
    [
        YAML_HEADER + "rows:" + YAML_ROW,
        "# a comment\n---\nrows:" + YAML_ROW + YAML_HEADER,
    ],
)
def test_yaml_is_the_same_plan_in_any_order_of_its_keys(path: Path, text: str) -> None:
    path.write_text(text)
    with open_plan(path) as plan:
        (only,) = plan.rows()
        assert (only.row.action, only.row.extend_by_seconds) == (Action.EXTEND, 60.0)
        assert only.line == text.splitlines().index("  - action: extend") + 1
        sha256 = plan.sha256
    path.write_text(HEADER + json.dumps(only.row.as_record()) + "\n")
    with open_plan(path) as plan:
        assert plan.sha256 == sha256


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1: the plan is empty"),
        (b"\xff\xff\xff", "not YAML"),
        (b"{\xff}\n", ":1: not UTF-8 at byte 1"),
        ("{}\n", ":1: kind is missing"),
        (HEADER + '{"action": "skip", "action": "fail"}\n', ":2: 'action' is given twice"),
        (HEADER + "[1]\n", ":2: not a JSON object"),
        (HEADER + '{"a": NaN}\n', ":2: JSON has no NaN"),
        (HEADER + '{"a": \n', ":2: not JSON at column"),
        (HEADER + line(1) + line(2) + line(1), ":4: names the activity of line 2 again"),
        (HEADER + "[" * 100_000 + "\n", ":2: nested too deeply"),
        ("- 1\n", ":1: a plan is a mapping"),
        ("a: &x [1]\nb: *x\n", ":1: a plan has no anchors"),
        ("a: [\n", ":2: "),
        (YAML_HEADER + "rows: 3\n", ":4: rows must be a list"),
        (YAML_HEADER + "rows: [3]\n", ":4: a row is a mapping"),
        (YAML_HEADER + "rows:\n  - attemp: 1\n", ":5: unknown key 'attemp'"),
        (YAML_HEADER + "kind: Plan\n", ":4: 'kind' is given twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(path: Path, content: str | bytes, said: str) -> None:
    assert said in refused(path, content)


def test_two_rows_for_one_scheduled_event_are_one_activity(path: Path) -> None:
    other = json.dumps(row(1, activity_id="6").as_record()) + "\n"
    assert ":3: names the activity of line 2 again" in refused(path, HEADER + line(1) + other)


def test_very_many_problems_are_counted(path: Path) -> None:
    said = refused(path, HEADER + "{}\n" * 50)
    assert len(said.splitlines()) == PROBLEMS_SHOWN + 1
    assert "more" in said.splitlines()[-1]


def test_plan_that_changes_while_it_is_used_is_noticed(path: Path) -> None:
    path.write_text(HEADER + line(1) + line(2) + line(3))
    for changed in (
        HEADER + line(1) + line(4) + line(3),
        HEADER + line(1) + line(2),
        HEADER + line(1) + line(2) + line(3) + line(4),
        HEADER + line(1) + "{}\n",
    ):
        path.write_text(HEADER + line(1) + line(2) + line(3))
        with open_plan(path) as plan:
            path.write_text(changed)
            with pytest.raises(InputError, match="changed while it was in use"):
                list(plan.rows())


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the plan"), open_plan(tmp_path / "none"):
        pass
    with pytest.raises(InputError, match="is not a file"), open_plan(Path("/dev/null")):
        pass


JSON_LINES = HEADER + line(1) + line(2)


@pytest.mark.parametrize(
    "form", [JSON_LINES, YAML_HEADER + "rows:" + YAML_ROW], ids=["json", "yaml"]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["bare", "byte-order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_line_ends_change_no_digest(path: Path, form: str, mark: bytes, end: str) -> None:
    path.write_text(form)
    with open_plan(path) as plan:
        wanted = plan.sha256, plan.tally.rows
    path.write_bytes(mark + form.replace("\n", end).encode())
    with open_plan(path) as plan:
        assert (plan.sha256, plan.tally.rows) == wanted
        assert len(list(plan.rows())) == plan.tally.rows > 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "form", [JSON_LINES, YAML_HEADER + "rows:" + YAML_ROW], ids=["json", "yaml"]
)
def test_no_row_is_lost_to_another_encoding(path: Path, form: str, encoding: str) -> None:
    assert "1: not UTF-8" in refused(path, form.encode(encoding))


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("rows: []\n", "'rows' is given twice"),
        (f"---\n{YAML_HEADER}rows:{YAML_ROW}", "one document"),
        ("...\n---\nrows: []\n", "one document"),
    ],
)
def test_no_row_is_passed_over_in_yaml(path: Path, more: str, problem: str) -> None:
    whole = f"{YAML_HEADER}rows:{YAML_ROW}"
    assert problem in refused(path, whole + more)
