"""A metrics page that has every metric of the catalogue which something of ours exports."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stigmer_ops.monitoring.catalogue.metrics import METRICS
from stigmer_ops.monitoring.catalogue.model import Emitter, Metric, MetricKind, Unit
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE

OPEN_LABELS: Mapping[str, tuple[str, ...]] = {
    "namespace": ("orders",),
    "task_queue": ("agent_execution_stigmer", "zigflow_execution"),
    "activity_type": ("CallAgentActivity", CALLBACK_ACTIVITY_TYPE),
    "activityType": ("CallAgentActivity", "ExecuteGraphton"),
    "taskqueue": ("zigflow_execution",),
    "method": ("DescribeWorkflowExecution",),
    "code": ("OK", "UNAVAILABLE"),
    "version": ("0.1.0",),
}
"""What labels hold whose values depend on the installation."""

Labels = Mapping[str, str]
Value = Callable[[Metric, Labels, float], float]
"""Of a metric with labels, so many seconds after the start; of a histogram, its count."""

_GROWTH = {"failure": 1.0, "success": 19.0, "UNAVAILABLE": 1.0, "OK": 49.0}
"""How fast counters grow a second: 5 % of completions and 2 % of calls fail."""


def lively(metric: Metric, labels: Labels, elapsed: float) -> float:
    """Counters grow as `_GROWTH` has it; times are a minute ago; the rest swings a little."""
    if metric.kind is not MetricKind.GAUGE:
        rate = next((_GROWTH[value] for value in labels.values() if value in _GROWTH), 0.5)
        return rate * elapsed
    match metric.unit:
        case Unit.TIMESTAMP:
            ahead = 1800 if "deadline" in metric.name else -60
            return time.time() + ahead
        case Unit.RATIO:
            return 0.5
        case Unit.BOOLEAN:
            return 1.0
        case _:
            return 10 + round(elapsed) % 3


def page(emitter: Emitter, value: Value, elapsed: float) -> str:
    """The text exposition format of all metrics of `emitter`."""
    return "".join(
        line + "\n"
        for metric in METRICS
        if metric.emitter is emitter
        for line in _lines(metric, value, elapsed)
    )


def _lines(metric: Metric, value: Value, elapsed: float) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels in label_sets(metric):
        number = value(metric, labels, elapsed)
        if metric.kind is MetricKind.HISTOGRAM:
            yield from _histogram(metric, labels, number)
        else:
            yield f"{metric.name}{_braced(labels)} {number!r}"


def label_sets(metric: Metric) -> Iterator[Labels]:
    """Every combination of the values of its labels."""
    values = [label.values or OPEN_LABELS[label.name] for label in metric.labels]
    for chosen in itertools.product(*values):
        yield dict(zip((label.name for label in metric.labels), chosen, strict=True))


def _histogram(metric: Metric, labels: Labels, count: float) -> Iterator[str]:
    """Nine of ten observations fall into the fourth bucket, the rest into the eighth."""
    for index, bound in enumerate(metric.buckets):
        share = 0.0 if index < 3 else 0.9 if index < 7 else 1.0
        yield f"{metric.name}_bucket{_braced({**labels, 'le': f'{bound:g}'})} {share * count!r}"
    yield f"{metric.name}_bucket{_braced({**labels, 'le': '+Inf'})} {count!r}"
    yield f"{metric.name}_count{_braced(labels)} {count!r}"
    yield f"{metric.name}_sum{_braced(labels)} {count * metric.buckets[3]!r}"


def _braced(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


@contextmanager
def served(emitter: Emitter, value: Value = lively) -> Iterator[str]:
    """Serve the page; the target, host:port, which any path answers."""
    start = time.time()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(emitter, value, time.time() - start).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
