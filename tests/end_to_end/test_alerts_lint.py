"""`alerts lint` and `alerts explain` as they are typed: exit codes, formats, options, a server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.command_line import Finished, stigmer_ops
from support.lint_examples import alert
from support.prometheus import running_prometheus, wait_for_series

ROOT = Path(__file__).parents[2]
BAD = "expr: x_total > 1\nlabels: {team: a}\n"
GOOD = "expr: up == 0\n"


def written(folder: Path, fragment: str, name: str = "rules.yaml") -> str:
    (folder / name).write_text(alert(fragment))
    return str(folder / name)


async def lint(*arguments: str) -> Finished:
    return await stigmer_ops("alerts", "lint", *arguments)


async def test_clean_files_exit_0_and_say_how_much_was_read(tmp_path: Path) -> None:
    finished = await lint(written(tmp_path, GOOD))
    assert finished.code == 0, finished.out + finished.err
    assert finished.out.startswith("0 errors, 0 warnings, 0 infos in 1 file: 1 alert, 0 recordings")
    assert "syntax: promtool 2." in finished.out
    assert finished.err == ""


@pytest.mark.parametrize(
    ("fragment", "fail_on", "code"),
    [
        (BAD, "error", 1),
        ("expr: x_total > 1\n", "error", 0),
        ("expr: x_total > 1\n", "warning", 1),
        ("for: 0s\n", "warning", 0),
        ("for: 0s\n", "info", 1),
    ],
)
async def test_exit_code_follows_fail_on(
    fragment: str, fail_on: str, code: int, tmp_path: Path
) -> None:
    finished = await lint(written(tmp_path, fragment), "--fail-on", fail_on)
    assert finished.code == code, finished.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere.yaml",),
        ("empty",),
        ("rules.yaml", "--select", "nothing-like-it"),
        ("rules.yaml", "--format", "html"),
        ("rules.yaml", "--baseline", "none.json"),
        ("rules.yaml", "--write-baseline"),
        ("rules.yaml", "--catalogue", "rules.yaml"),
        ("rules.yaml", "--scrape-interval", "often"),
    ],
)
async def test_wrong_usage_exits_2_and_lints_nothing(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    written(tmp_path, GOOD)
    (tmp_path / "empty").mkdir()
    files = {"rules.yaml", "empty", "nowhere.yaml", "none.json"}
    finished = await lint(*(str(tmp_path / a) if a in files else a for a in arguments))
    assert finished.code == 2, finished.err
    assert finished.out == ""


async def test_text_is_what_editors_and_people_read(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    lines = (await lint(path)).out.splitlines()
    assert lines[0].startswith(f"{path}:11:11: warning: the counter x_total is used as it is")
    assert lines[0].endswith("[counter-without-rate]")
    assert lines[1] == "    hint: rate(x_total[5m]) or increase()"
    assert lines[2] == f"{path}:12:5: error: the alert has no severity [severity-missing]"


async def test_json_has_findings_and_counts(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    for options in (("--format", "json"), ("-o", "json")):
        finished = await lint(path, *options)
        assert finished.code == 1
        document = finished.json
        assert document["kind"] == "LintReport"
        assert document["schema_version"] == 1
        assert document["read"]["alerts"] == 1
        assert document["summary"] == {"error": 1, "warning": 1, "info": 0}
        by_rule = {finding["rule"]: finding for finding in document["findings"]}
        assert by_rule["severity-missing"]["object"] == "example/ExampleDown"
        assert by_rule["severity-missing"]["page"] == "docs/lint.md#severity-missing"
        assert by_rule["counter-without-rate"]["line"] == 11
        assert "1 error" in finished.err
    lines = (await lint(path, "-o", "jsonl")).lines
    assert [line["kind"] for line in lines] == ["LintFinding", "LintFinding"]


async def test_sarif_has_what_code_scanning_asks_for(tmp_path: Path) -> None:
    path = written(
        tmp_path, BAD + "# ack counter-without-rate until=2099-01-01 reason=it is reset\n"
    )
    log = (await lint(path, "--format", "sarif")).json
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == 2
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        [location] = result["locations"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert result["partialFingerprints"]
    suppressed = {result["ruleId"]: result.get("suppressions") for result in run["results"]}
    assert suppressed == {
        "severity-missing": None,
        "counter-without-rate": [{"kind": "inSource"}],
    }


async def test_junit_and_checkstyle_are_xml_whatever_is_in_the_files(tmp_path: Path) -> None:
    strange = 'alert: "A & <b> \\x01\\e[31m ]]>"\nlabels: {severity: "é\\u202e"}\n'
    path = written(tmp_path, strange)
    junit = ElementTree.fromstring((await lint(path, "--format", "junit")).out)
    assert junit.tag == "testsuites"
    cases = junit.findall("testsuite/testcase")
    assert int(junit.attrib["tests"]) == len(cases)
    assert int(junit.attrib["failures"]) == len(junit.findall("testsuite/testcase/failure"))
    checkstyle = ElementTree.fromstring((await lint(path, "--format", "checkstyle")).out)
    severities = {error.attrib["severity"] for error in checkstyle.findall("file/error")}
    assert severities <= {"error", "warning", "info"}
    assert any("A & <b>" in error.attrib["message"] for error in checkstyle.iter("error"))


async def test_github_commands_are_one_line_each(tmp_path: Path) -> None:
    path = written(tmp_path, "expr: up == == 0\nalert: 'a, b: 100%'\n")
    finished = await lint(path, "--format", "github")
    assert finished.code == 1
    for line in finished.out.splitlines():
        assert line.startswith(("::error file=", "::warning file=", "::notice file="))
    assert f"file={path},line=" in finished.out
    assert "'a, b: 100%25'" in finished.out


async def test_terminal_escapes_of_foreign_files_are_made_visible(tmp_path: Path) -> None:
    finished = await lint(written(tmp_path, 'alert: "\\e[31mred"\n'))
    assert "\x1b" not in finished.out
    assert "\\x1b[31mred" in finished.out


async def test_select_and_ignore(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    selected = (await lint(path, "--select", "severity", "-o", "json")).json
    assert [finding["rule"] for finding in selected["findings"]] == ["severity-missing"]
    ignored = (await lint(path, "--ignore", "severity-missing,for-missing", "-o", "json")).json
    assert [finding["rule"] for finding in ignored["findings"]] == ["counter-without-rate"]


async def test_baseline_lets_only_new_findings_fail(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    baseline = str(tmp_path / "baseline.json")
    assert (await lint(path, "--baseline", baseline, "--write-baseline")).code == 0
    same = await lint(path, "--baseline", baseline, "--fail-on", "info")
    assert same.code == 0, same.out
    assert "2 in the baseline" in same.out
    written(tmp_path, BAD + "annotations: {summary: x, runbook_url: x}\n")
    more = await lint(path, "--baseline", baseline)
    assert more.code == 1
    assert "description-missing" in more.out
    assert "severity-missing" not in more.out


async def test_catalogue_of_another_system_makes_checks_possible(tmp_path: Path) -> None:
    page = '# TYPE jobs counter\njobs{state="a"} 1\n'
    (tmp_path / "metrics.txt").write_text(page)
    path = written(tmp_path, "expr: jobs > 1\n")
    assert "counter-without-rate" not in (await lint(path)).out
    known = await lint(path, "--catalogue", str(tmp_path / "metrics.txt"))
    assert "counter-without-rate" in known.out


async def test_own_catalogue_can_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "expr: stigmer_of_somebody_else > 1\n")
    assert (await lint(path)).code == 1
    assert (await lint(path, "--no-catalogue")).code == 0


async def test_thresholds_of_the_settings_are_the_limits(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "expr: time() - stigmer_pending_external_activity_oldest_timestamp_seconds > 7200\n",
    )
    assert (await lint(path)).code == 0
    variables = {"STIGMER_OPS_THRESHOLDS_LONGEST_TIMEOUT": "2h"}
    finished = await stigmer_ops("alerts", "lint", path, variables=variables)
    assert finished.code == 1
    assert "age-beyond-timeout" in finished.out


async def test_explain_tells_each_rule_and_lists_all() -> None:
    one = await stigmer_ops("alerts", "explain", "divides-by-itself")
    assert one.code == 0
    assert one.out.startswith("divides-by-itself (error)\n")
    assert "Not (expression):" in one.out
    rules = (await stigmer_ops("alerts", "explain", "-o", "json")).json["rules"]
    assert len(rules) > 80
    assert {"id", "severity", "title", "explanation", "bad", "good"} <= set(rules[0])
    unknown = await stigmer_ops("alerts", "explain", "divides-by-self")
    assert unknown.code == 2
    assert "stigmer-ops alerts explain divides-by-itself" in unknown.err


class _Target(BaseHTTPRequestHandler):
    began = time.monotonic()

    def do_GET(self) -> None:
        age = time.monotonic() - self.began
        text = (
            f'# TYPE jobs counter\njobs{{state="done"}} {age}\n'
            f"# TYPE length gauge\nlength {{}} {age}\n"
        ).replace(" {}", "")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


LOADED = """\
groups:
- name: g
  rules:
  - {alert: Same, expr: 'rate(jobs[1m]) > 1000', for: 5m}
  - {alert: Other, expr: length > 5, for: 5m}
  - {alert: Fires, expr: length > -1}
  - {record: 'a:b:c', expr: length * on (state) jobs}
