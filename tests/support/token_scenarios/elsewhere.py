"""Tokens of another server, and bytes that are no token."""

from __future__ import annotations

import base64
import uuid

from temporalio.client import Client

from support.hand_worker import HandWorker
from support.token_scenarios.case import (
    Cases,
    altered,
)

cases = Cases()


@cases.leads_to("unknown-namespace")
async def of_another_server(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), namespace_id=str(uuid.uuid4()))


@cases.leads_to("malformed", "truncated at byte 60")
async def cut_off(client: Client) -> bytes:
    return (await HandWorker(client).started())[:60]


@cases.leads_to("malformed", "truncated at byte 38")
async def cut_off_between_two_fields(client: Client) -> bytes:
    return (await HandWorker(client).started())[:38]


@cases.leads_to("malformed", "empty")
async def nothing_at_all(_client: Client) -> bytes:
    return b""


@cases.leads_to("malformed")
async def prose(_client: Client) -> bytes:
    return b"callback_token is not set"


@cases.leads_to("double-encoded", "of the token inside: attempt 1 is pending")
async def base64_text_stored_as_bytes(client: Client) -> bytes:
    return base64.b64encode(await HandWorker(client).started())
