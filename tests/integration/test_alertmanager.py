"""Silences in a real Alertmanager."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.errors import InputError, UnavailableError
from stigmer_ops.monitoring.alertmanager import (
    Alertmanager,
    Matcher,
    Silence,
    any_of,
    matchers_of,
)
from stigmer_ops.procedures.maintenance.elsewhere import mark, windows_elsewhere
from stigmer_ops.settings import Settings
from support.alertmanager import running_alertmanager

TIMEOUT = timedelta(seconds=10)
ALERTS = ["StigmerExporterDown", "StigmerExternalActivityStuck"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_alertmanager(tmp_path_factory.mktemp("alertmanager")) as found:
        yield found


def silence(**changes: Any) -> Silence:
    now = datetime.now(UTC)
    made = Silence(
        matchers=(any_of("alertname", ALERTS), *matchers_of('cluster="eu",tier!~"dev|test"')),
        starts=now,
        ends=now + timedelta(hours=1),
        created_by="stigmer-ops:alice@bastion-1 CHG-7",
        comment="CHG-7 upgrade",
    )
    return replace(made, **changes)


def send(url: str, *alerts: dict[str, str]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).close()


def suppressed(url: str) -> set[str]:
    """The alerts that are silenced, by name and cluster."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
        found = json.load(answer)
    return {
        f"{each['labels']['alertname']} {each['labels'].get('cluster', '')}"
        for each in found
        if each["status"]["state"] == "suppressed"
    }


def test_silence_is_kept_as_it_was_made_and_ends_when_it_is_ended(url: str) -> None:
    manager, wanted = Alertmanager(url, TIMEOUT), silence()
    made = manager.create(wanted)
    kept = manager.silence(made)
    assert kept is not None
    assert (kept.state, set(kept.matchers)) == ("active", set(wanted.matchers))
    assert abs(kept.ends - wanted.ends) < timedelta(seconds=1)
    assert (kept.created_by, kept.comment) == (wanted.created_by, wanted.comment)
    assert made in [one.id for one in manager.silences()]
    manager.expire(made)
    ended = manager.silence(made)
    assert ended is not None
    assert ended.state == "expired"


def test_only_our_alerts_of_this_installation_are_silent(url: str) -> None:
    manager = Alertmanager(url, TIMEOUT)
    made = manager.create(silence())
    send(
        url,
        {"alertname": "StigmerExporterDown", "cluster": "eu"},
        {"alertname": "StigmerExporterDown", "cluster": "us"},
        {"alertname": "StigmerExporterDown", "cluster": "eu", "tier": "dev"},
        {"alertname": "StigmerExporterDownAndOut", "cluster": "eu"},
        {"alertname": "DiskFull", "cluster": "eu"},
    )
    assert suppressed(url) == {"StigmerExporterDown eu"}
    manager.expire(made)


def test_what_it_does_not_know_is_none_and_what_it_refuses_is_told(url: str) -> None:
    manager = Alertmanager(url, TIMEOUT)
    assert manager.silence("6a1d6e2e-4c6b-4b9e-9b61-0d0a6f0c7a11") is None
    past = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(InputError, match="end time can't be in the past"):
        manager.create(silence(starts=past - timedelta(hours=1), ends=past))


def test_what_is_no_alertmanager_is_told_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not of the form"):
        Alertmanager("alertmanager:9093", TIMEOUT)
    nobody = Alertmanager("http://alice:secret@127.0.0.1:1", TIMEOUT)
    with pytest.raises(UnavailableError, match="cannot reach Alertmanager at") as reached:
        nobody.silences()
    assert "secret" not in str(reached.value)
    with pytest.raises(UnavailableError, match="answers 404"):
        Alertmanager(f"{url}/elsewhere", TIMEOUT).silences()


def test_matchers_are_written_as_they_are_read() -> None:
    text = r'a="b",c=~"d.*",e!="f\"g",h!~"\\d"'
    assert [str(matcher) for matcher in matchers_of(text)] == [
        'a="b"',
        'c=~"d.*"',
        r'e!="f\"g"',
        r'h!~"\\d"',
    ]
    assert any_of("alertname", ["A.B", "C"]) == Matcher("alertname", r"A\.B|C", regex=True)


def test_windows_of_other_machines_are_known_by_their_silences(url: str) -> None:
    manager = Alertmanager(url, TIMEOUT)
    here = Settings.model_validate({"monitoring": {"silence_matchers": 'cluster="eu-7"'}})
    begin = datetime(2026, 11, 24, 3, 0, 0, 123000, UTC)

    def window(namespace: str, host: str = "bastion-1", **changes: Any) -> str:
        begun = mark(run="0007", namespace=namespace, host=host, begin=begin)
        matchers = (any_of("alertname", ALERTS), *matchers_of('cluster="eu-7"'))
        made = silence(**({"comment": f"{begun} CHG-7", "matchers": matchers} | changes))
        return manager.create(made)

    ours = window("orders")
    ended, _later = window("orders"), window("invoices")
    manager.expire(ended)
    elsewhere = (any_of("alertname", ALERTS), *matchers_of('cluster="us-1"'))
    window("orders", matchers=elsewhere)
    window("orders", comment="[stigmer-ops maintenance] of somebody")
    found = windows_elsewhere(manager, here, "orders")
    assert [(each.silence_id, each.run, each.host) for each in found] == [
        (ours, "0007", "bastion-1")
    ]
    assert "begun on bastion-1 by stigmer-ops:alice@bastion-1" in str(found[0])
    assert windows_elsewhere(manager, here, "orders", host="bastion-1", begin=begin) == []
    assert windows_elsewhere(manager, here, "orders", host="bastion-2", begin=begin) == found
