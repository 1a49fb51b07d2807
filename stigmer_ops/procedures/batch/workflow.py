"""The batch workflow: which page is carried out when, how fast, and when to stop.

It holds numbers, never rows: those lie in the histories of its pages, each of which is a workflow
of its own (`page_workflow`). So its own history stays small however large the plan is, and it
continues as new where the server suggests it.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

from stigmer_ops.procedures.apply.brake import too_many_errors
from stigmer_ops.procedures.batch.messages import (
    BATCH_TYPE,
    BEGIN,
    CLOSE,
    HOLD,
    BatchPlan,
    BatchState,
    Canary,
    Change,
    Order,
    PageReport,
    Progress,
    errors_in,
    tried_in,
)

CLOSED_AT_ONCE = 50
"""Pages that nobody will begin are told so in groups."""


@workflow.defn(name=BATCH_TYPE)
class Batch:
    """Hands the pages of one plan out; one at a time while canaries are proved."""

    @workflow.init
    def __init__(self, plan: BatchPlan, state: BatchState) -> None:
        self._plan = plan
        self._state = state
        self._held: set[int] = set()

    @workflow.run
    async def run(self, plan: BatchPlan, state: BatchState) -> Progress:  # noqa: ARG002 - see __init__
        """Carry the plan out, once it is whole; the result is what is known at the end."""
        work = asyncio.ensure_future(self._work())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # Temporal's own request to cancel
            self.cancel(Change("a cancellation request of the workflow", ""))
            return await work

    @workflow.signal
    def fed(self) -> None:
        """All pages are there."""
        self._state.fed = True

    @workflow.signal
    def pause(self, change: Change) -> None:
        """Begin no further page, and have those under way give back what they have not begun."""
        self._state.paused = _told("paused", change)

    @workflow.signal
    def resume(self, change: Change) -> None:  # noqa: ARG002 - it stands in the history
        """Go on."""
        self._state.paused = ""

    @workflow.signal
    def cancel(self, change: Change) -> None:
        """End in good order: rows under way are carried to their end."""
        self._stop(_told("cancelled", change))
        self._state.cancelled = True

    @workflow.signal
    def ended(self, report: PageReport) -> None:
        """A page has ended its turn."""
        state = self._state
        if report.page not in state.running:
            return
        state.running.remove(report.page)
        self._held.discard(report.page)
        for outcome, count in report.states.items():
            state.states[outcome] = state.states.get(outcome, 0) + count
        if report.left:
            state.returned.append(report.page)
        self._advance_canary(report)
        errors, tried = errors_in(state.states), tried_in(state.states)
        self._stop(report.stopped or too_many_errors(tried, errors, self._plan.limits.error_rate))

    @workflow.query
    def progress(self) -> Progress:
        """How far it has come."""
        state = self._state
        return Progress(
            phase=self._phase(),
            rows=self._plan.selection.rows,
            states=dict(state.states),
            pages=self._plan.pages,
            running=list(state.running),
            paused=state.paused,
            stopped=state.stopped,
            begun_to=state.begun_to,
            touched=list(state.touched),
        )

    def _phase(self) -> str:
        state = self._state
        if state.stopped:
            if state.running:
                return "stopping"
            return "cancelled" if state.cancelled else "stopped"
        if not state.fed:
            return "feeding"
        if state.paused:
            return "paused"
        if self._finished():
            return "done"
        return "proving" if state.canaries else "running"

    def _stop(self, why: str) -> None:
        if why and not self._state.stopped:
            self._state.stopped = why

    def _finished(self) -> bool:
        """Whether every row was tried."""
        state = self._state
        return bool(state.fed and not state.running and not state.canaries) and (
            self._next_page() is None
        )

    async def _work(self) -> Progress:
        state = self._state
        await workflow.wait_condition(lambda: state.fed or bool(state.stopped))
        if state.canaries is None:
            wanted = self._plan.limits.canary
            state.canaries = [
                Canary(each.first, each.last, wanted) for each in self._plan.ranges if wanted
            ]
        while True:
            await workflow.wait_condition(self._due)
            if not state.running and (state.stopped or self._finished()):
                break
            if state.stopped or state.paused:
                await self._hold_pages()
            else:
                await self._begin_pages()
            self._continue_if_long()
        await self._close_pages()
        return self.progress()

    def _due(self) -> bool:
        """Whether there is anything to do."""
        state = self._state
        if not state.running and (state.stopped or self._finished()):
            return True
        if state.stopped or state.paused:
            return not self._held.issuperset(state.running)
        return self._choice() is not None

    def _continue_if_long(self) -> None:
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(args=[self._plan, self._state])

    def _advance_canary(self, report: PageReport) -> None:
        state = self._state
        if not state.canaries or state.canaries[0].page != report.page:
            return
        canary = state.canaries[0]
        canary.wanted -= report.proved
        if canary.wanted <= 0 or (not report.left and canary.page == canary.last):
            state.canaries.pop(0)
        elif not report.left:
            canary.page += 1

    def _next_page(self) -> int | None:
        """The first page of those that nobody has begun, else of those that were given back."""
        state = self._state
        if state.returned:
            return state.returned[0]
        page = state.next_page
        while page in state.touched:
            page += 1
        return page if page <= self._plan.pages else None

    def _choice(self) -> tuple[int, int] | None:
        """The page to begin now, and how many canaries it has to prove; None for none."""
        state = self._state
        if state.canaries:
            canary = state.canaries[0]
            return None if state.running else (canary.page, canary.wanted)
        if len(state.running) >= self._plan.limits.pages_at_once:
            return None
        page = self._next_page()
        return None if page is None else (page, 0)

    async def _begin_pages(self) -> None:
        begun = []
        while (choice := self._choice()) is not None:
            self._take(*choice)
            begun.append(self._begin(*choice))
        await asyncio.gather(*begun)

    def _take(self, page: int, canary: int) -> None:
        state = self._state
        if page in state.returned:
            state.returned.remove(page)
        elif canary:
            state.touched.append(page)
        else:
            state.next_page = page + 1
            state.begun_to = page
        state.running.append(page)

    async def _begin(self, page: int, canary: int) -> None:
        limits, states = self._plan.limits, self._state.states
        order = Order(
            canary=canary,
            rps=limits.rps / limits.pages_at_once,
            concurrency=max(1, limits.concurrency // limits.pages_at_once),
            error_rate=limits.error_rate,
            tried=tried_in(states),
            errors=errors_in(states),
        )
        if not await self._tell(page, BEGIN, order):
            self._state.running.remove(page)
            self._stop(f"page {page} is gone: workflow {self._plan.page_id(page)} was ended")

    async def _hold_pages(self) -> None:
        to_hold = [page for page in self._state.running if page not in self._held]
        self._held.update(to_hold)
        await asyncio.gather(*(self._tell(page, HOLD) for page in to_hold))

    async def _close_pages(self) -> None:
        """Tell the pages that have rows left that nobody will begin them."""
        state = self._state
        while (page := self._next_page()) is not None:
            group: list[int] = []
            while page is not None and len(group) < CLOSED_AT_ONCE:
                group.append(page)
                if page in state.returned:
                    state.returned.remove(page)
                else:
                    state.next_page = page + 1
                page = self._next_page()
            await asyncio.gather(*(self._tell(each, CLOSE) for each in group))
            self._continue_if_long()

    async def _tell(self, page: int, name: str, *arguments: object) -> bool:
        """Signal a page; False where it is gone."""
        handle = workflow.get_external_workflow_handle(self._plan.page_id(page))
        try:
            await handle.signal(name, args=arguments)
        except FailureError:
            return False
        return True


def _told(what: str, change: Change) -> str:
    reason = f": {change.reason}" if change.reason else ""
    return f"{what} by {change.by}{reason}"
