"""Draining: the rate, the estimate, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from stigmer_ops.errors import DeniedError, StigmerOpsError, UnavailableError
from stigmer_ops.procedures.drain import Level, Levels, drained
from stigmer_ops.render.drain import level_record, level_text
from support.activities import NOW

MINUTE = timedelta(minutes=1)
AT_ONCE = timedelta(0)


async def levels_of(*counts: int | StigmerOpsError, target: int = 0) -> list[Level]:
    left: Iterator[int | StigmerOpsError] = iter(counts)

    async def count() -> int:
        found = next(left)
        if isinstance(found, StigmerOpsError):
            raise found
        return found

    levels = drained(count, target, interval=AT_ONCE, give_up_after=MINUTE, now=lambda: NOW)
    return [level async for level in levels]


def test_rate_is_that_of_the_last_minutes() -> None:
    levels = Levels(target=10)
    for minute, pending in enumerate([100, 100, 90, 80, 70, 60, 50]):
        level = levels.counted(NOW + minute * MINUTE, pending)
    assert level.fallen_per_second == pytest.approx(10 / 60)
    assert level.left == pytest.approx(4 * MINUTE, abs=MINUTE / 60)
    assert level_text(level) == "50 pending, falling by 10 a minute, about 4m left"


def test_what_grows_or_rests_has_no_estimate() -> None:
    levels = Levels(target=0)
    first = levels.counted(NOW, 10)
    assert (first.fallen_per_second, first.left, level_text(first)) == (None, None, "10 pending")
    rests = levels.counted(NOW + MINUTE, 10)
    assert (rests.left, level_text(rests)) == (None, "10 pending, not falling")
    grows = levels.counted(NOW + 2 * MINUTE, 16)
    assert (grows.left, level_text(grows)) == (None, "16 pending, growing by 3 a minute")


async def test_it_ends_when_the_target_is_reached() -> None:
    levels = await levels_of(9, 7, 5, 3, target=5)
    assert [level.pending for level in levels] == [9, 7, 5]
    assert [level.reached for level in levels] == [False, False, True]
    assert level_record(levels[-1])["estimated_seconds"] == 0.0


async def test_a_server_that_is_down_for_a_while_is_asked_again() -> None:
    levels = await levels_of(9, UnavailableError("no answer"), 0)
    assert [level.pending for level in levels] == [9, None, 0]
    assert level_text(levels[1]) == "not counted: no answer"
    assert not levels[1].reached


@pytest.mark.parametrize("counts", [[UnavailableError("down")], [9, DeniedError("no")]])
async def test_what_does_not_pass_ends_it(counts: list[int | StigmerOpsError]) -> None:
    with pytest.raises(StigmerOpsError):
        await levels_of(*counts)
