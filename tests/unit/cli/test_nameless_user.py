"""A user without a name and without a home, as in a container with a number for a user."""

from __future__ import annotations

import os
import pwd

import pytest

from stigmer_ops.cli.audit_trail import audit_path
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common
from stigmer_ops.cli.procedure_run import procedures_path
from stigmer_ops.errors import SettingsError


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Invocation:
    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Invocation(Common(), environment={})


def test_operator_is_the_number(nobody: Invocation) -> None:
    assert nobody.operator() == f"uid-{os.getuid()}"


def test_state_has_no_place_unless_it_is_said(
    nobody: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="the audit trail") as audit:
        audit_path(nobody)
    with pytest.raises(SettingsError, match="journals") as journals:
        procedures_path(nobody)

    assert "STIGMER_OPS_AUDIT_PATH" in audit.value.next_step
    assert "STIGMER_OPS_PROCEDURES_PATH" in journals.value.next_step
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert str(audit_path(nobody)) == "/somewhere/stigmer-ops/audit.jsonl"
