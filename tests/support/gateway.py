"""A gRPC gateway in front of a Temporal frontend: TLS, client certificates, API keys, faults.

It forwards every unary call as bytes, so that it needs to know nothing of Temporal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio

Interception = Callable[[str, bytes], Awaitable[grpc.StatusCode | None]]
"""Called with method and request before each forwarded call; a status refuses it."""


def refusing(refused: str) -> Interception:
    """Refuse one method, as a server does to accounts that may not use it."""

    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.PERMISSION_DENIED if method == refused else None

    return intercept


@dataclass
class Gateway:
    """A running gateway: its port, and the methods it was called with."""

    port: int
    calls: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """host:port; the name is the one that its certificate is for."""
        return f"localhost:{self.port}"


class _Forward(grpc.GenericRpcHandler):
    def __init__(
        self,
        upstream: grpc.aio.Channel,
        gateway: Gateway,
        api_key: str | None,
        intercept: Interception | None,
        lose_answers_of: Container[str],
    ) -> None:
        self._upstream = upstream
        self._gateway = gateway
        self._api_key = api_key
        self._intercept = intercept
        self._lose_answers_of = lose_answers_of

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method

        async def forward(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            self._gateway.calls.append(method.rsplit("/", 1)[-1])
            metadata = dict(context.invocation_metadata() or ())
            if self._api_key is not None and metadata.get("authorization") != (
                f"Bearer {self._api_key}"
            ):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no valid API key")
            if self._intercept is not None:
                refused = await self._intercept(method.rsplit("/", 1)[-1], request)
                if refused is not None:
                    await context.abort(refused, "refused by the gateway")
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._upstream.unary_unary(
                method
            )
            try:
                answer: bytes = await call(request, timeout=20)
            except grpc.aio.AioRpcError as error:
                context.set_trailing_metadata(error.trailing_metadata())
                await context.abort(error.code(), error.details() or "")
            if method.rsplit("/", 1)[-1] in self._lose_answers_of:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
            return answer

        return grpc.unary_unary_rpc_method_handler(forward)


@asynccontextmanager
async def gateway_to(
    upstream: str,
    *,
    certificate: tuple[bytes, bytes] | None = None,
    client_ca: bytes | None = None,
    api_key: str | None = None,
    intercept: Interception | None = None,
    lose_answers_of: Container[str] = (),
    port: int = 0,
) -> AsyncIterator[Gateway]:
    """Listen on a port of loopback and forward to `upstream`.

    Args:
        upstream: host:port of the Temporal frontend.
        certificate: Private key and certificate chain (PEM): TLS is spoken.
        client_ca: CA certificate (PEM): clients must show a certificate that it signed.
        api_key: Calls without this bearer token are refused as UNAUTHENTICATED.
        intercept: Sees every call first.
        lose_answers_of: Methods that are carried out, and whose answer does not come back.
        port: Where to listen; 0 for a free one.
    """
    async with grpc.aio.insecure_channel(upstream) as channel:
        server = grpc.aio.server()
        credentials = certificate and grpc.ssl_server_credentials(
            [certificate], client_ca, require_client_auth=client_ca is not None
        )
        if credentials:
            bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
        else:
            bound = server.add_insecure_port(f"127.0.0.1:{port}")
        gateway = Gateway(bound)
        server.add_generic_rpc_handlers(
            (_Forward(channel, gateway, api_key, intercept, lose_answers_of),)
        )
        await server.start()
        try:
            yield gateway
        finally:
            await server.stop(grace=0)
