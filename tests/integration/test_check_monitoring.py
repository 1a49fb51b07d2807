"""What is wrong with the monitoring is found by its check, with a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from stigmer_ops.cli.check import access_of
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common, Connection
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Emitter
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.procedures.checks.check import Result
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.monitoring import vital_series
from stigmer_ops.procedures.checks.registry import CHECKS
from stigmer_ops.procedures.checks.runner import run_checks, select
from stigmer_ops.render.check import Silent
from stigmer_ops.settings_sources import load
from support.exposition import served
from support.prometheus import running_prometheus, wait_for_series

SETTINGS = load(None, {}).settings
RULES = rule_files(catalogue(SETTINGS), SETTINGS)
URL = "STIGMER_OPS_MONITORING_PROMETHEUS"
EXPORTER, TEMPORAL = "stigmer-ops", "temporal"


async def outcomes(url: str, **variables: str) -> dict[str, tuple[Result, str]]:
    environment = {"TEMPORAL_NAMESPACE": "orders", URL: url, **variables}
    access = access_of(Invocation(Common(), environment), Connection())
    selected = select(CHECKS, categories=frozenset({"monitoring"}))
    async with CheckContext.opened(access) as context:
        run = await run_checks(selected, context, observer=Silent())
    return {
        one.check.id: (one.result, one.detail)
        for one in run.results
        if one.check.category.id == "monitoring"
    }


def bad(found: Mapping[str, tuple[Result, str]]) -> dict[str, str]:
    return {id: detail for id, (result, detail) in found.items() if result is not Result.OK}


@contextmanager
def monitored(
    directory: Path,
    *,
    rules: Mapping[str, str] = RULES,
    jobs: tuple[str, ...] = (EXPORTER, TEMPORAL),
) -> Iterator[str]:
    """A Prometheus that has scraped the jobs; those of an exporter and of a Temporal server."""
    with served(Emitter.EXPORTER) as exporter, served(Emitter.TEMPORAL_SERVER) as temporal:
        targets = {EXPORTER: exporter, TEMPORAL: temporal}
        chosen = {job: targets[job] for job in jobs}
        with running_prometheus(directory, chosen, rules) as url:
            for job in chosen:
                wait_for_series(url, f'up{{job="{job}"}}')
            yield url


async def test_everything_is_well(tmp_path: Path) -> None:
    with monitored(tmp_path) as url:
        found = await outcomes(url)
        assert bad(found) == {}
        assert set(found) == {one.id for one in CHECKS if one.category.id == "monitoring"}
        assert found["prometheus-reachable"][1] == url
        assert found["exporter-up"][1] == "exporters: 1"
        with_slash = await outcomes(f"{url}/")
    assert bad(with_slash) == {}


async def test_prometheus_that_is_not_there_makes_the_rest_pointless() -> None:
    found = await outcomes("http://watcher:secret@127.0.0.1:1")
    result, detail = found["prometheus-reachable"]
    assert result is Result.FAILED
    assert detail.startswith("cannot reach Prometheus at http://127.0.0.1:1: ")
    assert detail.endswith("Connection refused")
    rest = {outcome for id, outcome in found.items() if id != "prometheus-reachable"}
    assert rest == {(Result.SKIPPED, "prometheus-reachable failed")}


async def test_no_prometheus_is_configured() -> None:
    reason = "no Prometheus is configured (monitoring.prometheus)"
    assert set((await outcomes("")).values()) == {(Result.SKIPPED, reason)}


async def test_rules_that_are_not_loaded(tmp_path: Path) -> None:
    with monitored(tmp_path, rules={}) as url:
        found = bad(await outcomes(url))
    assert set(found) == {"rules-current"}
    assert found["rules-current"].startswith("none of the ")


async def test_rules_of_other_settings(tmp_path: Path) -> None:
    with monitored(tmp_path) as url:
        found = bad(await outcomes(url, STIGMER_OPS_MONITORING_THRESHOLDS_CRITICAL_AGE="6h"))
    assert found == {"rules-current": "StigmerExternalActivityStuck differs in expr"}


async def test_exporter_that_is_not_scraped(tmp_path: Path) -> None:
    with monitored(tmp_path, jobs=(TEMPORAL,)) as url:
        found = bad(await outcomes(url))
    assert set(found) == {"exporter-up", "exporter-fresh", "metrics-present"}
    assert found["exporter-up"].startswith("Prometheus scrapes no exporter")


async def test_exporter_that_does_not_answer(tmp_path: Path) -> None:
    with running_prometheus(tmp_path, {EXPORTER: "127.0.0.1:1"}, RULES) as url:
        wait_for_series(url, "up")
        found = bad(await outcomes(url))
    assert found["exporter-up"] == "127.0.0.1:1 does not answer"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TEMPORAL_NAMESPACE": "billing"}, "no exporter reads the namespace 'billing'"),
        ({"STIGMER_OPS_MONITORING_THRESHOLDS_EXPORTER_STALE_AFTER": "30s"}, "the limit is 30s"),
    ],
)
async def test_exporter_that_has_not_read_the_namespace(
    variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    settings = load(None, variables).settings
    with monitored(tmp_path, rules=rule_files(catalogue(settings), settings)) as url:
        found = bad(await outcomes(url, **variables))
    assert set(found) == {"exporter-fresh"}
    assert told in found["exporter-fresh"]


async def test_metrics_that_are_missing(tmp_path: Path) -> None:
    variables = {"STIGMER_OPS_MONITORING_EXPORTER_SELECTOR": 'job="temporal"'}
    settings = load(None, variables).settings
    with monitored(tmp_path, rules=rule_files(catalogue(settings), settings)) as url:
        found = bad(await outcomes(url, **variables))
    assert set(found) == {"exporter-fresh", "metrics-present"}
    assert found["metrics-present"].splitlines() == [
        f"Prometheus has no {name}" for name in vital_series()
    ]


async def test_temporal_server_that_is_not_scraped(tmp_path: Path) -> None:
    with monitored(tmp_path, jobs=(EXPORTER,)) as url:
        found = await outcomes(url)
        unselected = await outcomes(url, STIGMER_OPS_MONITORING_TEMPORAL_SELECTOR="")
    assert bad(found) == {
        "temporal-scraped": 'no target of the Temporal server is up: up{job="temporal"}'
    }
    assert found["temporal-scraped"][0] is Result.WARNING
    assert unselected["temporal-scraped"][0] is Result.SKIPPED


async def test_alert_that_fires(tmp_path: Path) -> None:
    at_once = {name: text.replace("for: 5m", "for: 0s") for name, text in RULES.items()}
    with monitored(tmp_path, rules=at_once, jobs=()) as url:
        wait_for_series(url, 'ALERTS{alertname="StigmerExporterDown",alertstate="firing"}')
        found = bad(await outcomes(url))
    assert found["alerts-quiet"] == (
        "StigmerExporterDown: Prometheus reaches no exporter; alerts on what it reads cannot fire."
    )
