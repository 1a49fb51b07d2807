"""Calls are counted by the names and codes that Temporal's and gRPC's own documents use."""

from __future__ import annotations

import inspect

import pytest
from temporalio.api.workflowservice import v1 as workflowservice
from temporalio.service import WorkflowService

from stigmer_ops.errors import UnavailableError
from stigmer_ops.exporter.link import FAILURES, Link
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.temporal.frontend import Frontend

METHODS = [
    name
    for name, found in inspect.getmembers(WorkflowService, inspect.isfunction)
    if not name.startswith("_")
]


async def nobody(_namespace: str) -> Frontend:
    raise UnavailableError("nobody is there")


def test_methods_have_the_names_of_the_service() -> None:
    link = Link("orders", nobody)
    for method in METHODS:
        link._count(method, "OK")
    (counted,) = link.readings.values()
    strange = {name for _, name, _ in counted if not hasattr(workflowservice, f"{name}Request")}
    assert strange == set()
    assert len({name for _, name, _ in counted}) == len(METHODS) > 50


def test_failures_are_at_zero_from_the_first_call_of_their_method() -> None:
    link = Link("orders", nobody)
    link._count("describe_namespace", "OK")
    link._count("describe_namespace", "UNAVAILABLE")
    counted = {code: count for (_, _, code), count in link.readings[m.RPCS].items()}
    assert set(counted) == {"OK", *FAILURES}
    assert {code for code, count in counted.items() if count} == {"OK", "UNAVAILABLE"}


async def test_link_tries_again_until_it_comes_about() -> None:
    link = Link("orders", nobody)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await link.frontend()
    assert link.readings == {m.RPCS: {}}
