"""How the watermark moves; what the server lists is tested with a real one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stigmer_ops.exporter.callbacks.feed import Batch, Feed, Listed, Watermark

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
OVERLAP = timedelta(seconds=60)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def listed(seconds: float) -> Listed:
    return Listed(f"workflow-{seconds}", f"run-{seconds}", "CloseTime", at(seconds))


def feed(watermark: Watermark) -> Feed:
    frontend: Any = None
    return Feed(frontend, "CloseTime", watermark, overlap=OVERLAP)


def settled(
    *workflows: Listed, up_to: float | None = None, unread: tuple[Listed, ...] = ()
) -> Feed:
    reading = feed(Watermark(START))
    for workflow in workflows:
        if workflow not in unread:
            reading.done(workflow)
    newest = max((workflow.time for workflow in workflows), default=None)
    batch = Batch(list(workflows), None if up_to is None else at(up_to), newest)
    reading.settle(batch, unread)
    return reading


def test_moves_to_the_newest_and_forgets_what_is_behind_the_overlap() -> None:
    mark = settled(listed(10), listed(100), listed(130)).watermark
    assert mark.time == at(130)
    assert mark.seen.keys() == {"run-100", "run-130"}


def test_stays_where_nothing_is_listed_or_only_what_is_late() -> None:
    assert settled().watermark == Watermark(START)
    late = settled(listed(-30)).watermark
    assert late.time == START
    assert late.seen.keys() == {"run--30"}


def test_piece_of_a_backlog_moves_it_to_the_end_of_the_piece() -> None:
    assert settled(up_to=300).watermark.time == at(300)
    assert settled(listed(200), up_to=300).watermark.time == at(300)


def test_unread_workflow_stays_within_the_overlap() -> None:
    unread = listed(10)
    mark = settled(unread, listed(100), listed(500), unread=(unread,)).watermark
    assert mark.time - OVERLAP == unread.time
    assert mark.seen.keys() == {"run-100", "run-500"}
    late = listed(-59)
    held = settled(late, listed(500), unread=(late,)).watermark
    assert held.time - OVERLAP <= late.time
    assert held.time >= START


def test_watermark_is_read_as_it_was_written() -> None:
    mark = Watermark(START, {"run-1": at(0.000001)})
    assert Watermark.from_json(mark.to_json()) == mark
    with pytest.raises(ValueError, match="without its zone"):
        Watermark.from_json({"time": "2026-11-24T10:00:00", "seen": {}})
