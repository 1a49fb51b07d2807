"""The installed exporter: served, scraped, secured, restarted, stopped."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme

from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import environment, stigmer_ops
from support.gateway import gateway_to
from support.metrics_page import MetricsPage
from support.patient_handshakes import populate

PATIENCE_SECONDS = 60.0
PENDING, COMPLETIONS = m.PENDING.name, m.COMPLETIONS.name


class Running:
    """A running `stigmer-ops exporter`; `logged` is what it wrote to standard error so far."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.logged: list[str] = []

    async def get(
        self,
        path: str = "/metrics",
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> tuple[int, str]:
        """Status and body."""
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}))

        def ask() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(request, timeout=20, context=tls) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        return await asyncio.to_thread(ask)

    async def page(self) -> MetricsPage:
        return MetricsPage.parse((await self.get())[1])

    async def until(self, holds: Callable[[MetricsPage], bool]) -> MetricsPage:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                page = await self.page()
                if holds(page):
                    return page
                await asyncio.sleep(0.1)

    async def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; the exit code, and how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)
        return code, time.monotonic() - began

    async def listen_to(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.logged.append(line.decode())


@asynccontextmanager
async def exporter(variables: Mapping[str, str], *arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stigmer_ops", "exporter", "-o", "jsonl"),
        *("--listen", "127.0.0.1:0", "--interval", "1s", "--log-format", "json", *arguments),
        env=environment(variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    running = Running(process, "")
    listening = asyncio.create_task(running.listen_to())
    try:
        first = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)
        assert first, "".join(running.logged)
        running.url = json.loads(first)["url"]
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await listening


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def promtool(page: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )


async def test_served_metrics_are_good_in_every_format(isolated_sandbox: Sandbox) -> None:
    handshakes = await populate(isolated_sandbox, {"still-running": 1, "callback-fails": 1})
    async with exporter(isolated_sandbox.environment()) as running:
        await running.until(lambda page: page.value(PENDING) == 2)
        assert (await running.get("/-/ready"))[0] == 200
        assert (await running.get("/-/healthy"))[0] == 200
        assert isolated_sandbox.namespace in (await running.get("/"))[1]
        text = (await running.get())[1]
        checked = promtool(text)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        as_open = (await running.get(headers={"Accept": "application/openmetrics-text"}))[1]
        plain, strict = MetricsPage.parse(text), MetricsPage.parse_open_metrics(as_open)
        assert {s.name for s in plain.samples} == {s.name for s in strict.samples}
        token = base64.b64encode(handshakes[0].executions()[0].spec.callback_token).decode()
        assert (await running.stop(signal.SIGTERM))[0] == 0
    assert token[20:60] not in text + "".join(running.logged)
    messages = [json.loads(line)["message"] for line in running.logged]
    assert messages == ["listening", "read for the first time", "stopped"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_signal_ends_it_soon_and_what_was_counted_is_saved(
    isolated_sandbox: Sandbox, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    file = tmp_path / "state.json"
    variables = isolated_sandbox.environment()
    async with exporter(variables, "--state-file", str(file)) as running:
        await running.until(lambda page: page.value(m.LAST_SUCCESS.name) > 0)
        await populate(isolated_sandbox, {"healthy": 2})
        await running.until(lambda page: page.value(COMPLETIONS) == 2)
        ended, seconds = await running.stop(number)
        assert ended == code
        assert seconds < 5  # a tenth of a second on an idle machine
    async with exporter(variables, "--state-file", str(file)) as again:
        page = await again.until(lambda page: page.value(m.LAST_SUCCESS.name) > 0)
        assert page.value(COMPLETIONS) == 2


async def test_stops_at_once_while_the_server_does_not_answer(isolated_sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        variables = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": address}
        async with exporter(variables) as running:
            assert (await running.get("/-/healthy"))[0] == 200
            assert (await running.get("/-/ready"))[0] == 503
            assert (await running.page()).value(m.LAST_SUCCESS.name) == 0
            code, seconds = await running.stop(signal.SIGTERM)
            assert code == 0
            assert seconds < 5


async def test_restart_of_the_frontend_is_survived(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 1})
    async with gateway_to(isolated_sandbox.address) as gateway:
        variables = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        port = gateway.port
        running_exporter = exporter(variables)
        running = await running_exporter.__aenter__()
        await running.until(lambda page: page.value(PENDING) == 1)
    try:
        await isolated_sandbox.populate({"still-running": 1})
        assert (await running.page()).value(PENDING) == 1
        async with gateway_to(isolated_sandbox.address, port=port):
            await running.until(lambda page: page.value(PENDING) == 2)
            assert (await running.stop(signal.SIGTERM))[0] == 0
    finally:
        await running_exporter.__aexit__(None, None, None)


async def test_tls_and_password_as_prometheus_exporters_have_them(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    hashed = bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(
        "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
        f"basic_auth_users: {{prometheus: {hashed}}}\n"
    )
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    pair = base64.b64encode(b"prometheus:sesame").decode()
    async with exporter(isolated_sandbox.environment(), "--web-config", str(web)) as running:
        assert running.url.startswith("https://")
        status, text = await running.get(headers={"Authorization": f"Basic {pair}"}, tls=tls)
        assert status == 200
        assert PENDING in text
        assert (await running.get(tls=tls))[0] == 401
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            await running.get(tls=ssl.create_default_context())


# --- Once ----------------------------------------------------------------------------------------


async def test_once_prints_what_promtool_accepts(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    done = await stigmer_ops("exporter", "--once", variables=isolated_sandbox.environment())
    assert done.code == 0, done.err
    assert promtool(done.out).returncode == 0
    assert MetricsPage.parse(done.out).value(PENDING) == 2
    as_json = await stigmer_ops(
        "exporter", "--once", "-o", "json", variables=isolated_sandbox.environment()
    )
    found: dict[str, Any] = {metric["name"]: metric for metric in as_json.json["metrics"]}
    assert sum(sample["value"] for sample in found[PENDING]["samples"]) == 2
    assert found[PENDING]["type"] == "gauge"


async def test_textfile_is_replaced_as_a_whole_and_only_if_everything_was_read(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    file, state = tmp_path / "stigmer.prom", tmp_path / "state.json"
    arguments = ("exporter", "--once", "--textfile", str(file), "--state-file", str(state))
    variables = isolated_sandbox.environment()
    done = await stigmer_ops(*arguments, variables=variables)
    assert (done.code, done.out) == (0, ""), done.err
    await populate(isolated_sandbox, {"healthy": 1})
    before = file.stat().st_ino
    assert (await stigmer_ops(*arguments, variables=variables)).code == 0
    assert file.stat().st_ino != before
    text = file.read_text()
    assert MetricsPage.parse(text).value(COMPLETIONS) == 1
    assert promtool(text).returncode == 0
    assert [name for name in names_in(tmp_path) if ".prom" in name] == ["stigmer.prom"]
    failed = await stigmer_ops(*arguments, "--namespace", "never-was", variables=variables)
    assert failed.code in (2, 3)
    nobody = {**variables, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    unreachable = await stigmer_ops("exporter", "--once", "--textfile", str(file), variables=nobody)
    assert unreachable.code == 3
    assert "connection refused" in unreachable.err
    assert file.read_text() == text


# --- Wrong usage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--textfile", "x.prom"), "--textfile goes with --once"),
        (("--listen", "nowhere"), "'nowhere' is not host:port"),
        (("--interval", "0s"), "--interval is too short"),
        (("--interval", "soon"), "'soon' is not a duration"),
        (("--web-config", "missing.yml"), "cannot read missing.yml"),
        (("--once", "--textfile", "missing/x.prom"), "cannot write missing/x.prom"),
        (("--once", "--state-file", "missing/state"), "cannot write the exporter's state"),
    ],
)
async def test_wrong_usage_is_told(
    sandbox: Sandbox, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = await stigmer_ops(
        "exporter", *arguments, variables=sandbox.environment(), directory=tmp_path
    )
    assert done.code == 2
    assert said in re.sub(r"[│\s]+", " ", done.err)
    assert names_in(tmp_path) == []


async def test_address_that_is_taken_is_told(sandbox: Sandbox) -> None:
    done = await stigmer_ops(
        "exporter", "--listen", sandbox.address, variables=sandbox.environment()
    )
    assert done.code == 2
    assert f"cannot listen on {sandbox.address}: Address already in use" in done.err


async def test_damaged_state_file_is_told_and_left_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("{")
    done = await stigmer_ops(
        *("exporter", "--listen", "127.0.0.1:0", "--state-file", str(file)),
        variables=sandbox.environment(),
    )
    assert done.code == 2
    assert f"the state file {file} is damaged" in done.err
    assert file.read_text() == "{"
