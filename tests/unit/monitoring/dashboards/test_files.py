from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.dashboards.files import HEADER, PROVISIONING_FILE, dashboard_files
from stigmer_ops.monitoring.dashboards.schema import DashboardSchema
from stigmer_ops.settings import AlertThresholds, Monitoring, Settings
from support.command_line import environment

UID = "stigmer-external-activities"


def dashboard(schema: DashboardSchema, settings: Settings | None = None) -> Any:
    settings = settings or Settings()
    return json.loads(dashboard_files(catalogue(settings), settings, schema)[f"{UID}.json"])


@pytest.fixture(scope="module")
def classic() -> Any:
    return dashboard(DashboardSchema.CLASSIC)


@pytest.fixture(scope="module")
def v2() -> Any:
    return dashboard(DashboardSchema.V2)


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict):
        yield node
    for child in children:
        yield from objects(child)


def test_the_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "from stigmer_ops.settings import Settings\n"
        "from stigmer_ops.monitoring.catalogue import catalogue\n"
        "from stigmer_ops.monitoring.dashboards.files import *\n"
        "from stigmer_ops.monitoring.dashboards.schema import DashboardSchema\n"
        "settings = Settings()\n"
        "for schema in DashboardSchema:\n"
        "    print(repr(dashboard_files(catalogue(settings), settings, schema)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=environment({"PYTHONHASHSEED": seed}),
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith(b"{'stigmer-external-activities.json'")


def test_classic_is_what_grafana_provisions(classic: Any) -> None:
    assert classic["uid"] == UID
    assert classic["schemaVersion"] == 39
    assert classic["editable"] is False
    assert classic["timezone"] == "utc"
    assert classic["tags"] == ["generated", "stigmer", "temporal"]
    assert {panel["type"] for panel in classic["panels"]} == {
        "row",
        "stat",
        "timeseries",
        "state-timeline",
    }


def test_classic_panels_have_unique_ids_and_do_not_overlap(classic: Any) -> None:
    ids = [panel["id"] for panel in classic["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for panel in classic["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_everything_asks_the_data_source_that_is_chosen(classic: Any) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asking = [each for each in objects(classic) if "expr" in each or "targets" in each]
    asking += classic["templating"]["list"][1:]
    assert [each for each in asking if each["datasource"] != chosen] == []
    assert classic["templating"]["list"][0]["type"] == "datasource"
    assert len(asking) > 60


def test_variables_narrow_each_other_and_stand_for_all_at_first(classic: Any) -> None:
    _, namespace, service, task_queue = classic["templating"]["list"]
    assert [v["name"] for v in (namespace, service, task_queue)] == [
        "namespace",
        "service",
        "task_queue",
    ]
    for variable in (namespace, service, task_queue):
        assert (variable["allValue"], variable["multi"], variable["refresh"]) == (".+", True, 2)
        assert variable["current"]["value"] == ["$__all"]
    assert service["query"]["query"] == (
        'label_values(stigmer_pending_external_activities{job="stigmer-ops",'
        'namespace=~"$namespace"}, service)'
    )


def test_firing_alerts_are_drawn_into_the_graphs_and_nothing_hides_in_a_menu(
    classic: Any, v2: Any
) -> None:
    (annotation,) = classic["annotations"]["list"]
    assert annotation["expr"] == 'ALERTS{alertname=~"Stigmer.*",alertstate="firing"}'
    (annotation,) = v2["spec"]["annotations"]
    assert annotation["spec"]["query"]["spec"]["expr"].startswith("ALERTS{")
    assert [
        each
        for document in (classic, v2)
        for each in objects(document)
        if "placement" in each and each["placement"] == "inControlsMenu"
    ] == []


def test_a_threshold_follows_the_settings() -> None:
    own = Monitoring(thresholds=AlertThresholds(success_ratio=0.8))
    panels = dashboard(DashboardSchema.CLASSIC, Settings(monitoring=own))["panels"]
    (success,) = (panel for panel in panels if panel["id"] == 1)
    steps = success["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [{"color": "orange", "value": None}, {"color": "green", "value": 0.8}]


def test_legends_tell_installations_apart_if_there_are_any() -> None:
    own = Settings(monitoring=Monitoring(installation_labels=("cluster",)))
    targets = [each for each in objects(dashboard(DashboardSchema.CLASSIC, own)) if "expr" in each]
    legends = [target["legendFormat"] for target in targets if "legendFormat" in target]
    assert legends
    assert [legend for legend in legends if not legend.endswith(" {{cluster}}")] == []


def test_v2_says_the_same_as_classic(classic: Any, v2: Any) -> None:
    assert v2["apiVersion"] == "dashboard.grafana.app/v2"
    assert v2["metadata"] == {"name": UID}
    old = {panel["id"]: panel for panel in classic["panels"] if panel["type"] != "row"}
    new = {each["spec"]["id"]: each["spec"] for each in v2["spec"]["elements"].values()}
    assert old.keys() == new.keys()
    for id, panel in old.items():
        spec = new[id]
        assert spec["title"] == panel["title"]
        assert spec["description"] == panel["description"]
        assert spec["vizConfig"]["group"] == panel["type"]
        assert spec["vizConfig"]["spec"]["fieldConfig"] == panel["fieldConfig"]
        queries = [q["spec"]["query"]["spec"]["expr"] for q in spec["data"]["spec"]["queries"]]
        assert queries == [target["expr"] for target in panel["targets"]]


def test_v2_places_every_element_once(v2: Any) -> None:
    rows = v2["spec"]["layout"]["spec"]["rows"]
    items = [item["spec"] for row in rows for item in row["spec"]["layout"]["spec"]["items"]]
    placed = [item["element"]["name"] for item in items]
    assert sorted(placed) == sorted(v2["spec"]["elements"])
    assert min(item["y"] for item in items) == 0


def test_v2_variables_are_asked_as_the_editor_writes_them(v2: Any) -> None:
    namespace = next(v["spec"] for v in v2["spec"]["variables"] if v["spec"]["name"] == "namespace")
    assert namespace["query"]["spec"] == {
        "query": 'label_values(stigmer_pending_external_activities{job="stigmer-ops"}, namespace)',
        "refId": "namespace",
        "qryType": 1,
    }


def test_provisioning_names_a_folder_and_allows_no_edits() -> None:
    settings = Settings()
    text = dashboard_files(catalogue(settings), settings, DashboardSchema.CLASSIC)[
        PROVISIONING_FILE
    ]
    assert text.startswith(HEADER + "\n")
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"].startswith("/")
