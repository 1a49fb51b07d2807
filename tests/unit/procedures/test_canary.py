"""Which rows are done before the proof: as many as are wanted, however many others are over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from stigmer_ops.procedures.apply.canary import prove_some


class Rows:
    """Rows 0, 1, …, of which those below `over` can no longer be done; and what befell them."""

    def __init__(self, count: int, over: int) -> None:
        self.count = count
        self.over = over
        self.looked: list[int] = []
        self.tried: list[int] = []
        self.given_back: list[int] = []
        self.at_once = self.most_at_once = 0

    async def all(self) -> AsyncIterator[int]:
        for row in range(self.count):
            yield row

    async def is_over(self, row: int) -> bool:
        self.looked.append(row)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return row < self.over

    async def prove(self, row: int) -> bool:
        self.tried.append(row)
        return row >= self.over

    async def prove_some(self, wanted: int, widest: int = 64) -> int:
        return await prove_some(
            self.all(),
            wanted,
            widest=widest,
            is_over=self.is_over,
            prove=self.prove,
            give_back=self.given_back.append,
        )


async def test_rows_that_are_pending_are_tried_without_another_look() -> None:
    rows = Rows(10, over=0)
    assert await rows.prove_some(3) == 3
    assert (rows.tried, rows.looked, rows.given_back) == ([0, 1, 2], [], [])


@pytest.mark.parametrize("wanted", [1, 4])
async def test_rows_that_are_over_are_looked_at_in_growing_groups(wanted: int) -> None:
    rows = Rows(300, over=100)
    assert await rows.prove_some(wanted) == wanted
    assert rows.tried == [0, *range(100, 100 + wanted)]
    assert rows.most_at_once == 64
    assert rows.looked == [*range(1, 127)]
    assert rows.given_back == [*range(100 + wanted, 127)]


async def test_no_more_are_looked_at_at_once_than_allowed() -> None:
    rows = Rows(50, over=50)
    assert await rows.prove_some(1, widest=4) == 0
    assert (rows.most_at_once, rows.tried) == (4, [0])


async def test_nothing_is_taken_where_nothing_is_wanted() -> None:
    rows = Rows(5, over=0)
    assert await rows.prove_some(0) == 0
    assert rows.tried == []
