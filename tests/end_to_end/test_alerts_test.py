"""`alerts test` as it is typed, with the real promtool."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.command_line import stigmer_ops

ROOT = Path(__file__).parent.parent.parent
ALERTS = 28

RULES = """\
groups:
- name: g
  rules:
  - alert: High
    expr: sum by (job) (a) > 10
    for: 5m
    labels: {severity: critical}
"""
WEAK = """\
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: 'a{job="x"}', values: 0+5x20}
  alert_rule_test:
  - {eval_time: 0m, alertname: High}
  - eval_time: 20m
    alertname: High
    exp_alerts: [{exp_labels: {job: x, severity: critical}}]
"""

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """Somebody else's rule and a test of it that notices little."""
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "test.yaml").write_text(WEAK)
    return tmp_path


async def test_folder_may_hold_the_rules_beside_their_tests(strangers: Path) -> None:
    below = await stigmer_ops("alerts", "test", str(strangers), "-o", "json")
    rules = await stigmer_ops("alerts", "test", str(strangers / "rules.yaml"), "-o", "json")
    assert (below.code, [Path(f["path"]).name for f in below.json["files"]]) == (0, ["test.yaml"])
    assert rules.code == 1


async def test_committed_tests_pass_and_cover_every_alert() -> None:
    done = await stigmer_ops("alerts", "test", "-o", "json", directory=ROOT)
    assert [file for file in done.json["files"] if not file["passed"]] == []
    assert done.json["holes"] == []
    assert len(done.json["alerts"]) == ALERTS
    assert all(a["tested_to_fire"] and a["tested_to_be_quiet"] for a in done.json["alerts"])
    assert (done.code, done.json["passed"], done.json["mutation"]) == (0, True, None)


async def test_without_tests_the_generated_ones_are_run_with_the_settings(tmp_path: Path) -> None:
    done = await stigmer_ops(
        "alerts",
        "test",
        directory=tmp_path,
        variables={
            "STIGMER_OPS_THRESHOLDS_STUCK_AFTER": "6h",
            "STIGMER_OPS_THRESHOLDS_BACKLOG": "7",
            "STIGMER_OPS_THRESHOLDS_NEAR_DEADLINE_SHARE": "0.6",
            "STIGMER_OPS_MONITORING_THRESHOLDS_ERROR_RATIO": "0.08",
            "STIGMER_OPS_MONITORING_THRESHOLDS_COMPLETION_P99": "1s",
            "STIGMER_OPS_MONITORING_THRESHOLDS_EXPORTER_RPC_ERROR_RATIO": "0.2",
            "STIGMER_OPS_MONITORING_WINDOW": "10m",
            "STIGMER_OPS_MONITORING_COMPLETION_OBJECTIVE": "0.99",
            "STIGMER_OPS_MONITORING_EXPORTER_SELECTOR": 'job=~"ops|more",cluster="eu"',
            "STIGMER_OPS_MONITORING_TEMPORAL_SELECTOR": "",
        },
    )
    assert done.err == ""
    assert f"{ALERTS} of {ALERTS} alerts are tested" in done.out
    assert done.code == 0


async def test_strangers_tests_are_run_too(strangers: Path) -> None:
    done = await stigmer_ops("alerts", "test", "test.yaml", directory=strangers)
    assert done.code == 0
    assert "1 of 1 alerts are tested to fire and to be quiet" in done.out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[rules.yaml]", "[rules.yaml, gone.yaml]", "gone.yaml does not exist (rule-file-missing)"),
        ("alertname: High}", "alertname: Hihg}", "there is no alert Hihg; did you mean High?"),
        ("  - {eval_time: 0m, alertname: High}\n", "", "High is not tested to be quiet"),
        ("job: x", "job: y", 'Labels:{alertname="High", job="x"'),
        ("tests:", "tset:", "field tset not found"),
    ],
)
async def test_what_is_wrong_is_found_and_told(
    strangers: Path, old: str, new: str, told: str
) -> None:
    (strangers / "test.yaml").write_text(WEAK.replace(old, new))
    done = await stigmer_ops("alerts", "test", ".", directory=strangers)
    assert done.code == 1
    assert told in done.out


