"""`runbook`: the pages as a person and a program read them, with a checkout and without."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import zipfile
from pathlib import Path

from stigmer_ops.handshake.verdicts import BY_ID
from support.command_line import environment, stigmer_ops

ROOT = Path(__file__).parent.parent.parent
RUNBOOKS = ROOT / "runbooks"


async def test_list_has_every_verdict_with_its_title() -> None:
    listed = await stigmer_ops("runbook", "list", "--kind", "verdict", "-o", "json")

    pages = {page["name"]: page["title"] for page in listed.json["pages"]}
    assert pages == {verdict.id: verdict.title for verdict in BY_ID.values()}
    assert {page["page_kind"] for page in listed.json["pages"]} == {"verdict"}


async def test_list_for_people_has_a_line_for_each_page() -> None:
    listed = await stigmer_ops("runbook", "list")

    rows = listed.out.splitlines()
    assert rows[0].split() == ["NAME", "KIND", "TITLE"]
    assert [row.split()[0] for row in rows if " trouble " in row] == sorted(
        path.stem for path in (RUNBOOKS / "troubles").iterdir()
    )


async def test_show_writes_plain_text_into_a_pipe() -> None:
    shown = await stigmer_ops("runbook", "show", "token-stale")

    assert shown.code == 0
    assert shown.out.splitlines()[0] == f"# {BY_ID['token-stale'].title}"
    assert '\n\n    stigmer-ops diagnose -w "$WORKFLOW_ID" -a "$ACTIVITY_ID"' in shown.out
    assert "```" not in shown.out
    assert "sandbox=" not in shown.out
    assert ".md)" not in shown.out
    assert shown.err == (
        "set first: export WORKFLOW_ID=… ACTIVITY_ID=… RUN_ID=… EXECUTION_ID=… REASON=…\n"
    )


async def test_show_asks_only_for_variables_that_are_not_set() -> None:
    ids = {
        "WORKFLOW_ID": "order-1",
        "RUN_ID": "run",
        "ACTIVITY_ID": "5",
        "EXECUTION_ID": "aex_1",
    }

    some = await stigmer_ops("runbook", "show", "token-stale", variables=ids)
    all_ = await stigmer_ops("runbook", "show", "token-stale", variables={**ids, "REASON": "INC-1"})

    assert some.err == "set first: export REASON=…\n"
    assert all_.err == ""


async def test_show_gives_programs_the_text_with_its_name() -> None:
    shown = await stigmer_ops("runbook", "show", "token-stale", "-o", "json")

    text = (RUNBOOKS / "verdicts" / "token-stale.md").read_text()
    assert shown.err == ""
    assert shown.json == {
        "schema_version": 1,
        "kind": "RunbookPage",
        "page_kind": "verdict",
        "name": "token-stale",
        "title": BY_ID["token-stale"].title,
        "path": "verdicts/token-stale.md",
        "text": text,
    }


async def test_show_takes_the_path_that_diagnose_prints_and_any_case() -> None:
    for name in ("runbooks/verdicts/token-stale.md", "verdict/token-stale", "Token-STALE"):
        shown = await stigmer_ops("runbook", "show", name, "-o", "json")
        assert shown.json["name"] == "token-stale"


async def test_show_suggests_what_may_have_been_meant() -> None:
    slip = await stigmer_ops("runbook", "show", "tokn-stale")
    part = await stigmer_ops("runbook", "show", "truncated")
    far = await stigmer_ops("runbook", "show", "zzz")

    assert (slip.code, part.code, far.code) == (2, 2, 2)
    assert "stigmer-ops runbook show token-stale" in slip.err
    assert "stigmer-ops runbook show token-truncated" in part.err
    assert "next: stigmer-ops runbook list" in far.err


async def test_show_formats_the_page_for_a_terminal() -> None:
    shown = _plain(await _on_terminal("runbook", "show", "token-stale"))

    assert shown.splitlines()[0].strip() == BY_ID["token-stale"].title
    assert "```" not in shown
    assert ".md" not in shown
    assert 'stigmer-ops diagnose -w "$WORKFLOW_ID" -a "$ACTIVITY_ID"' in shown


async def test_commands_can_be_copied_from_a_terminal() -> None:
    shown = _plain(await _on_terminal("runbook", "show", "token-stale"))

    whole = 'activity fail -w "$WORKFLOW_ID" -r "$RUN_ID" -a "$ACTIVITY_ID" \\\n'
    assert whole in shown
    assert [line for line in shown.splitlines() if line != line.rstrip()] == []


async def test_installed_wheel_has_the_pages(tmp_path: Path) -> None:
    build = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet")
    await _run(*build, "--wheel-dir", str(tmp_path), str(ROOT))
    installed = tmp_path / "installed"
    _unpack(tmp_path, installed)

    where = await _run("-c", "import stigmer_ops; print(stigmer_ops.__file__)", path=installed)
    shown = await _run("-m", "stigmer_ops", "runbook", "show", "token-stale", path=installed)

    assert Path(where.strip()).is_relative_to(installed)
    assert shown.startswith(f"# {BY_ID['token-stale'].title}\n\n## Meaning\n")


def _unpack(folder: Path, destination: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(destination)


async def _run(*arguments: str, path: Path | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd="/",
        env=environment({} if path is None else {"PYTHONPATH": str(path)}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def _on_terminal(*arguments: str) -> str:
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "stigmer_ops", *arguments),
        env=environment({"TERM": "xterm-256color", "COLUMNS": "80"}),
        stdin=theirs,
        stdout=theirs,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = await asyncio.to_thread(_read_to_end, ours)
    assert await process.wait() == 0
    return shown


def _read_to_end(terminal: int) -> str:
    content = b""
    try:
        while part := os.read(terminal, 65536):
            content += part
    except OSError:  # the other end was closed: how a Linux terminal ends
        pass
    os.close(terminal)
    return content.decode().replace("\r\n", "\n")


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
