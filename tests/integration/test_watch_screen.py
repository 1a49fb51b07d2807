"""The screen of `watch` on a real server: what it shows, which keys do what, in which sizes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from rich.cells import cell_len

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.render.watch.app import WatchApp
from stigmer_ops.sandbox.sandbox import Sandbox
from support.hand_worker import ACTIVITY_TYPE
from support.live_view import AT_ONCE, Looked, app_of, reader_of
from support.pending import HOSTILE, hand_worker, listed, new_client, schedule_all

MIXED = {"still-running": 2, "token-not-passed": 1, "callback-fails": 1, "healthy": 1}
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@asynccontextmanager
async def screen(
    sandbox: Sandbox,
    width: int = 80,
    height: int = 24,
    *,
    namespace: str = "",
    sharp: Mapping[str, str] = AT_ONCE,
    **options: object,
) -> AsyncIterator[Looked]:
    environment = {**sandbox.environment(), **sharp}
    if namespace:
        environment["TEMPORAL_NAMESPACE"] = namespace
    app: WatchApp = app_of(await reader_of(environment), **options)  # type: ignore[arg-type]
    async with app.run_test(size=(width, height)) as pilot:
        yield Looked(app, pilot)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
async def test_everything_is_on_one_screen(
    isolated_sandbox: Sandbox, width: int, height: int
) -> None:
    await isolated_sandbox.populate(MIXED)
    async with screen(isolated_sandbox, width, height) as shown:
        lines = await shown.until("PENDING 4", "1 token-not-passed", "1 callback-failed")
        assert len(lines) == height
        assert all(cell_len(line) <= width for line in lines)
        whole = "\n".join(lines)
        assert "stigmer-ops watch  " in lines[0]
        assert lines[0].rstrip().endswith("every 1s")
        assert "CALLBACKS" in whole
        assert "TASK QUEUE                    WF ACT  BACKLOG" in whole
        assert "workflow_validation_stigmer" in whole
        assert ("NEAREST DEADLINES" in whole) == (width == 200)
        assert ("CallAgentActivity" in whole) == (width == 200)
        assert "Quit" in lines[-1]


async def test_enter_opens_the_diagnosis_and_p_leaves_with_it(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"token-not-passed": 1})
    async with screen(isolated_sandbox) as shown:
        await shown.until("PENDING 1")
        await shown.pilot.press("enter")
        await shown.until("CRITICAL  token-not-passed", "$ stigmer-ops activity fail")
        await shown.pilot.press("escape")
        await shown.until("PENDING 1")
        await shown.pilot.press("enter")
        await shown.until("CRITICAL  token-not-passed")
        await shown.pilot.press("p")
        await shown.pilot.pause()
    left = shown.app.return_value
    assert left is not None
    assert left.printed is not None
    assert left.printed.verdict.id == "token-not-passed"
    assert isinstance(left.printed.activity, PendingActivity)


async def test_filter_sort_and_help(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate(MIXED)
    async with screen(isolated_sandbox) as shown:
        await shown.until("PENDING 4", "by time-left", "1 token-not-passed")
        await shown.pilot.press("slash", *"token-not", "enter")
        await shown.until("1 of 4 with 'token-not'")
        await shown.pilot.press("escape", "s")
        await shown.until("by attempt")
        await shown.pilot.press("S")
        await shown.until("by attempt, reversed")
        await shown.pilot.press("question_mark")
        await shown.until("Keys", "changes nothing in Temporal")
        await shown.pilot.press("q")
        await shown.until("PENDING 4")
        assert not shown.app.return_value


async def test_filter_by_a_verdict_finds_what_was_not_looked_at_yet(
    isolated_sandbox: Sandbox,
) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    remarkable_never = {"STIGMER_OPS_THRESHOLDS_STUCK_AFTER": "1h"}
    async with screen(isolated_sandbox, sharp=remarkable_never) as shown:
        await shown.until("PENDING 2")
        await shown.pilot.press("slash", *"running", "enter")
        await shown.until("0 of 2 with 'running'; 2 have no verdict yet: press d")
        await shown.pilot.press("d")
        await shown.until("2 of 2 with 'running'")


async def test_resized_screen_shows_what_fits(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 1})
    async with screen(isolated_sandbox) as shown:
        await shown.until("PENDING 1")
        await shown.pilot.resize_terminal(200, 50)
        await shown.until("NEAREST DEADLINES")
        await shown.pilot.resize_terminal(60, 12)
        await shown.pilot.pause(0.2)
        lines = await shown.until("WORKFLOW")
        assert "PENDING" not in "\n".join(lines)
        assert all(cell_len(line) <= 60 for line in lines)


async def test_cursor_stays_on_its_activity(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 3})
    async with screen(isolated_sandbox) as shown:
        await shown.until("PENDING 3")
        await shown.pilot.press("j", "j")
        listing = shown.app.screen.query_one("Listing")
        before = listing.chosen  # type: ignore[attr-defined] # a Listing
        await shown.pilot.press("S")
        await shown.until("reversed")
        assert listing.chosen == before  # type: ignore[attr-defined] # a Listing
        assert listing.cursor_row == 0  # type: ignore[attr-defined] # a Listing


async def test_hostile_ids_are_data(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    wide = "日本語のワークフロー識別子がとても長い場合の表示"
    for text in (*HOSTILE, wide, "x" * 900):
        await schedule_all(hand_worker(client, workflow_id=text), {text: ACTIVITY_TYPE})
    count = len(HOSTILE) + 2
    await listed(client, count)
    async with screen(sandbox, 100, 40, namespace=client.namespace) as shown:
        lines = await shown.until(f"PENDING {count}", "[red]markup[/red]", "rtl \\u202etxet")
        assert not any(OBEYED.search(line) for line in lines)
        assert all(cell_len(line) <= 100 for line in lines)
        for _ in range(count):
            await shown.pilot.press("enter")
            lines = await shown.until("CRITICAL  token-not-passed")
            assert not any(OBEYED.search(line) for line in lines)
            await shown.pilot.press("escape", "j")


async def test_count_ends_it(isolated_sandbox: Sandbox) -> None:
    async with screen(isolated_sandbox, refreshes=2) as shown:
        await shown.until("nothing waits")
        async with asyncio.timeout(60):
            while shown.app.return_value is None:
                await shown.pilot.pause(0.05)
    assert shown.app.return_value.live.refreshes == 2
    assert not shown.app.return_value.interrupted
