"""How fast `alerts lint` is, against `promtool check rules` on the same files.

Rules as a large installation has them, ten in a file. The linter has promtool parse the same files
and checks meanwhile what promtool does not, so that the ratio is what the other checks cost.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.timing import environment, median

FILES = 200
RULES_A_FILE = 10
_ROUNDS = 5

_ALERT = """\
  - alert: Service{name}Failing
    expr: |
      sum by (namespace, service) (rate(http_requests_total{{job="{name}",code=~"5.."}}[5m]))
        /
      sum by (namespace, service) (rate(http_requests_total{{job="{name}"}}[5m]))
        > 0.0{number}
      and on (namespace, service)
      sum by (namespace, service) (rate(http_requests_total{{job="{name}"}}[5m])) > 1
    for: 10m
    labels:
      severity: warning
    annotations:
      summary: Many requests fail.
      description: '{{{{ $value | humanizePercentage }}}} of {{{{ $labels.service }}}} fail.'
      runbook_url: https://runbooks.example.com/Service{name}Failing
"""
_RECORDING = """\
  - record: service:http_request_duration_seconds_{name}:p99_rate5m
    expr: |
      histogram_quantile(0.99, sum by (namespace, service, le) (
        rate(http_request_duration_seconds_bucket{{job="{name}"}}[5m])
      ))
"""


def run(scale: float = 1.0) -> list[str]:
    """Measure on `scale` times 200 files; returns the lines to print."""
    with tempfile.TemporaryDirectory(prefix="stigmer-ops-bench-") as directory:
        folder = Path(directory)
        rules = write_rules(folder, max(1, round(FILES * scale)))
        files = sorted(map(str, folder.iterdir()))
        promtool = _seconds(["promtool", "check", "rules", *files])
        whole = _seconds([*_COMMAND, str(folder)])
        one = _seconds([*_COMMAND, files[0]])
        promtool_one = _seconds(["promtool", "check", "rules", files[0]])
        return [
            f"lint: {rules:,} rules in {len(files)} files, medians of {_ROUNDS}",
            _row("promtool check rules", promtool, rules),
            _row("alerts lint, promtool included", whole, rules),
            f"  ratio: {whole / promtool:.2f} times the time of promtool check rules",
            f"  one file: alerts lint {one:.2f} s, promtool check rules {promtool_one:.2f} s",
        ]


_COMMAND = [sys.executable, "-m", "stigmer_ops", "alerts", "lint"]


def write_rules(folder: Path, files: int) -> int:
    """Write so many rule files; returns how many rules are in them."""
    for file in range(files):
        rules = [
            (_ALERT if number % 2 else _RECORDING).format(name=f"{file}x{number}", number=number)
            for number in range(1, RULES_A_FILE + 1)
        ]
        text = f"groups:\n- name: group-{file}\n  rules:\n" + "".join(rules)
        (folder / f"rules-{file:04}.yaml").write_text(text)
    return files * RULES_A_FILE


def _seconds(command: Sequence[str]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - began)
    return median(taken)


def _row(what: str, seconds: float, rules: int) -> str:
    return f"  {what:<36} {seconds:6.2f} s {rules / seconds:8,.0f} rules/s"


if __name__ == "__main__":
    sys.stdout.write("\n".join(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)) + "\n")
