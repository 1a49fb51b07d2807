from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.identity import LIMIT, identity_of, is_ours, ticket_in


@pytest.mark.parametrize(
    ("reason", "ticket"),
    [
        ("INC-123 the agent is gone", "INC-123"),
        ("see (OPS2-7), and INC-8", "OPS2-7"),
        ("fixes #42.", "#42"),
        ("UTF-8 trouble", "UTF-8"),
        ("inc-123", ""),
        ("A-1", ""),
        ("XINC-12x", ""),
        ("", ""),
    ],
)
def test_ticket_is_the_first_that_the_reason_names(reason: str, ticket: str) -> None:
    assert ticket_in(reason) == ticket


def test_identity_names_operator_host_and_ticket() -> None:
    assert identity_of("alice", "bastion-1", "INC-7 gone") == "stigmer-ops:alice@bastion-1 INC-7"
    assert identity_of("alice", "bastion-1", "gone") == "stigmer-ops:alice@bastion-1"
    assert is_ours(identity_of("alice", "bastion-1", "gone"))
    assert not is_ours("1234@worker-1")


@given(st.text(), st.text(), st.text())
def test_identity_is_within_the_servers_limit(operator: str, host: str, reason: str) -> None:
    operator = operator.encode(errors="ignore").decode()
    host = host.encode(errors="ignore").decode()

    assert len(identity_of(operator * 200, host, reason).encode()) <= LIMIT
