"""Whatever content is read ends in a value or in an error that says what is wrong with it.

`make fuzz` looks for what is not so under atheris; each finding is an example here.
"""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.api.history.v1 import HistoryEvent

from fuzz.mutation import mutated
from fuzz.target import Target, attempt, messages
from fuzz.targets import BY_NAME, TARGETS
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.temporal.callbacks import java_callback

LARGEST = 4_096
"""Bytes; `make fuzz` takes more."""
DEEP = 100_000
LONG_SECONDS = 5
OFFLINE = [target for target in TARGETS if not target.asks]

TOO_DEEP = [
    ("settings", b"scan: " + b"[" * DEEP, ":1: nested too deeply"),
    ("settings", b"scan: " + b'{"a":' * DEEP, ":1: nested too deeply"),
    ("web-config", b"- " * DEEP, ":1: nested too deeply"),
    ("plan", b"rows: " + b"[" * DEEP, ":1: nested too deeply"),  # took libyaml minutes
    ("catalogue", b"owned: " + b"[" * DEEP, "nested too deeply"),
    ("reviews", b"- " * DEEP, "nested too deeply"),
    ("execution", b'{"spec":' * DEEP, "says JSON and is not"),
    ("plan-journal", b"[" * DEEP + b'\n{"row": 0}\n', ":1: this is not a line of a plan's journal"),
    ("procedure-journal", b"[" * DEEP + b"\n[]\n", ":1: this is not a line of a procedure's"),
    ("exporter-state", b"[" * DEEP, "is damaged"),
    ("window-snapshot", b"[" * DEEP, ":1: this is not an activity of a snapshot"),
    ("deployment-snapshot", b"[" * DEEP, "is no snapshot"),
    ("batch-page", b"[" * DEEP, "nested too deeply"),
    ("baseline", b"[" * DEEP, "is no baseline file"),
    ("dashboard", b"[" * DEEP, "nested too deeply"),
    ("result", b"[" * DEEP, "nested too deeply"),
]

ODD = [
    ("settings", b"scan: {rps: !!timestamp x}", ":1: a value is not of the type that its tag"),
    ("settings", b"scan: {rps: !!bool x}", ":1: a value is not of the type that its tag"),
    ("settings", b"output: 2026-13-45", ":1: a value is not of the type that its tag"),
    ("settings", b"external: {activity_types: &a [*a]}", ":1: an alias that stands for what it"),
    ("web-config", b"basic_auth_users: {a: !!int x}", ":1: a value is not of the type that its"),
    ("plan", b"schema_version: !!timestamp x\nrows: []", ":1: a value is not of the type that"),
    ("reviews", b"- rule: 2026-13-45", ": a value is not of the type that its tag names"),
    ("execution", b'{"spec": {"callbackToken": "\xd9\xa3"}}', "the callback token is not base64"),
    ("execution", b"\x80", "says JSON and is not"),
    ("plan-journal", b'{"row": 1.5}\n{"row": 2}\n', ":1: this is not a line of a plan's journal"),
    ("window-snapshot", b'{"state": "STARTED", "attempt": null}', ":1: this is not an activity"),
    ("window-snapshot", b"true", ":1: this is not an activity of a snapshot"),
    (
        "window-snapshot",
        b'{"state": "STARTED", "attempt": 1, "start_to_close_seconds": 1e300}',
        ":1: this is not an activity of a snapshot",
    ),
    (
        "deployment-snapshot",
        b'{"kind": "DeploymentSnapshot", "schema_version": 1, "time": "2026-11-24T00:00:00Z",'
        b' "namespace": "orders", "pending": 1e999, "by_age": {}, "revisions": {}}',
        "is no snapshot",
    ),
    ("dashboard", b'{"panels": ' + b"9" * 5_000 + b"}", "not JSON"),
]


@pytest.mark.parametrize("target", OFFLINE, ids=lambda target: target.name)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(random=st.randoms(use_true_random=False))
def test_any_content_is_read_or_refused(target: Target, random: Random) -> None:
    content = mutated(random.choice(target.seeds), target.seeds, random, limit=LARGEST)
    assert isinstance(attempt(target, content), (*target.refuses, type(None)))


@pytest.mark.parametrize("target", OFFLINE, ids=lambda target: target.name)
@settings(max_examples=15)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(target: Target, content: bytes) -> None:
    assert isinstance(attempt(target, content), (*target.refuses, type(None)))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    TOO_DEEP + ODD,
    ids=[f"{name}-{i}" for i, (name, *_) in enumerate(TOO_DEEP + ODD)],
)
def test_what_was_found_is_told_in_no_time(name: str, content: bytes, said: str) -> None:
    began = time.process_time()
    error = attempt(BY_NAME[name], content)
    assert time.process_time() - began < LONG_SECONDS
    assert said in str(error)


@pytest.mark.parametrize("name", ["rule-files", "log-lines", "token", "payload", "failure-message"])
def test_brackets_without_end_are_read_to_theirs(name: str) -> None:
    # libyaml's composer, asked for a rule file, ended the process.
    began = time.process_time()
    for content in (b"a.yaml\n" + b"[" * DEEP, b"a.json\n" + b'{"a":' * DEEP, b'{"a":' * 10_000):
        assert isinstance(attempt(BY_NAME[name], content), (*BY_NAME[name].refuses, type(None)))
    assert time.process_time() - began < LONG_SECONDS


def test_details_of_a_marker_may_be_brackets_without_end() -> None:
    event = HistoryEvent()
    marker = event.marker_recorded_event_attributes
    marker.marker_name = "LocalActivity"
    marker.details["type"].payloads.add(data=b"[" * DEEP)
    assert java_callback(event) is None


def test_a_token_of_megabytes_is_not_parsed() -> None:
    content = BY_NAME["token"].seeds[0] + b"(" * 4_000_000
    began = time.process_time()
    assert claim_of(content).detail == (
        "at byte 16384 of 4000124, there is more than any token has"
    )
    assert time.process_time() - began < LONG_SECONDS


@pytest.mark.parametrize("target", OFFLINE, ids=lambda target: target.name)
def test_seeds_are_what_is_read(target: Target) -> None:
    assert [seed for seed in target.seeds[:10] if attempt(target, seed) is None]


def test_a_message_that_quotes_a_token_is_noticed() -> None:
    secret = BY_NAME["token"].seeds[4].decode()

    def tell(_: bytes) -> None:
        try:
            raise ValueError(f"not JSON: {secret}")
        except ValueError as error:
            raise KeyError("it is not JSON") from error

    with pytest.raises(AssertionError, match="a token is in"):
        attempt(Target("careless", tell, (), (KeyError,)), b"")
    assert secret in "".join(messages(ValueError(secret)))
