"""Grafana's two schemas of dashboards, by themselves: `--help` names them without the builders."""

from __future__ import annotations

from enum import StrEnum


class DashboardSchema(StrEnum):
    """Who reads the files."""

    CLASSIC = "classic"
    """Grafana 11 and newer, from files."""
    V2 = "v2"
    """Grafana 13 and newer, through its API, Terraform or Git Sync."""
