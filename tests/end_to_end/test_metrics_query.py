"""`metrics query` as it is typed, against a real Prometheus with the generated rules."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Emitter
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.settings import Settings
from support.command_line import Finished, stigmer_ops
from support.exposition import OPEN_LABELS, served
from support.prometheus import running_prometheus, wait_for_series

SETTINGS = Settings()
CATALOGUE = catalogue(SETTINGS)
URL = "STIGMER_OPS_MONITORING_PROMETHEUS"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that has scraped for some seconds what an exporter shows in which little is wrong."""
    directory = tmp_path_factory.mktemp("prometheus")
    with (
        served(Emitter.EXPORTER) as exporter,
        running_prometheus(
            directory, {"stigmer-ops": exporter}, rule_files(CATALOGUE, SETTINGS)
        ) as url,
    ):
        for name in ("success-rate", "duration-p99", "error-rate"):
            wait_for_series(url, CATALOGUE.query(name).expr)
        yield url


async def ask(url: str, *arguments: str, **variables: str) -> Finished:
    return await stigmer_ops("metrics", "query", *arguments, variables={URL: url, **variables})


def only(finished: Finished) -> Any:
    (answer,) = finished.json["answers"]
    return answer


async def test_every_question_has_an_answer_and_an_alert_is_a_finding(prometheus: str) -> None:
    finished = await ask(prometheus, "--all", "--range", "10s", "--step", "1s", "-o", "json")
    answers = {answer["query"]: answer for answer in finished.json["answers"]}
    assert list(answers) == [query.name for query in CATALOGUE.queries]
    assert [name for name, answer in answers.items() if not answer["series"]] == []
    in_alert = [
        name
        for name, answer in answers.items()
        if any(series["judgement"] == "alert" for series in answer["series"])
    ]
    assert in_alert == ["error-rate"]
    assert finished.code == 1
    assert finished.json["prometheus"] == prometheus
    assert finished.json["range"]["step_seconds"] == 1


async def test_the_ratio_is_the_share_of_what_really_fails(prometheus: str) -> None:
    finished = await ask(prometheus, "success-rate", "-o", "json")
    answer = only(finished)
    assert {series["labels"]["service"] for series in answer["series"]} == {"go", "java", "unknown"}
    for series in answer["series"]:
        assert series["value"] == pytest.approx(0.95, abs=1e-6)
        assert series["judgement"] == "unusual"
    assert answer["healthy"] == {"operator": ">", "limit": 0.95}
    assert answer["alert_limits"] == [{"operator": "<", "limit": 0.9}]
    assert finished.code == 0


async def test_the_trend_covers_the_range_with_gaps_before_the_first_scrape(
    prometheus: str,
) -> None:
    finished = await ask(prometheus, "timeout-used", "--range", "1h", "--step", "1s", "-o", "json")
    for series in only(finished)["series"]:
        assert len(series["trend"]) == 3601
        assert series["trend"][0] is None
        assert series["trend"][-1] == 0.5


async def test_the_table_has_value_limits_and_a_trend(prometheus: str) -> None:
    finished = await ask(prometheus, "timeout-used", "--range", "5s", "--step", "1s")
    row = finished.out.splitlines()[1].split()
    assert row[0] == "timeout-used"
    assert row[4:10] == ["50%", "healthy", "<", "80%", ">", "95%"]
    assert set(row[-1]) <= set("▁▂▃▄▅▆▇█")


async def test_hostile_label_values_are_made_visible(prometheus: str) -> None:
    planted = "\x1b[2J[red]\u202e\nforged"
    expr = f'label_replace(vector(1), "planted", "{planted}", "", "")'.replace("\n", "\\n")
    table = await ask(prometheus, "--expr", expr)
    assert "\\x1b[2J[red]\\u202e\\nforged" in table.out
    assert not {"\x1b", "\u202e"} & set(table.out + table.err)
    record = only(await ask(prometheus, "--expr", expr, "-o", "json"))
    assert record["series"][0]["labels"] == {"planted": planted}


async def test_one_service_only(prometheus: str) -> None:
    finished = await ask(prometheus, "--all", "--service", "go", "-o", "json")
    answers = {answer["query"]: answer for answer in finished.json["answers"]}
    assert [series["labels"]["service"] for series in answers["success-rate"]["series"]] == ["go"]
    assert "oldest-age" not in answers
    assert "left out, not measured by service: error-rate, oldest-age" in finished.err
    refused = await ask(prometheus, "oldest-age", "--service", "go")
    assert refused.code == 2
    assert "oldest-age is not measured by service" in refused.err


