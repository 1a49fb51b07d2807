"""A remote codec server, as the `temporal` CLI's --codec-endpoint speaks to it.

Protocol: POST {endpoint}/encode or {endpoint}/decode with a JSON `temporal.api.common.v1.Payloads`,
headers `Content-Type: application/json`, `X-Namespace`, and `Authorization` if one is given; the
answer is the converted `Payloads`. `{namespace}` in the endpoint is filled in.
"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from urllib.parse import quote

from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from stigmer_ops.errors import DeniedError, UnavailableError, UsageError

TIMEOUT_SECONDS = 10.0
ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes: sixteen times what a message of Temporal's may have, and less than memory."""


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for the error that it is: urllib would take our credentials along."""

    def redirect_request(self, *_redirection: object) -> None:
        """Follow none."""


_OPENER = urllib.request.build_opener(_NoRedirection)


class CodecServer(PayloadCodec):
    """Encodes and decodes payloads through a codec server."""

    def __init__(self, endpoint: str, namespace: str, auth: str | None = None) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise UsageError(
                f"the codec endpoint {endpoint!r} is not an http:// or https:// address",
                next_step="check --codec-endpoint or TEMPORAL_CODEC_ENDPOINT",
            )
        if "@" in endpoint.split("/")[2]:
            raise UsageError(
                "the codec endpoint holds a user and password, and is shown in many places",
                next_step="put them into TEMPORAL_CODEC_AUTH, as in 'Basic …'",
            )
        self.endpoint = endpoint.replace("{namespace}", quote(namespace, safe="")).rstrip("/")
        self._headers = {"Content-Type": "application/json", "X-Namespace": namespace}
        if auth:
            self._headers["Authorization"] = auth

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encode through {endpoint}/encode."""
        return await self._post("encode", payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decode through {endpoint}/decode."""
        return await self._post("decode", payloads)

    async def _post(self, operation: str, payloads: Sequence[Payload]) -> list[Payload]:
        if not payloads:
            return []
        body = json_format.MessageToJson(Payloads(payloads=payloads)).encode()
        answer = await asyncio.to_thread(self._exchange, f"{self.endpoint}/{operation}", body)
        try:
            converted = json_format.Parse(answer, Payloads()).payloads
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise UnavailableError(
                f"the codec server at {self.endpoint} did not answer with payloads",
                next_step="check --codec-endpoint",
            ) from error
        if len(converted) != len(payloads):
            raise UnavailableError(
                f"the codec server at {self.endpoint} answered with {len(converted)} payloads "
                f"to {len(payloads)}",
                next_step="check the codec server's log",
            )
        return list(converted)

    def _exchange(self, url: str, body: bytes) -> bytes:
        request = urllib.request.Request(url, body, self._headers, method="POST")  # noqa: S310 - the scheme is checked above
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
                answer: bytes = response.read(ANSWER_LIMIT + 1)
        except urllib.error.HTTPError as error:
            denied = error.code in (401, 403)
            kind = DeniedError if denied else UnavailableError
            raise kind(
                f"the codec server at {self.endpoint} answered {error.code} {error.reason}",
                next_step="check --codec-auth" if denied else "check the codec server's log",
            ) from error
        except (OSError, HTTPException) as error:  # URLError and TimeoutError are of the former
            reason = getattr(error, "reason", error) or type(error).__name__
            raise UnavailableError(
                f"cannot reach the codec server at {self.endpoint}: {reason}",
                next_step="check --codec-endpoint",
            ) from error
        if len(answer) > ANSWER_LIMIT:
            raise UnavailableError(
                f"the codec server at {self.endpoint} answered with more than {ANSWER_LIMIT} bytes",
                next_step="check --codec-endpoint",
            )
        return answer
