"""One namespace of a Temporal frontend: paced, counted calls whose errors say what to do.

Every remote procedure call of the package goes through `Frontend.call`, so that the load limit, the
count of calls and the translation of errors cannot be forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

import temporalio.client
import temporalio.converter
from aiolimiter import AsyncLimiter
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
)
from temporalio.service import RPCError, RPCStatusCode, WorkflowService

from stigmer_ops.errors import (
    CapabilityError,
    DeniedError,
    StigmerOpsError,
    UnavailableError,
    UsageError,
)
from stigmer_ops.temporal import throttle

RPC_TIMEOUT = timedelta(seconds=15)
"""Deadline of one call. A frontend that has not answered by then is not going to."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard a command may press the frontend.

    `rps` is the calls a second, 0 for no limit; `concurrency` the calls under way at once.
    """

    rps: float = 200.0
    concurrency: int = 64


Observer = Callable[[str, str], None]
"""Told of every call that ended: its method, as in describe_namespace, and its gRPC status."""

RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
ResponseT_co = TypeVar("ResponseT_co", covariant=True)
RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Rpc(Protocol[RequestT_contra, ResponseT_co]):
    """A method of `temporalio.service.WorkflowService`."""

    def __call__(  # noqa: D102
        self, req: RequestT_contra, *, retry: bool = ..., timeout: timedelta | None = ...
    ) -> Awaitable[ResponseT_co]: ...


class Frontend:
    """A connected client of one namespace.

    Attributes:
        client: The SDK client; `client.data_converter` holds the codec.
        pace: The load limit, shared by all calls through this object.
        calls: How many calls were made, by method name (for `--stats`).
        observer: Told of each call that ended; None if nobody wants to know.
        throttle: Slows all calls down while the server refuses some for its rate limit.
    """

    def __init__(self, client: temporalio.client.Client, pace: Pace) -> None:
        self.client = client
        self.pace = pace
        self.calls: Counter[str] = Counter()
        self.observer: Observer | None = None
        self.throttle = throttle.Throttle()
        self._limiter: AbstractAsyncContextManager[None] = (
            AsyncLimiter(max(pace.rps, 1), max(1 / pace.rps, 1)) if pace.rps else nullcontext()
        )
        self._namespace: DescribeNamespaceResponse | None = None

    async def at_share(self, pace: Pace) -> Frontend:
        """The same namespace with a load limit of its own, which is a share of a larger one.

        Its calls are evenly spread, from the first one on: where shares begin and end all the time,
        a burst at each beginning would add up to more than the whole.
        """
        other = Frontend(self.client, pace)
        other._namespace = self._namespace
        other.throttle = self.throttle
        if pace.rps:
            limiter = other._limiter = AsyncLimiter(1, 1 / pace.rps)
            await limiter.acquire()
        return other

    @property
    def namespace(self) -> str:
        """The namespace's name."""
        return self.client.namespace

    @property
    def address(self) -> str:
        """The frontend's host:port."""
        return self.client.service_client.config.target_host

    @property
    def service(self) -> WorkflowService:
        """The raw service, whose methods are passed to `call`."""
        return self.client.workflow_service

    @property
    def data_converter(self) -> temporalio.converter.DataConverter:
        """The payload converter and codec."""
        return self.client.data_converter

    async def call(
        self,
        rpc: Rpc[RequestT, ResponseT],
        request: RequestT,
        *,
        retry: bool = True,
        outlast_throttling: bool | None = None,
        deadline: timedelta = RPC_TIMEOUT,
    ) -> ResponseT:
        """Make one call.

        Args:
            rpc: A method of `service`.
            request: Its request.
            retry: Whether to make it again after transient errors, with backoff, as the SDK does.
                Writes are not: whether one whose answer was lost took effect is read from history.
            outlast_throttling: Whether to make it again where the server refused it for a rate
                limit, and so did nothing: by `throttle`, so that all calls slow down together.
                As `retry`, unless given.
            deadline: For each time that it is made.

        Raises:
            RPCError: As the server answered; `translate` makes a person's error of it.
        """
        method = getattr(rpc, "__name__", "call")
        again = retry if outlast_throttling is None else outlast_throttling
        self.calls[method] += 1
        try:
            async with self._limiter:
                response = await self._made(
                    rpc,
                    request,
                    retry=retry,
                    patience=throttle.PATIENCE if again else timedelta(0),
                    deadline=deadline,
                )
        except RPCError as error:
            self._ended(method, error.status)
            raise
        self._ended(method, RPCStatusCode.OK)
        return response

    async def _made(
        self,
        rpc: Rpc[RequestT, ResponseT],
        request: RequestT,
        *,
        retry: bool,
        patience: timedelta,
        deadline: timedelta,
    ) -> ResponseT:
        try:
            return await self.throttle.made(
                lambda: rpc(request, retry=False, timeout=deadline), patience=patience
            )
        except RPCError as error:
            if not retry or not _is_transient(error):
                raise
        return await rpc(request, retry=True, timeout=deadline)

    def _ended(self, method: str, status: RPCStatusCode) -> None:
        if self.observer is not None:
            self.observer(method, status.name)

    async def describe_namespace(self) -> DescribeNamespaceResponse:
        """The namespace's id, limits and capabilities; asked once.

        Raises:
            StigmerOpsError: The namespace does not exist, or the server cannot be asked.
        """
        if self._namespace is None:
            try:
                self._namespace = await self.call(
                    self.service.describe_namespace,
                    DescribeNamespaceRequest(namespace=self.namespace),
                )
            except RPCError as error:
                raise self.translate(error, f"read namespace {self.namespace}") from error
        return self._namespace

    async def namespace_id(self) -> str:
        """The namespace's UUID, as task tokens carry it."""
        return (await self.describe_namespace()).namespace_info.id

    def translate(self, error: RPCError, doing: str) -> StigmerOpsError:
        """A person's error for an answer that no caller expected.

        Args:
            error: What the server answered.
            doing: What was tried, as in "cannot <doing>".
        """
        happened = f"cannot {doing} at {self.address}: {error.message or error.status.name}"
        match error.status:
            case (
                RPCStatusCode.UNAVAILABLE
                | RPCStatusCode.DEADLINE_EXCEEDED
                | RPCStatusCode.CANCELLED  # the SDK's own timeout
            ):
                return UnavailableError(
                    happened, next_step="stigmer-ops config show; then try again"
                )
            case RPCStatusCode.RESOURCE_EXHAUSTED:
                return UnavailableError(happened, next_step="try again with a lower --rps")
            case RPCStatusCode.UNAUTHENTICATED | RPCStatusCode.PERMISSION_DENIED:
                return DeniedError(
                    happened, next_step="check the credentials: stigmer-ops config show"
                )
            case RPCStatusCode.NOT_FOUND if "amespace" in (error.message or ""):
                return DeniedError(
                    happened, next_step="check TEMPORAL_NAMESPACE, or pass --namespace"
                )
            case RPCStatusCode.UNIMPLEMENTED:
                return CapabilityError(f"{happened} (it is too old for this, or set up without)")
            case RPCStatusCode.INVALID_ARGUMENT | RPCStatusCode.NOT_FOUND:
                return UsageError(happened)
            case _:
                return UnavailableError(happened, next_step="try again")


_TRANSIENT = frozenset(
    {
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.ABORTED,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DATA_LOSS,
    }
)
"""What the SDK makes a call again for, but for throttling."""


def _is_transient(error: RPCError) -> bool:
    # The SDK says CANCELLED of connections that broke, and of its own timeout.
    broke = error.status is RPCStatusCode.CANCELLED and error.message != "Timeout expired"
    return broke or error.status in _TRANSIENT
