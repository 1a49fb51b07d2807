"""A real Prometheus for tests, with targets of theirs and the rules that they give."""

from __future__ import annotations

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from stigmer_ops.sandbox.child import free_ports
from support.http_program import PATIENCE_SECONDS, serving

INTERVAL = "1s"


@contextmanager
def running_prometheus(
    directory: Path, targets: Mapping[str, str | Sequence[str]], rules: Mapping[str, str]
) -> Iterator[str]:
    """Start one that scrapes and evaluates every second; its base URL.

    Args:
        directory: For its files; empty.
        targets: Job name to host:port, or to several.
        rules: File name to text of rule files.
    """
    executable = shutil.which("prometheus")
    if executable is None:
        pytest.skip("prometheus is not installed")
    for name, text in rules.items():
        (directory / name).write_text(text, encoding="utf-8")
    config = {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": sorted(rules),
        "scrape_configs": [
            {
                "job_name": job,
                "honor_labels": True,
                "scrape_timeout": INTERVAL,
                "static_configs": [{"targets": [found] if isinstance(found, str) else [*found]}],
            }
            for job, found in targets.items()
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = [
        executable,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
    ]
    with serving(command, f"http://{address}", directory / "log") as url:
        yield url


def wait_for_series(url: str, expr: str) -> None:
    """Wait until `expr` has a series whose value is a number."""
    number = urllib.parse.urlencode({"query": f"({expr}) >= 0 or ({expr}) < 0"})
    query = f"{url}/api/v1/query?{number}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with urllib.request.urlopen(query, timeout=5) as answer:
            if json.load(answer)["data"]["result"]:
                return
        time.sleep(0.2)
    raise AssertionError(f"no series within {PATIENCE_SECONDS:g} s: {expr}")
