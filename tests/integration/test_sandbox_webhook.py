"""What Alertmanager sends is told once for each alert that begins or ends."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from stigmer_ops.sandbox.webhook import Notification, webhook


def alert(name: str, status: str, started: str = "10:00") -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"description": "All is lost.\nNext: stigmer-ops check"},
        "startsAt": started,
        "fingerprint": name,
    }


async def post(url: str, *alerts: dict[str, Any]) -> None:
    body = json.dumps({"receiver": "on-call", "alerts": alerts}).encode()

    def send() -> None:
        with urllib.request.urlopen(f"{url}/on-call", body, timeout=5) as answer:
            assert answer.status == 200

    await asyncio.to_thread(send)


async def test_changes_are_told_once() -> None:
    told: list[Notification] = []
    with webhook(told.append) as url:
        await post(url, alert("A", "firing"))
        await post(url, alert("A", "firing"), alert("B", "firing"))
        await post(url, alert("A", "resolved"), alert("B", "firing"))
        await post(url, alert("A", "firing", "10:05"))
        await asyncio.sleep(0)
    changes = [(one.labels["alertname"], one.status) for one in told]
    assert changes == [("A", "firing"), ("B", "firing"), ("A", "resolved"), ("A", "firing")]
    assert told[0].receiver == "on-call"
    assert told[0].message == "FIRING critical A (on-call): All is lost."
    assert told[2].firing is False
