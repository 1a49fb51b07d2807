"""`sandbox --monitoring` as a person runs it, and the commands in the other terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from support.command_line import stigmer_ops
from support.sandbox_command import running

URL = "STIGMER_OPS_MONITORING_PROMETHEUS"
SILENCES = "STIGMER_OPS_MONITORING_ALERTMANAGER"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def pending(variables: Mapping[str, str]) -> float:
    """How many external activities Prometheus knows of; the exporter reads every other second."""
    asked = await stigmer_ops(
        *("metrics", "query", "pending-by-age", "-o", "json"), variables=variables
    )
    (answer,) = asked.json["answers"]
    return float(sum(series["value"] for series in answer["series"]))


async def test_commands_in_the_other_terminal_see_it_and_nothing_is_left(tmp_path: Path) -> None:
    async with running("--monitoring", "--fault", "still-running=2", home=tmp_path) as (_, body):
        variables = body["environment"]
        assert set(body["monitoring"]) == {"exporter", "prometheus", "alertmanager"}
        assert body["monitoring"]["prometheus"] == variables[URL]
        assert body["monitoring"]["alertmanager"] == variables[SILENCES]
        check = ("check", "--category", "monitoring", "--wait", "60s", "-o", "json")
        checked = await stigmer_ops(*check, variables=variables, timeout_seconds=120)
        assert checked.code == 0, checked.out
        status = await stigmer_ops("alerts", "status", "-o", "json", variables=variables)
        assert status.json["rules"]["equal"] is True
        while await pending(variables) != 2:  # noqa: ASYNC110 - Prometheus scrapes
            await asyncio.sleep(0.5)
        drawn = await stigmer_ops("dashboards", "preview", "--from", "now-1m", variables=variables)
        assert "Pending by age" in drawn.out
        assert names_in(tmp_path) != []
    assert names_in(tmp_path) == []


async def test_missing_programs_are_named_with_their_packages(tmp_path: Path) -> None:
    done = await stigmer_ops("sandbox", "--monitoring", variables={"PATH": str(tmp_path)})
    assert done.code == 3
    assert "not installed: prometheus and prometheus-alertmanager" in done.err
    assert "apt-get install prometheus prometheus-alertmanager" in done.err
