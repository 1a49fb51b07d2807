"""The slow sweep: every open workflow and standalone activity, a portion at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime

from stigmer_ops.exporter.pending.records import Run
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.scan import standalone_query, workflow_query
from stigmer_ops.temporal.visibility import SMALL_PAGE, list_standalone, list_workflows


class Round:
    """One pass over what visibility lists as open, newest first.

    The list is read page by page when it is needed. It may take a quarter of an hour: its pages go
    on from the last item of the page before, and what starts or closes meanwhile moves nothing.

    Attributes:
        number: Counts the rounds of a tracker.
        began: When it began.
        listed: How many were taken so far.
        ended: Whether nothing is left to take.
    """

    def __init__(
        self, frontend: Frontend, selection: Selection, number: int, now: datetime
    ) -> None:
        self.number = number
        self.began = now
        self.listed = 0
        self.ended = False
        self._runs = self._list(frontend, selection, now)

    async def rest(self) -> AsyncGenerator[Run, None]:
        """All that is left.

        Raises:
            StigmerOpsError: A page could not be read; the round is of no use any more.
        """
        async for run in self._runs:
            self.listed += 1
            yield run
        self.ended = True

    async def portion(self, size: int) -> list[Run]:
        """The next ones, so many or all that is left.

        Raises:
            StigmerOpsError: As `rest`.
        """
        taken: list[Run] = []
        while len(taken) < size and not self.ended:
            run = await anext(self._runs, None)
            if run is None:
                self.ended = True
            else:
                taken.append(run)
        self.listed += len(taken)
        return taken

    async def _list(
        self, frontend: Frontend, selection: Selection, now: datetime
    ) -> AsyncIterator[Run]:
        has = (await frontend.describe_namespace()).namespace_info.capabilities
        query = workflow_query(selection, now, has)
        async for workflow in list_workflows(frontend, query, first_page=SMALL_PAGE):
            yield Run(workflow.execution.workflow_id, workflow.execution.run_id)
        if has.standalone_activities:
            query = standalone_query(selection, now, has)
            async for alone in list_standalone(frontend, query, first_page=SMALL_PAGE):
                yield Run("", alone.run_id, alone.activity_id)
