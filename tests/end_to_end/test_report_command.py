"""`report` as it is typed: on real faults, with an audit trail, in a real browser, and in need."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Settings
from support.browser import Browser, browser
from support.command_line import Finished, stigmer_ops
from support.prometheus import running_prometheus, wait_for_series

FAULTS = {
    "callback-fails": 2,
    "callback-fails-java": 1,
    "callback-retrying": 1,
    "duplicate-executions": 1,
    "stale-token": 1,
    "standalone-stuck": 1,
    "still-running": 1,
    "stigmer-workflow-timed-out": 1,
    "token-not-passed": 1,
    "activity-paused": 1,
}
HOSTILE = f"<img src=x onerror=alert(1)>\u202e`|[x](http://evil)\x1b[31m {'x' * 900}"
"""What a member of the namespace may call a workflow; of Temporal's 1,000 bytes most are used."""
SHARP = {
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
    "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": "1s",
}


@dataclass(frozen=True)
class Incident:
    """A namespace in which much is wrong, and one activity was repaired."""

    variables: Mapping[str, str]
    repaired: str
    tokens: tuple[bytes, ...]


async def report(variables: Mapping[str, str], *arguments: str, **more: Any) -> Finished:
    return await stigmer_ops("report", *arguments, variables=variables, timeout_seconds=120, **more)


