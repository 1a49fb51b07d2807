"""A reader of callbacks that can be restarted, with the state as its file would hold it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client

from stigmer_ops.exporter.callbacks.feed import BATCH, OVERLAP, Watermark
from stigmer_ops.exporter.callbacks.news import CallbackEnd, CallbackNews
from stigmer_ops.exporter.callbacks.reader import CallbackReader
from stigmer_ops.exporter.callbacks.totals import Totals
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.frontend import Frontend, Pace

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)

Kind = tuple[str, str | None, str | None]
"""Service, status and error type of an end."""


def now() -> datetime:
    return datetime.now(UTC)


def kind_of(end: CallbackEnd) -> Kind:
    return end.service, end.status, end.error_type


@dataclass
class Restartable:
    """Reads the callbacks of `stigmer`; `namespaces` are the external ones, by id.

    `position` and `totals` are what a state file keeps.
    """

    stigmer: Client
    namespaces: Mapping[str, str]
    overlap: timedelta = OVERLAP
    batch: int = BATCH
    position: Watermark = field(default_factory=lambda: Watermark(BEGINNING))
    totals: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start the reader, as a new process would: it has nothing but its state."""
        self.position = Watermark.from_json(_through_json(self.position.to_json()))
        self.totals = Totals.from_json(_through_json(self.totals.to_json()))
        self.frontend = Frontend(self.stigmer, Pace(rps=0, concurrency=16))
        self.reader = CallbackReader(
            self.frontend,
            Settings(),
            self.position,
            self.totals,
            self.namespaces,
            overlap=self.overlap,
            batch=self.batch,
        )

    async def follow(self) -> CallbackNews:
        return await self.reader.follow(now())

    async def follow_all(self) -> list[CallbackNews]:
        """Follow until there is no more; what each time found."""
        news = [await self.follow()]
        while not news[-1].caught_up:
            news.append(await self.follow())
        return news

    @property
    def completions(self) -> int:
        return sum(self.totals.completions.values())

    @property
    def errors(self) -> Counter[tuple[str, str, str]]:
        return self.totals.errors


def _through_json(plain: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = json.loads(json.dumps(plain))
    return back


async def id_of(client: Client) -> str:
    return await Frontend(client, Pace()).namespace_id()


async def watching(stigmer: Client, *external: Client, **options: Any) -> Restartable:
    """A reader for these external namespaces, from the beginning of time."""
    ids = {await id_of(client): client.namespace for client in external or (stigmer,)}
    return Restartable(stigmer, ids, **options)
