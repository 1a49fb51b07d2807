from __future__ import annotations

from stigmer_ops.sandbox.sandbox import Sandbox


async def test_populate_returns_when_every_fault_is_visible(isolated_sandbox: Sandbox) -> None:
    handshakes = await isolated_sandbox.populate({"healthy": 2, "token-not-passed": 2})

    states = [
        (await isolated_sandbox.client.get_workflow_handle(one.workflow_id).describe()).status
        for one in handshakes
    ]
    assert [state and state.name for state in states] == ["COMPLETED"] * 2 + ["RUNNING"] * 2
