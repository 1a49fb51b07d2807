"""Visibility: queries that hold what users named, and lists read page after page.

Query language: https://docs.temporal.io/list-filter. Visibility is eventually consistent: what is
listed is a candidate, to be described before anything is said of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio.api.activity.v1 import ActivityExecutionListInfo
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    ListActivityExecutionsRequest,
    ListActivityExecutionsResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
)
from temporalio.service import RPCError

from stigmer_ops.temporal.frontend import Frontend, Rpc
from stigmer_ops.temporal.patience import patiently

PAGE_SIZE = 1000  # the server's own maximum, to which it clamps in silence
SMALL_PAGE = 100
"""A first page that is there at once: a row takes the server half as long as its description."""

LIST_TIMEOUT = timedelta(seconds=60)  # a large page of a busy visibility store takes its time

RequestT = TypeVar("RequestT", ListWorkflowExecutionsRequest, ListActivityExecutionsRequest)
PageT = TypeVar("PageT", ListWorkflowExecutionsResponse, ListActivityExecutionsResponse)


def all_of(*clauses: str | None) -> str:
    """The clauses joined by AND, without those that are None."""
    return " AND ".join(clause for clause in clauses if clause)


def is_any_of(attribute: str, values: Iterable[str]) -> str | None:
    """A clause that is true where a Keyword attribute equals one of `values`.

    None where there are no values, and where the server would not find one of them: server 1.32 on
    SQLite never matches a value with a double quote, a backslash or a control character, however
    it is escaped, and answers UNAVAILABLE to a zero byte. The caller then lists more than it
    needs, and compares for itself.
    """
    wanted = sorted(values)
    if not wanted or not all(_can_be_found(value) for value in wanted):
        return None
    return f"{attribute} IN ({', '.join(map(_quoted, wanted))})"


def is_none_of(attribute: str, values: Iterable[str]) -> str | None:
    """A clause that is true where a Keyword attribute equals none of `values`.

    None where there are no values, and where the server would misread one: see `is_any_of`.
    """
    clause = is_any_of(attribute, values)
    return None if clause is None else clause.replace(" IN (", " NOT IN (", 1)


def not_after(attribute: str, time: datetime) -> str:
    """A clause that is true where a Datetime attribute is `time` or earlier."""
    return f"{attribute} <= {_instant(time)}"


def not_before(attribute: str, time: datetime) -> str:
    """A clause that is true where a Datetime attribute is `time` or later."""
    return f"{attribute} >= {_instant(time)}"


def closed_since(time: datetime) -> str:
    """A clause that is true of what closed at `time` or later.

    A comparison alone would not do: on SQL databases, servers before 1.32 take the close time that
    an open workflow has not for the last day of the year 9999, and list all of them.
    """
    return f"({not_before('CloseTime', time)} AND CloseTime IS NOT NULL)"


def _instant(time: datetime) -> str:
    return f"'{time.astimezone(UTC).isoformat().replace('+00:00', 'Z')}'"


def _can_be_found(value: str) -> bool:
    return not any(char in '"\\' or ord(char) < ord(" ") for char in value)


def _quoted(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


async def list_workflows(
    frontend: Frontend, query: str, *, first_page: int = PAGE_SIZE
) -> AsyncIterator[WorkflowExecutionInfo]:
    """The workflows that match `query`, newest start first, each page read when it is needed.

    Args:
        frontend: Whom to ask.
        query: Which of them.
        first_page: How many the first page may hold; every other may hold twice as many as the one
            before, up to `PAGE_SIZE`. Whoever describes what is listed begins with a small page
            at once, and finds the next one read when it is needed.

    Raises:
        StigmerOpsError: A page could not be read.
    """
    request = ListWorkflowExecutionsRequest(
        namespace=frontend.namespace, page_size=first_page, query=query
    )
    rpc = frontend.service.list_workflow_executions
    async for page in _pages(frontend, rpc, request, "list workflows"):
        for workflow in page.executions:
            yield workflow


async def list_standalone(
    frontend: Frontend, query: str, *, first_page: int = PAGE_SIZE
) -> AsyncIterator[ActivityExecutionListInfo]:
    """The standalone activities that match `query`; the rest as `list_workflows`.

    Raises:
        StigmerOpsError: A page could not be read.
    """
    request = ListActivityExecutionsRequest(
        namespace=frontend.namespace, page_size=first_page, query=query
    )
    rpc = frontend.service.list_activity_executions
    async for page in _pages(frontend, rpc, request, "list standalone activities"):
        for activity in page.executions:
            yield activity


async def _pages(
    frontend: Frontend, rpc: Rpc[RequestT, PageT], request: RequestT, doing: str
) -> AsyncIterator[PageT]:
    while True:
        try:
            page = await patiently(lambda: frontend.call(rpc, request, deadline=LIST_TIMEOUT))
        except RPCError as error:
            raise frontend.translate(error, doing) from error
        yield page
        if not page.next_page_token:
            return
        request.next_page_token = page.next_page_token
        request.page_size = min(2 * request.page_size, PAGE_SIZE)


async def count_workflows(frontend: Frontend, query: str) -> int:
    """How many workflows match `query`.

    Raises:
        StigmerOpsError: They could not be counted.
    """
    request = CountWorkflowExecutionsRequest(namespace=frontend.namespace, query=query)
    try:
        answer = await frontend.call(
            frontend.service.count_workflow_executions, request, deadline=LIST_TIMEOUT
        )
    except RPCError as error:
        raise frontend.translate(error, "count workflows") from error
    return answer.count