async def test_one_namespace_in_which_nothing_waits(prometheus: str) -> None:
    finished = await ask(prometheus, "oldest-age", "--namespace", "or.ers", "-o", "json")
    assert only(finished)["series"] == []
    assert only(finished)["absence"] == "there is nothing to measure"
    assert finished.code == 0


async def test_without_an_exporter_nothing_is_called_healthy(prometheus: str) -> None:
    finished = await ask(
        prometheus,
        "oldest-age",
        STIGMER_OPS_MONITORING_EXPORTER_SELECTOR='job="elsewhere"',
    )
    assert finished.code == 3
    assert "no series: no exporter is scraped" in finished.out
    assert "cannot be judged: oldest-age\n" in finished.err
    assert 'the exporter\'s series are those with job="elsewhere"' in finished.err


async def test_without_the_rules_nothing_is_called_healthy(prometheus: str) -> None:
    finished = await ask(
        prometheus, "success-rate", "-o", "json", STIGMER_OPS_MONITORING_WINDOW="7m"
    )
    assert only(finished)["absence"] == "the recording rules are not loaded"
    assert finished.code == 3


@pytest.mark.parametrize(
    ("expr", "values"),
    [
        ('sum(up{job="stigmer-ops"})', [1.0]),
        ("nothing_of_this_name", []),
        ("0 / 0", [None]),
    ],
)
async def test_an_expression_of_ones_own(prometheus: str, expr: str, values: list[float]) -> None:
    finished = await ask(prometheus, "--expr", expr, "-o", "json")
    assert [series["value"] for series in only(finished)["series"]] == values
    assert finished.code == 0


async def test_series_of_one_s_own_expression_are_told_apart(prometheus: str) -> None:
    finished = await ask(
        prometheus, "--expr", "sum by (task_queue) (stigmer_task_queue_pollers)", "-o", "jsonl"
    )
    (answer,) = finished.lines
    assert answer["kind"] == "MetricAnswer"
    queues = tuple(series["labels"]["task_queue"] for series in answer["series"])
    assert queues == OPEN_LABELS["task_queue"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--expr", "up{"), "parse error: unexpected end of input"),
        (("--expr", '"text"'), 'invalid expression type "string"'),
        (("--expr", "up", "--range", "1d", "--step", "1s"), "11,000 points"),
        (("--expr", "up", "--service", "go"), "not --expr"),
        (("sucess-rate",), "did you mean success-rate?"),
        (("--all", "success-rate"), "give names, --all or --expr"),
        (("success-rate", "--range", "5s"), "at least one step"),
        (("success-rate", "--step", "10ms"), "--step is at least 1s"),
        (("success-rate", "--service", "rust"), "--service is one of go, java, unknown"),
    ],
)
async def test_wrong_usage(prometheus: str, arguments: tuple[str, ...], message: str) -> None:
    finished = await ask(prometheus, *arguments)
    assert message in finished.err
    assert finished.code == 2
    assert finished.out == ""


async def test_no_prometheus_is_configured() -> None:
    finished = await stigmer_ops("metrics", "query", "--all")
    assert finished.code == 2
    assert "give --prometheus http://HOST:9090, or set monitoring.prometheus" in finished.err


async def test_prometheus_is_down() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{bound.getsockname()[1]}"
        finished = await ask(url, "--all")
    assert finished.code == 3
    assert "Connection refused" in finished.err
    assert "next: check --prometheus" in finished.err
    assert "secret" not in finished.err


async def test_a_silent_prometheus_is_asked_once_and_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        finished = await ask(url, "--all", STIGMER_OPS_MONITORING_PROMETHEUS_TIMEOUT="500ms")
        assert finished.code == 3
        assert f"{url} did not answer within 0.5 s" in finished.err
        server.settimeout(0.2)
        server.accept()[0].close()
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("status", "body", "reference", "message"),
    [
        (503, b"starting", "unavailable", "answers 503 Service Unavailable"),
        (401, b"", "denied", "refuses us: 401 Unauthorized"),
        (200, b"<html>", "unavailable", "answers, but not as Prometheus does"),
        (200, b'{"data": {"result": [{}]}}', "unavailable", "answers, but not as Prometheus"),
        (500, b'{"error": "query timed out"}', "unavailable", "answers query timed out"),
    ],
)
async def test_what_is_no_answer_of_prometheus(
    status: int, body: bytes, reference: str, message: str
) -> None:
    with answering(status, body) as (url, requests):
        finished = await ask(url, "success-rate")
    assert finished.code == 3
    assert message in finished.err
    assert f"({reference}, exit 3)" in finished.err
    assert len(requests) == 1


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    requests: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