"""
LINTED = """\
groups:
- name: g
  rules:
  - {alert: Same, expr: 'rate( jobs[1m] ) > 1000', for: 5m}
  - {alert: Other, expr: length > 6, for: 5m}
  - {alert: Fires, expr: length > -1}
  - {record: 'a:b:c', expr: length * on (state) jobs}
  - {alert: Missing, expr: 'jobs{state="lost"} > 1 or rate(gone[30d]) > 1'}
  - {alert: Rate, expr: 'rate(length[1m]) > 1 unless absent(never)'}
"""


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = f"127.0.0.1:{server.server_address[1]}"
    (tmp_path / "prometheus").mkdir()
    with running_prometheus(
        tmp_path / "prometheus", {"app": target}, {"rules.yaml": LOADED}
    ) as url:
        wait_for_series(url, "jobs")
        wait_for_series(url, 'ALERTS{alertname="Fires"}')
        yield url
    server.shutdown()
    server.server_close()


async def test_prometheus_tells_what_files_cannot(prometheus: str, tmp_path: Path) -> None:
    path = tmp_path / "linted.yaml"
    path.write_text(LINTED)
    finished = await lint(str(path), "--prometheus", prometheus, "--format", "json")
    assert finished.code == 1, finished.err
    told: dict[str, list[str]] = {}
    for finding in finished.json["findings"]:
        told.setdefault(finding["rule"], []).append(finding["message"])
    assert told["series-absent"] == [
        'Prometheus has series of jobs now, but none with state="lost"',
        "Prometheus has no series of gone now",
    ]
    assert told["rule-not-loaded"] == [
        "Prometheus has another expression for Other",
        "Prometheus has not loaded Missing of the group g",
        "Prometheus has not loaded Rate of the group g",
    ]
    assert told["retention-exceeded"] == [
        "it looks 30 days back, and Prometheus keeps samples for 15 days"
    ]
    assert [message for message in told["rate-of-gauge"] if "length" in message]
    assert [message for message in told["counter-without-rate"] if "jobs" in message]
    assert told["alert-history"][0].startswith("in the last 24 hours it would have begun to fire 1")


async def test_prometheus_that_is_not_there_exits_3(tmp_path: Path) -> None:
    finished = await lint(written(tmp_path, GOOD), "--prometheus", "http://127.0.0.1:1")
    assert finished.code == 3
    assert "cannot reach Prometheus" in finished.err


async def test_start_up_loads_no_server_client_and_no_settings(tmp_path: Path) -> None:
    import asyncio
    import sys

    script = (
        "import sys; sys.argv = ['stigmer-ops', 'alerts', 'lint', sys.argv[1]]\n"
        "from stigmer_ops.cli.main import main\n"
        "code = main()\n"
        "print(sorted({'temporalio', 'grpc', 'pandas', 'requests', 'pydantic', 'rich'}"
        " & set(sys.modules)), file=sys.stderr)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        written(tmp_path, GOOD),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert json.loads(err.decode().replace("'", '"')) == []


async def test_generated_files_that_were_edited_are_found(tmp_path: Path) -> None:
    assert (await stigmer_ops("alerts", "generate", "--out", str(tmp_path))).code == 0
    clean = await lint(str(tmp_path), "--select", "generated")
    assert clean.code == 0, clean.out
    for name in ("stigmer-workers.yaml", "tests/generated/stigmer-workers.yaml"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace('job="stigmer-ops"', 'job="other"', 1))
    edited = await lint(str(tmp_path), "--select", "generated", "-o", "json")
    assert edited.code == 1
    assert [finding["rule"] for finding in edited.json["findings"]] == [
        "generated-stale",
        "generated-test-stale",
    ]
    path = tmp_path / "stigmer-workers.yaml"
    line = edited.json["findings"][0]["line"]
    assert 'job="other"' in path.read_text().split("\n")[line - 1]
    other = {"STIGMER_OPS_MONITORING_WINDOW": "10m"}
    moved = await stigmer_ops("alerts", "lint", str(tmp_path), variables=other)
    assert "generated-stale" in moved.out
