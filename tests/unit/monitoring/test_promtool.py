"""What promtool says, and how it is read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from stigmer_ops.errors import CapabilityError, UnavailableError
from stigmer_ops.monitoring.promtool import Promtool, RuleProblem

CHECKED = """\
Checking a.yaml
  FAILED:
a.yaml: 5:11: group "g", rule 1, "r:x": could not parse expression: 1:9: parse error: unexpected end
a.yaml: group "g", rule 2, "B": annotation "x": template: __alert_B:1: function "no" not defined
Checking b.yaml
  FAILED:
b.yaml: yaml: unmarshal errors:
  line 6: field bogus not found in type rulefmt.RuleNode
b.yaml: yaml: unmarshal errors:
  line 6: field bogus not found in type rulefmt.RuleNode
Checking c.yaml
  FAILED:
c.yaml: yaml: line 3: mapping values are not allowed in this context
c.yaml: 8:3: groupname: "g" is repeated in the same file
"""
TESTED = """\
Unit Testing:  a.yaml
  SUCCESS

Unit Testing:  b.yaml
  FAILED:
    name: x,
    alertname: A, time: 9m,
        exp:[],
        got:[
            ]

    expr: "r:x", time: 5m,
        exp: {} 3E+00
        got: nil

Unit Testing:  c.yaml
  FAILED:
yaml: line 1: did not find expected ',' or ']'
"""


def saying(folder: Path, output: str) -> Promtool:
    """A program that says what promtool said in a real run."""
    (folder / "output").write_text(output)
    program = folder / "promtool"
    program.write_text(f"#!/bin/sh\ncat {folder}/output >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Promtool(program)


def test_problems_have_their_places(tmp_path: Path) -> None:
    files = [Path("a.yaml"), Path("b.yaml"), Path("c.yaml")]
    assert saying(tmp_path, CHECKED).check_rules(files) == [
        RuleProblem(
            "a.yaml",
            "could not parse expression: 1:9: parse error: unexpected end",
            5,
            11,
            "g",
            1,
            "r:x",
        ),
        RuleProblem(
            "a.yaml",
            'annotation "x": template: __alert_B:1: function "no" not defined',
            group="g",
            rule=2,
            name="B",
        ),
        RuleProblem("b.yaml", "field bogus not found in type rulefmt.RuleNode", 6),
        RuleProblem("c.yaml", "yaml: line 3: mapping values are not allowed in this context", 3),
        RuleProblem("c.yaml", 'groupname: "g" is repeated in the same file', 8, 3),
    ]


def test_failures_are_told_apart(tmp_path: Path) -> None:
    files = [Path("a.yaml"), Path("b.yaml"), Path("c.yaml")]
    sound, failing, broken = saying(tmp_path, TESTED).test_rules(files)
    assert sound.failures == ()
    assert [failure.split("\n")[0].strip() for failure in failing.failures] == [
        "name: x,",
        'expr: "r:x", time: 5m,',
    ]
    assert broken.failures == ("yaml: line 1: did not find expected ',' or ']'",)


def test_missing_results_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="tested 3 of 4 files"):
        saying(tmp_path, TESTED).test_rules([Path(f"{n}.yaml") for n in range(4)])


def test_nothing_is_run_for_no_files(tmp_path: Path) -> None:
    tool = Promtool(tmp_path / "gone")
    assert (tool.check_rules([]), tool.test_rules([])) == ([], [])


def test_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot run promtool"):
        Promtool(tmp_path / "gone").check_rules([Path("a.yaml")])


@pytest.mark.parametrize(
    ("output", "version", "excludes"),
    [
        ("promtool, version 2.42.0+ds (branch: debian/sid)", "2.42.0", False),
        ("promtool, version 3.5.0 (branch: HEAD)", "3.5.0", True),
        ("something else", "unknown", False),
    ],
)
def test_version_tells_what_ranges_include(
    tmp_path: Path, output: str, version: str, excludes: bool
) -> None:
    tool = saying(tmp_path, output)
    assert (tool.version, tool.excludes_range_start) == (version, excludes)


def test_missing_program_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Promtool.find() is None
    with pytest.raises(CapabilityError, match="promtool is not on PATH") as raised:
        Promtool.require()
    assert "apt-get install prometheus" in raised.value.next_step
