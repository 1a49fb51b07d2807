"""The dashboard as files: what Grafana loads, and what tells it to."""

from __future__ import annotations

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from stigmer_ops.monitoring.catalogue.model import Catalogue
from stigmer_ops.monitoring.dashboards.classic import classic
from stigmer_ops.monitoring.dashboards.schema import DashboardSchema
from stigmer_ops.monitoring.dashboards.v2 import v2
from stigmer_ops.settings import Settings

COMMAND = "stigmer-ops dashboards generate"
HEADER = f"# Written by `{COMMAND}`; edit the catalogue or the settings instead."

PROVISIONING_FILE = "provisioning.yaml"
_FOLDER = "Stigmer"
_PATH = "/var/lib/grafana/dashboards/stigmer"
"""Where Grafana is to look for the JSON, unless the file is edited where it is installed."""


def dashboard_files(
    catalogue: Catalogue, settings: Settings, schema: DashboardSchema
) -> dict[str, str]:
    """File name to text; the same bytes for the same catalogue."""
    name = f"{catalogue.dashboard.uid}.json"
    if schema is DashboardSchema.V2:
        return {name: _encoded(v2(catalogue, settings))}
    return {name: classic_json(catalogue, settings), PROVISIONING_FILE: _provisioning()}


def classic_json(catalogue: Catalogue, settings: Settings) -> str:
    """The dashboard in the classic schema."""
    return _encoded(classic(catalogue, settings))


def _encoded(model: object) -> str:
    text: str = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(model)
    return text + "\n"


def _provisioning() -> str:
    """For provisioning/dashboards/ of Grafana's configuration."""
    provider = {
        "name": "stigmer-ops",
        "type": "file",
        "folder": _FOLDER,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 60,
        "options": {"path": _PATH},
    }
    document = {"apiVersion": 1, "providers": [provider]}
    return f"{HEADER}\n" + yaml.safe_dump(document, sort_keys=False)
