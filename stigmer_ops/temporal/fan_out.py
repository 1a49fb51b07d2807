"""Many reads at once, a bounded number of them, their results as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


async def fan_out(
    items: AsyncIterator[ItemT],
    work: Callable[[ItemT], Awaitable[ResultT]],
    *,
    concurrency: int,
    ahead: int = 0,
) -> AsyncGenerator[ResultT, None]:
    """Yield `work(item)` of every item, in the order in which they finish.

    Memory is bounded by `ahead` and `concurrency`, whatever the number of items. A fixed number of
    tasks serves them all: one task each would cost more than the bookkeeping of a read. Close the
    generator (`contextlib.aclosing`) to drop the rest of the work.

    Args:
        items: What to work on.
        work: What to do with each; it never returns None.
        concurrency: How many may be worked on at once.
        ahead: How many items may wait for work, so that the next ones are fetched meanwhile; at
            least `concurrency`.

    Raises:
        Exception: The first that `items` or `work` raised; the rest of the work is dropped.
    """
    todo: asyncio.Queue[ItemT | None] = asyncio.Queue(max(ahead, concurrency))
    done: asyncio.Queue[ResultT | None] = asyncio.Queue(concurrency)
    running = asyncio.create_task(_run(items, todo, work, done, concurrency))
    try:
        while (result := await done.get()) is not None:
            yield result
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def each_of(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    """The items one after the other, for `fan_out`, where they are at hand."""
    for item in items:
        yield item


async def _run(
    items: AsyncIterator[ItemT],
    todo: asyncio.Queue[ItemT | None],
    work: Callable[[ItemT], Awaitable[ResultT]],
    done: asyncio.Queue[ResultT | None],
    concurrency: int,
) -> None:
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_feed(items, todo, concurrency))
            for _ in range(concurrency):
                tasks.create_task(_serve(todo, work, done))
    except ExceptionGroup as group:
        failed = group.exceptions[0]
    await done.put(None)
    if failed is not None:
        raise failed


async def _feed(
    items: AsyncIterator[ItemT], todo: asyncio.Queue[ItemT | None], servers: int
) -> None:
    async for item in items:
        await todo.put(item)
    for _ in range(servers):
        await todo.put(None)


async def _serve(
    todo: asyncio.Queue[ItemT | None],
    work: Callable[[ItemT], Awaitable[ResultT]],
    done: asyncio.Queue[ResultT | None],
) -> None:
    while (item := await todo.get()) is not None:
        await done.put(await work(item))