def content(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture(scope="module")
async def incident(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Incident]:
    audit = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    async with sandbox.isolated() as crowded:
        handshakes = await crowded.populate(FAULTS)
        handshakes.append(await crowded.start_handshake("token-not-passed", workflow_id=HOSTILE))
        await crowded.settle(handshakes[-1])
        variables = {
            **crowded.environment(),
            **SHARP,
            "STIGMER_OPS_AUDIT_PATH": str(audit),
        }
        one = next(h for h in handshakes if "callback-fails" in h.faults.values())
        done = await stigmer_ops(
            *("activity", "redeliver", "-w", one.workflow_id, "-a", one.activity_ids[0]),
            *("--reason", "INC-7 <b>lost</b>", "--yes"),
            variables=variables,
        )
        assert done.code == 0, done.err
        tokens = tuple(
            execution.spec.callback_token for each in handshakes for execution in each.executions()
        )
        yield Incident(variables, one.workflow_id, tuple(filter(None, tokens)))


@pytest.fixture(scope="module")
async def page(incident: Incident, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "incident.html"
    done = await report(incident.variables, "--out", str(file), "--each", "3")
    assert (done.code, done.out) == (0, f"{file}\n"), done.err
    assert "will not complete by themselves" in done.err
    return file


async def test_record_tells_what_is_wrong_and_what_was_done(incident: Incident) -> None:
    done = await report(incident.variables, "-o", "json")
    assert done.code == 0, done.err
    found = done.json
    counts = {group["verdict"]: group["count"] for group in found["verdicts"]}
    assert counts == {
        "activity-paused": 1,
        "callback-failed": 2,
        "callback-retrying": 1,
        "several-executions": 1,
        "stigmer-workflow-timed-out": 1,
        "token-not-passed": 3,
        "token-stale": 1,
    } | {verdict: n for verdict, n in counts.items() if verdict == "unsafe-settings"}
    assert found["stuck"] == 9
    assert sum(age["stuck"] for age in found["by_age"]) == 9
    assert found["written"] is None
    (action,) = found["actions"]["operations"]
    assert action["target"]["workflow_id"] == incident.repaired
    assert action["outcome"]["proof_event_id"] > 0
    assert found["actions"]["trails"][0]["intact"]
    assert found["complete"]
    assert {check["result"] for check in found["checks"]} >= {"ok", "failed"}


async def test_ticket_and_verdict_narrow_it_down(incident: Incident) -> None:
    narrow = ("--verdict", "callback-failed", "-o", "json")
    ours = (await report(incident.variables, "--ticket", "inc-7", *narrow)).json
    others = (await report(incident.variables, "--ticket", "INC-8", *narrow)).json
    assert [group["verdict"] for group in ours["verdicts"]] == ["callback-failed"]
    assert ours["stuck"] == 2
    assert ours["tickets"] == ["inc-7"]
    assert len(ours["actions"]["operations"]) == 1
    assert others["actions"]["operations"] == []


async def test_timeline_shows_the_callback_of_both_editions(incident: Incident) -> None:
    done = await report(incident.variables, "-o", "json")
    groups = {group["verdict"]: group["told"] for group in done.json["verdicts"]}
    for told in groups["callback-failed"]:
        moments = told["timeline"]["moments"]
        assert [moment["time"] for moment in moments] == sorted(m["time"] for m in moments)
        (failed,) = [
            m for m in moments if m["what"].startswith("callback") and "FAILED" in m["what"]
        ]
        assert failed["event_id"] > 0
        assert failed["workflow_id"].startswith("stigmer/agent-execution/invoke/")
    (retrying,) = groups["callback-retrying"]
    assert any("keeps failing, attempt" in m["what"] for m in retrying["timeline"]["moments"])
    (closed,) = groups["stigmer-workflow-timed-out"]
    assert any("TIMED_OUT" in m["what"] for m in closed["timeline"]["moments"])


async def test_page_markdown_and_record_say_the_same(incident: Incident, page: Path) -> None:
    text = content(page)
    record = (await report(incident.variables, "-o", "json", "--each", "3")).json
    told = await report(incident.variables, "--format", "md", "--out", "-", "--each", "3")
    assert told.out.startswith("# Stigmer incident report: `")
    for group in record["verdicts"]:
        heading = f"{group['verdict']}: {group['count']} activit"
        assert heading in text
        assert heading in told.out
        for one in group["told"]:
            assert one["activity"]["run_id"] in text
            assert one["activity"]["run_id"] in told.out
    assert text.count("<article") == sum(len(group["told"]) for group in record["verdicts"])
    assert "INC-7 &lt;b&gt;lost&lt;/b&gt;" in text
    assert "`INC-7 <b>lost</b>`" in told.out


async def test_no_token_is_passed_on(incident: Incident, page: Path) -> None:
    texts = [content(page)]
    texts.append((await report(incident.variables, "-o", "json")).out)
    texts.append((await report(incident.variables, "--format", "md", "--out", "-")).out)
    assert incident.tokens
    for token in incident.tokens:
        encoded = base64.b64encode(token).decode()
        for form in (encoded, encoded[20:60], token.hex()[40:100]):
            assert not [text for text in texts if len(form) > 20 and form in text]


# --- In a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as opened:
        yield opened


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_page_fits_every_screen_in_both_themes(
    chromium: Browser, page: Path, width: int, dark: bool
) -> None:
    await chromium.look(width=width, dark=dark)
    await chromium.open(page)
    assert await chromium.value("document.documentElement.scrollWidth") == width
    beyond = """[...document.querySelectorAll("body *")].filter(
        element => element.getClientRects().length && !element.closest("caption, thead")
            && element.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"""
    assert await chromium.value(beyond) == []
    ground = await chromium.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(17, 18, 23)" if dark else "rgb(244, 245, 245)")
    picture = await chromium.picture(height=600)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


async def test_page_asks_nobody_and_complains_of_nothing(chromium: Browser, page: Path) -> None:
    chromium.requests.clear()
    chromium.complaints.clear()
    await chromium.look(width=1280)
    await chromium.open(page)
    assert chromium.requests == [page.as_uri()]
    assert chromium.complaints == []
    assert await chromium.value("document.images.length") == 0
    assert await chromium.value("document.body.innerText.includes('<img src=x onerror=')")
    assert await chromium.value("document.scripts.length") == 0
    # What is smuggled in later gets nowhere either.
    await chromium.value(
        "document.body.append(Object.assign(new Image(), {src: 'http://[::1]:9/'}))"
    )
    assert await chromium.value("getComputedStyle(document.body).marginLeft") != ""
    assert any("Content Security Policy" in complaint for complaint in chromium.complaints)


async def test_page_can_be_used_from_the_keyboard(chromium: Browser, page: Path) -> None:
    await chromium.look(width=1280)
    await chromium.open(page)
    reached = []
    for _ in range(6):
        for kind in ("keyDown", "keyUp"):
            await chromium.ask(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        reached.append(await chromium.value("document.activeElement.getAttribute('href')"))
    assert reached == ["#summary", "#stuck", "#checks", "#alerts", "#actions", "#gaps"]
    outline = await chromium.value("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


async def test_screen_reader_is_told_of_drawings_and_tables(chromium: Browser, page: Path) -> None:
    for width in (1280, 390):
        await chromium.look(width=width)
        await chromium.open(page)
        tree = (await chromium.ask("Accessibility.getFullAXTree"))["nodes"]
        roles = [node["role"]["value"] for node in tree if not node["ignored"]]
        pictures = [
            node for node in tree if not node["ignored"] and node["role"]["value"] == "image"
        ]
        assert len(pictures) == await chromium.value("document.querySelectorAll('svg').length")
        assert all(node["name"]["value"] for node in pictures)
        assert all(node["description"]["value"] for node in pictures)
        assert roles.count("table") == await chromium.value(
            "document.querySelectorAll('table').length"
        )
        assert "columnheader" in roles
        assert "cell" in roles


async def test_page_can_be_printed(chromium: Browser, page: Path) -> None:
    await chromium.look(width=1280, dark=True)
    await chromium.open(page)
    await chromium.ask("Emulation.setEmulatedMedia", media="print", features=[])
    assert await chromium.value("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert await chromium.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    await chromium.ask("Emulation.setEmulatedMedia", media="")
    paper = await chromium.pdf()
    assert paper.startswith(b"%PDF-")
    assert 2 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type/Page/") <= 60


# --- Files and trouble ---------------------------------------------------------------------------


async def test_file_has_a_name_of_its_own_and_is_never_overwritten(
    incident: Incident, tmp_path: Path
) -> None:
    done = await report(incident.variables, directory=tmp_path)
    (file,) = files(tmp_path)
    namespace = incident.variables["TEMPORAL_NAMESPACE"]
    assert done.out == f"{file.name}\n"
    assert file.name.startswith(f"report-{namespace}-2")
    assert file.suffix == ".html"
    again = await report(incident.variables, "--out", str(file))
    assert again.code == 2
    assert "exists" in again.err
    assert "--overwrite" in again.err
    folder = tmp_path / "reports"
    folder.mkdir()
    record = await report(incident.variables, "--out", str(folder), "--format", "md", "-o", "json")
    (written,) = files(folder)
    assert record.json["written"] == str(written)
    assert written.read_text().startswith("# Stigmer incident report")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "/nonexistent/x.html"), "there is no folder /nonexistent"),
        (("--out", "-", "-o", "json"), "both want standard output"),
        (("--format", "pdf"), "'pdf' is not one of"),
        (("--since", "yesterday"), "yesterday"),
        (("--each", "21"), "21"),
        (("--ticket", " "), "--ticket names no ticket"),
        (("--verdict", "callback-faild"), "there is no verdict 'callback-faild'"),
    ],
)
async def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    done = await report({"TEMPORAL_ADDRESS": "127.0.0.1:1"}, *arguments)
    assert done.code == 2
    assert message in done.err


async def test_it_works_while_temporal_is_down(tmp_path: Path) -> None:
    audit = {"STIGMER_OPS_AUDIT_PATH": str(tmp_path / "none.jsonl")}
    file = tmp_path / "incident.html"
    done = await report({"TEMPORAL_ADDRESS": "127.0.0.1:1", **audit}, "--out", str(file))
    assert done.code == 3
    assert "note: nothing was diagnosed" in done.err
    text = file.read_text()
    assert "What waits could not be read." in text
    assert "the Temporal frontend can be reached" in text
    assert "nothing was written with it" in text
    record = await report({"TEMPORAL_ADDRESS": "127.0.0.1:1", **audit}, "-o", "json")
    assert record.code == 3
    assert record.json["stuck"] is None
    assert not record.json["complete"]


async def test_quiet_namespace_is_well(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    variables = {
        **isolated_sandbox.environment(),
        "STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl"),
    }
    done = await report(variables, "--format", "md", "--out", "-")
    assert done.code == 0
    assert "**Nothing is wrong as far as is known.**" in done.out


async def test_trails_of_several_hosts_are_put_together(incident: Incident, tmp_path: Path) -> None:
    theirs = Path(incident.variables["STIGMER_OPS_AUDIT_PATH"])
    copy, edited = tmp_path / "copy.jsonl", tmp_path / "edited.jsonl"
    copy.write_text(content(theirs))
    edited.write_text(content(theirs).replace("INC-7", "INC-8"))
    named = [word for path in (theirs, copy, edited) for word in ("--audit-file", str(path))]
    done = await report(incident.variables, *named, "-o", "json")
    actions = done.json["actions"]
    assert [trail["intact"] for trail in actions["trails"]] == [True, True, False]
    assert [trail["unreadable"] for trail in actions["trails"]] == [0, 0, 2]
    assert len(actions["operations"]) == 1
    none = await report(incident.variables, "--since", "1s", "-o", "json")
    assert none.json["actions"]["operations"] == []


async def test_alerts_of_a_real_prometheus(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    settings = Settings()
    rules = {
        name: text.replace("for: 5m", "for: 0s")
        for name, text in rule_files(catalogue(settings), settings).items()
    }
    (tmp_path / "prometheus").mkdir()
    with running_prometheus(tmp_path / "prometheus", {}, rules) as url:
        wait_for_series(url, 'ALERTS{alertname="StigmerExporterDown",alertstate="firing"}')
        variables = {
            **isolated_sandbox.environment(),
            "STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl"),
            "STIGMER_OPS_MONITORING_PROMETHEUS": url.replace("//", "//alice:hunter2@"),
        }
        file = tmp_path / "incident.html"
        done = await report(variables, "--out", str(file), "-o", "json")
    assert [alert["name"] for alert in done.json["alerts"]["firing"]] == ["StigmerExporterDown"]
    assert done.json["alerts"]["prometheus"] == url
    text = file.read_text()
    assert "StigmerExporterDown" in text
    assert "hunter2" not in text + json.dumps(done.json)
