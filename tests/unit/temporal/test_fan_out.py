"""A bounded number of reads at once, whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from stigmer_ops.temporal.fan_out import fan_out


async def numbers(count: int, taken: list[int] | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield number
        await asyncio.sleep(0)


async def double(number: int) -> int:
    await asyncio.sleep(0.001 * (number % 3))
    return 2 * number


@pytest.mark.parametrize("concurrency", [1, 2, 7, 100])
@pytest.mark.parametrize("count", [0, 1, 6, 50])
async def test_every_item_gives_its_result_once(concurrency: int, count: int) -> None:
    results = [item async for item in fan_out(numbers(count), double, concurrency=concurrency)]
    assert sorted(results) == [2 * number for number in range(count)]


async def test_no_more_than_concurrency_run_at_once() -> None:
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return number

    assert len([item async for item in fan_out(numbers(40), work, concurrency=5)]) == 40
    assert most == 5


async def test_items_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []
    async with aclosing(fan_out(numbers(1000, taken), double, concurrency=3, ahead=10)) as results:
        async for _ in results:
            await asyncio.sleep(0.01)
            break
        # At most: waiting, in work, finished, in the consumer's hand, in the feeder's.
        assert len(taken) <= 10 + 3 + 3 + 1 + 1


async def results_before_error(results: AsyncIterator[int], seen: list[int]) -> None:
    async for item in results:
        seen.append(item)  # noqa: PERF401 - what came before the error counts


async def test_first_error_of_the_work_ends_it_all() -> None:
    cancelled = asyncio.Event()

    async def work(number: int) -> int:
        if number == 3:
            await asyncio.sleep(0.01)
            raise ValueError("three")
        try:
            await asyncio.sleep(10 if number > 3 else 0)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return number

    seen: list[int] = []
    with pytest.raises(ValueError, match="three"):
        await results_before_error(fan_out(numbers(20), work, concurrency=6), seen)
    assert set(seen) == {0, 1, 2}
    assert cancelled.is_set()


async def test_error_of_the_items_comes_after_the_results_before_it() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        yield 2
        await asyncio.sleep(0.02)
        raise OSError("no more pages")

    seen: list[int] = []
    with pytest.raises(OSError, match="no more pages"):
        await results_before_error(fan_out(failing(), double, concurrency=2), seen)
    assert sorted(seen) == [2, 4]


async def test_closing_early_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with aclosing(fan_out(numbers(1000), double, concurrency=8)) as results:
        async for _ in results:
            break
    assert asyncio.all_tasks() == before


async def test_cancelling_the_consumer_cancels_the_work() -> None:
    started = asyncio.Event()

    async def forever(_number: int) -> int:
        started.set()
        await asyncio.sleep(60)
        return 0

    async def consume() -> None:
        async with aclosing(fan_out(numbers(10), forever, concurrency=2)) as results:
            async for _ in results:
                pass

    before = asyncio.all_tasks()
    consumer = asyncio.create_task(consume())
    await started.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert asyncio.all_tasks() == before
