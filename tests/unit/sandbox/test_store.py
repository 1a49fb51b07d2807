from __future__ import annotations

from stigmer_ops.sandbox.plan import ANNOTATION, Script
from stigmer_ops.sandbox.store import ExecutionStore, workflow_id_of
from stigmer_ops.stigmer.api.agentexecution_pb2 import (
    EXECUTION_COMPLETED,
    EXECUTION_FAILED,
    EXECUTION_IN_PROGRESS,
    EXECUTION_PENDING,
    AgentExecution,
)
from stigmer_ops.stigmer.api.apiresource_pb2 import ApiResourceMetadata
from stigmer_ops.stigmer.api.workflowexecution_pb2 import WorkflowExecution


def agent(execution_id: str, *tags: str, handshake: str = "") -> AgentExecution:
    script = Script(handshake=handshake).to_json()
    metadata = ApiResourceMetadata(
        id=execution_id, name=f"name-of-{execution_id}", tags=tags, annotations={ANNOTATION: script}
    )
    return AgentExecution(metadata=metadata)


def test_add_stores_pending_and_refuses_a_name_twice() -> None:
    store = ExecutionStore()

    assert store.add(agent("aex_1"))
    assert not store.add(agent("aex_1"))

    stored = store.get(AgentExecution, "aex_1")
    assert stored is not None
    assert stored.status.phase == EXECUTION_PENDING


def test_get_tells_the_kinds_apart() -> None:
    store = ExecutionStore()
    store.add(agent("aex_1"))

    assert store.get(WorkflowExecution, "aex_1") is None
    assert store.get(AgentExecution, "aex_2") is None


def test_life_of_an_execution_is_recorded_with_its_times() -> None:
    store = ExecutionStore()
    execution = agent("aex_1")
    store.add(execution)

    store.start("aex_1")
    first_start = execution.status.started_at
    store.start("aex_1")
    assert execution.status.phase == EXECUTION_IN_PROGRESS
    assert execution.status.started_at == first_start
    assert first_start.endswith("Z")

    store.finish("aex_1", "EXECUTION_FAILED", "out of memory")
    assert execution.status.phase == EXECUTION_FAILED
    assert execution.status.error == "out of memory"
    assert execution.status.completed_at >= first_start


def test_find_filters_by_phase_and_all_tags_newest_first() -> None:
    store = ExecutionStore()
    for number, tags in enumerate([("a",), ("a", "b"), ("a", "b", "c")], start=1):
        store.add(agent(f"aex_{number}", *tags))
    store.finish("aex_3", "EXECUTION_COMPLETED")

    def ids(phase: int, *tags: str) -> list[str]:
        return [one.metadata.id for one in store.find(AgentExecution, phase, tags)]

    assert ids(0) == ["aex_3", "aex_2", "aex_1"]
    assert ids(0, "a", "b") == ["aex_3", "aex_2"]
    assert ids(EXECUTION_COMPLETED) == ["aex_3"]
    assert ids(EXECUTION_PENDING, "b") == ["aex_2"]


def test_executions_are_found_by_handshake() -> None:
    store = ExecutionStore()
    store.add(agent("aex_1", handshake="h1"))
    store.add(agent("aex_2", handshake="h2"))

    assert [one.metadata.id for one in store.of_handshake("h2")] == ["aex_2"]


def test_workflow_id_is_the_type_and_the_execution() -> None:
    assert workflow_id_of(agent("aex_1")) == "stigmer/agent-execution/invoke/aex_1"
    assert (
        workflow_id_of(WorkflowExecution(metadata=ApiResourceMetadata(id="wex_1")))
        == "stigmer/workflow-execution/invoke/wex_1"
    )
