"""Follows the callbacks of Stigmer's workflows, and counts each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.exporter.callbacks.errors import error_type_of
from stigmer_ops.exporter.callbacks.feed import (
    BATCH,
    OVERLAP,
    Attribute,
    Feed,
    Listed,
    Watermark,
)
from stigmer_ops.exporter.callbacks.history import (
    ExecutionHistory,
    claim_in,
    read_beginning,
    read_whole,
)
from stigmer_ops.exporter.callbacks.news import (
    SERVICES,
    CallbackEnd,
    CallbackNews,
    ErrorType,
    Link,
    Status,
)
from stigmer_ops.exporter.callbacks.totals import Totals
from stigmer_ops.handshake.execution import Callback, CallbackState, Claim, TokenState
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE, Settings
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend

TRIES = 10
"""How often an unreadable workflow is tried, once each time, before it is passed over for good."""

HISTORIES_AT_ONCE = 16
"""Histories read at the same time: each may have pages of megabytes."""

STRANGERS = 1000
"""Ids of other namespaces that are remembered, so that each is asked for once."""

_SYSTEMIC = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,  # the SDK's own timeout
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNAUTHENTICATED,
    }
)
"""Answers that are hardly about the one workflow that was asked for: reading stops."""


@dataclass(slots=True)
class _Outcome:
    """What reading one workflow gave; `again` says that it is to be read again."""

    workflow: Listed
    links: list[Link] = field(default_factory=list)
    ended: list[CallbackEnd] = field(default_factory=list)
    unreadable: str = ""
    again: bool = False


_Read = Callable[[Listed], Awaitable[_Outcome]]


class CallbackReader:
    """Reads one namespace of Stigmer's workflows, for all external namespaces that it serves.

    Only callbacks whose token names a namespace that is watched are counted, or no namespace at
    all: Stigmer's namespace may serve other teams too. Callbacks that tell of no external namespace
    (without a token, with one that is damaged beyond that, or that names a namespace which does not
    exist) are counted under the name of Stigmer's namespace.

    A position moves with the totals, in the same step, so that whatever is saved of both is true.

    Args:
        frontend: Stigmer's namespace.
        settings: `thresholds.longest_timeout` is how long before the start executions are linked.
        position: How far closed workflows were read; it is changed in place.
        totals: What is counted; it is changed in place.
        namespaces: Names of the external namespaces that are watched, by their id.
        overlap: See `callbacks_feed.OVERLAP`.
        batch: See `callbacks_feed.BATCH`.
    """

    def __init__(
        self,
        frontend: Frontend,
        settings: Settings,
        position: Watermark,
        totals: Totals,
        namespaces: Mapping[str, str],
        *,
        overlap: timedelta = OVERLAP,
        batch: int = BATCH,
    ) -> None:
        self._frontend = frontend
        self._lookback = settings.thresholds.longest_timeout
        self._totals = totals
        self._namespaces = namespaces
        self._strangers: dict[str, str | None] = {}
        self._overlap = overlap
        self._batch = batch
        self._closed = Feed(frontend, "CloseTime", position, overlap=overlap, batch=batch)
        self._started: Feed | None = None
        self._unidentified: list[Listed] = []
        self._tries: Counter[tuple[str, Attribute]] = Counter()
        self._news = CallbackNews()

    async def follow(self, now: datetime) -> CallbackNews:
        """Read what started and what closed since the last time, at most a batch of either.

        Executions are linked from `thresholds.longest_timeout` before the first call on, whatever
        the position: links are kept in memory only. What was found before an error is counted, and
        told by the next call.

        Args:
            now: UTC. It only matters the first time.

        Raises:
            StigmerOpsError: Temporal or the codec server cannot be asked. Nothing is skipped.
        """
        if self._started is None:
            self._started = Feed(
                self._frontend,
                "StartTime",
                Watermark(now - self._lookback),
                overlap=self._overlap,
                batch=self._batch,
            )
        await self._identify()
        started = await self._read_batch(self._started, self._link)
        closed = await self._read_batch(self._closed, self._end)
        news, self._news = self._news, CallbackNews()
        news.caught_up = started and closed
        return news

    async def _identify(self) -> None:
        """Look again, once, at executions that had no workflow task yet: some never get one."""
        waiting, self._unidentified = self._unidentified, []
        async with aclosing(self._read_all(waiting, self._link)) as outcomes:
            async for outcome in outcomes:
                self._news.links += outcome.links
        self._unidentified.clear()

    async def _read_batch(self, feed: Feed, read: _Read) -> bool:
        """Read the next workflows of a feed; whether there are no more of them now."""
        batch = await feed.next_batch()
        unread: list[Listed] = []
        async with aclosing(self._read_all(batch.workflows, read)) as outcomes:
            async for outcome in outcomes:
                self._take(outcome)
                if outcome.again:
                    unread.append(outcome.workflow)
                else:
                    feed.done(outcome.workflow)
        feed.settle(batch, unread)
        return batch.up_to is None or bool(unread)

    def _take(self, outcome: _Outcome) -> None:
        self._news.links += outcome.links
        self._news.ended += outcome.ended
        if outcome.unreadable:
            self._news.unreadable[outcome.unreadable] += 1
            if not outcome.again:
                self._news.given_up[outcome.unreadable] += 1
        for end in outcome.ended:
            self._totals.count(end)

    def _read_all(self, workflows: list[Listed], read: _Read) -> AsyncGenerator[_Outcome, None]:
        async def guarded(workflow: Listed) -> _Outcome:
            return await self._guarded(workflow, read)

        concurrency = min(self._frontend.pace.concurrency, HISTORIES_AT_ONCE)
        return fan_out(each_of(workflows), guarded, concurrency=concurrency)

    async def _guarded(self, workflow: Listed, read: _Read) -> _Outcome:
        try:
            outcome = await read(workflow)
        except RPCError as error:
            if _deleted(error):
                return _Outcome(workflow)
            failure = self._frontend.translate(error, f"read {workflow.workflow_id}")
            return self._failed(workflow, "history", failure, stop=error.status in _SYSTEMIC)
        except StigmerOpsError as error:
            return self._failed(workflow, "payload", error, stop=True)
        self._tries.pop(workflow.reading, None)
        return outcome

    def _failed(
        self, workflow: Listed, item: str, failure: StigmerOpsError, *, stop: bool
    ) -> _Outcome:
        """Have it read again, unless it was tried often enough.

        Raises:
            StigmerOpsError: The failure, where others would hardly fare better.
        """
        self._tries[workflow.reading] += 1
        if self._tries[workflow.reading] >= TRIES:
            del self._tries[workflow.reading]
            return _Outcome(workflow, unreadable=item)
        if stop:
            raise failure
        return _Outcome(workflow, unreadable=item, again=True)

    async def _link(self, workflow: Listed) -> _Outcome:
        found = await read_beginning(self._frontend, workflow.workflow_id, workflow.run_id)
        claim = await claim_in(self._frontend, found.input)
        if claim.state is TokenState.UNREADABLE:
            return _Outcome(workflow, unreadable="payload")
        if found.edition is None:
            self._unidentified.append(workflow)
        return _Outcome(workflow, [Link(claim, found.edition)])

    async def _end(self, workflow: Listed) -> _Outcome:
        found = await read_whole(
            self._frontend, workflow.workflow_id, workflow.run_id, CALLBACK_ACTIVITY_TYPE
        )
        if not found.callbacks:
            return _Outcome(workflow)
        claim = await claim_in(self._frontend, found.input)
        if claim.state is TokenState.UNREADABLE:
            return _Outcome(workflow, unreadable="payload")
        namespace = await self._namespace_of(claim)
        if namespace is None:
            return _Outcome(workflow)
        return _Outcome(
            workflow, [Link(claim, found.edition)], _ends(found, claim=claim, namespace=namespace)
        )

    async def _namespace_of(self, claim: Claim) -> str | None:
        """The label for a claim's namespace; None where it is another team's.

        Raises:
            RPCError: It could not be asked for.
        """
        namespace_id = claim.namespace_id
        if not namespace_id:
            return self._frontend.namespace
        if namespace_id in self._namespaces:
            return self._namespaces[namespace_id]
        if namespace_id not in self._strangers:
            if len(self._strangers) >= STRANGERS:
                self._strangers.clear()
            exists = await self._exists(namespace_id)
            self._strangers[namespace_id] = None if exists else self._frontend.namespace
        return self._strangers[namespace_id]

    async def _exists(self, namespace_id: str) -> bool:
        try:
            await self._frontend.call(
                self._frontend.service.describe_namespace, DescribeNamespaceRequest(id=namespace_id)
            )
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                return False
            if error.status is not RPCStatusCode.PERMISSION_DENIED:
                raise
        return True


def _deleted(error: RPCError) -> bool:
    """Whether the workflow is gone, and not its namespace."""
    return error.status is RPCStatusCode.NOT_FOUND and "amespace" not in (error.message or "")


def _ends(found: ExecutionHistory, *, claim: Claim, namespace: str) -> list[CallbackEnd]:
    ends: list[CallbackEnd] = []
    for callback in found.callbacks:
        status, error_type = _judged(callback, claim)
        ends.append(
            CallbackEnd(
                claim=claim,
                namespace=namespace,
                service=SERVICES[callback.edition],
                status=status,
                duration=_duration(callback),
                error_type=error_type,
                time=callback.time,
            )
        )
    return ends


def _judged(callback: Callback, claim: Claim) -> tuple[Status | None, ErrorType | None]:
    succeeded = callback.state is CallbackState.SUCCEEDED
    if claim.state is TokenState.ABSENT:
        return (None if succeeded else "failure"), "token_empty"
    return ("success", None) if succeeded else ("failure", error_type_of(callback.failure))


def _duration(callback: Callback) -> timedelta:
    if callback.time is None or callback.scheduled is None:
        return timedelta(0)
    return max(callback.time - callback.scheduled, timedelta(0))
