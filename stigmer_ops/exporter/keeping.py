"""Keeps what was counted: loads it when the namespaces are known, saves it when it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.exporter.link import Link
from stigmer_ops.exporter.log import Health, Log
from stigmer_ops.exporter.state import ExporterState, StateFile


class Keeper:
    """The state of the exporter, with or without a file; a context manager that holds its lock.

    Attributes:
        state: What is counted; a new one until `open` has ended.
    """

    def __init__(self, path: Path | None, log: Log) -> None:
        self.state = ExporterState()
        self._path = path
        self._file: StateFile | None = None
        self._stack = ExitStack()
        self._saving = asyncio.Lock()
        self._health = Health(log, "cannot save the state")

    def __enter__(self) -> Self:
        """Nothing is taken yet."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        self._stack.close()

    async def open(self, links: Sequence[Link]) -> None:
        """Load the file, if there shall be one and it is not open yet.

        Args:
            links: Every namespace that is read. The file belongs to those that can be reached.

        Raises:
            InputError: The file cannot be used; it stays as it is.
            StigmerOpsError: None of the namespaces can be reached.
        """
        if self._path is None or self._file is not None:
            return
        file = StateFile(self._path, await _ids(links))
        self._stack.enter_context(file)
        self.state = file.load()
        self._file = file

    async def save(self) -> None:
        """Save what is counted now; a full disk is logged, and harms nothing else."""
        if self._file is None:
            return
        async with self._saving:
            await self._file.save(self.state)
        if self._file.trouble is None:
            self._health.worked()
        else:
            self._health.failed(self._file.trouble)


async def _ids(links: Sequence[Link]) -> dict[str, str]:
    async def namespace_id(link: Link) -> str:
        return await (await link.frontend()).namespace_id()

    answers = await asyncio.gather(*map(namespace_id, links), return_exceptions=True)
    ids: dict[str, str] = {}
    refused: list[StigmerOpsError] = []
    for link, answer in zip(links, answers, strict=True):
        match answer:
            case str():
                ids[link.namespace] = answer
            case StigmerOpsError():
                refused.append(answer)
            case _:
                raise answer
    if not ids:
        raise refused[0]
    return ids