async def test_mutation_finds_what_a_weak_test_does_not_notice(strangers: Path) -> None:
    done = await stigmer_ops(
        "alerts", "test", "test.yaml", "--mutate", "-o", "json", directory=strangers
    )
    assert done.code == 1
    (rule,) = done.json["mutation"]["rules"]
    assert (rule["rule"], rule["mutants"], rule["killed"]) == ("High", 9, 3)
    assert [survivor["change"] for survivor in done.json["mutation"]["survivors"]] == [
        "sum becomes max",
        "> becomes >=",
        "10 becomes 1",
        "for: 5m is gone",
        "for: 5m becomes 10m",
        "for: 5m becomes 2m30s",
    ]


async def test_survivors_may_be_explained_and_explanations_must_be_needed(strangers: Path) -> None:
    names = ["sum becomes max", "> becomes >=", "10 becomes 1", "for: 5m is gone"]
    names += ["for: 5m becomes 10m", "for: 5m becomes 2m30s"]
    reviewed = strangers / "reviewed.yaml"
    entries = [f"- {{rule: High, change: '{name}', reason: It is known.}}\n" for name in names]
    arguments = ("alerts", "test", "test.yaml", "--mutate", "--reviewed", "reviewed.yaml")
    reviewed.write_text("".join(entries))
    done = await stigmer_ops(*arguments, directory=strangers)
    assert done.code == 0
    assert "3 of 9 mutants are noticed, 6 survivors are explained, 0 are not" in done.out
    reviewed.write_text("".join(entries) + "- {rule: High, change: none, reason: Gone.}\n")
    done = await stigmer_ops(*arguments, directory=strangers)
    assert done.code == 1
    assert "High: none: reviewed, but it is noticed or gone" in done.out


async def test_nothing_is_mutated_while_tests_fail(strangers: Path) -> None:
    (strangers / "test.yaml").write_text(WEAK.replace("job: x", "job: y"))
    done = await stigmer_ops("alerts", "test", "test.yaml", "--mutate", directory=strangers)
    assert done.code == 1
    assert "the tests have to pass first" in done.err


async def test_tests_of_our_own_rules_notice_each_mutant() -> None:
    """Some rules of each kind; `make mutation` breaks all of them, which takes minutes."""
    names = {
        "StigmerExternalActivityStuck",
        "StigmerExternalActivityBacklog",
        "StigmerPollersMissing",
        "StigmerExporterDown",
        "namespace:stigmer_pending_external_activities:sum",
    }
    groups = ("activities", "workers", "exporter")
    done = await stigmer_ops(
        *("alerts", "test", "--mutate", "-o", "json"),
        *(f"alerts/tests/generated/stigmer-{group}.yaml" for group in groups),
        *(argument for name in sorted(names) for argument in ("--rule", name)),
        directory=ROOT,
    )
    mutation = done.json["mutation"]
    assert {rule["rule"] for rule in mutation["rules"]} == names
    assert [survivor for survivor in mutation["survivors"] if survivor["reason"] is None] == []
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--rule", "High"), "add --mutate"),
        (("nowhere.yaml",), "cannot read nowhere.yaml"),
        (("empty",), "there are no rule tests below empty"),
        (("test.yaml", "--mutate", "--rule", "Hihg"), "the tests load no rule Hihg"),
    ],
)
async def test_wrong_usage(strangers: Path, arguments: tuple[str, ...], told: str) -> None:
    (strangers / "empty").mkdir()
    done = await stigmer_ops("alerts", "test", *arguments, directory=strangers)
    assert done.code == 2
    assert told in done.err


async def test_without_promtool_it_says_what_to_install(strangers: Path) -> None:
    done = await stigmer_ops(
        "alerts", "test", "test.yaml", directory=strangers, variables={"PATH": str(strangers)}
    )
    assert done.code == 3
    assert "apt-get install prometheus" in done.err
