"""Stigmer's database of executions, in memory; it outlives a restart of Stigmer's processes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TypeVar

from stigmer_ops.sandbox.names import AGENT_WORKFLOW, WORKFLOW_WORKFLOW
from stigmer_ops.sandbox.plan import Script
from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution
from stigmer_ops.stigmer.api.agentexecution_pb2 import ExecutionPhase as AgentPhase
from stigmer_ops.stigmer.api.workflowexecution_pb2 import ExecutionPhase as WorkflowPhase
from stigmer_ops.stigmer.api.workflowexecution_pb2 import WorkflowExecution

Execution = AgentExecution | WorkflowExecution
OneKind = TypeVar("OneKind", bound=Execution)
PhaseName = Literal[
    "EXECUTION_PENDING",
    "EXECUTION_IN_PROGRESS",
    "EXECUTION_COMPLETED",
    "EXECUTION_FAILED",
    "EXECUTION_CANCELLED",
]


def workflow_id_of(execution: Execution) -> str:
    """The id of the Stigmer workflow that runs an execution."""
    kind = AGENT_WORKFLOW if isinstance(execution, AgentExecution) else WORKFLOW_WORKFLOW
    return f"{kind}/{execution.metadata.id}"


class ExecutionStore:
    """Every execution that was created, by id, oldest first."""

    def __init__(self) -> None:
        self._executions: dict[str, Execution] = {}
        self._names: set[str] = set()
        self._of_handshake: dict[str, list[Execution]] = {}

    def add(self, execution: Execution) -> bool:
        """Store a new execution, in phase pending.

        Returns:
            False if there is one of that name already; nothing is stored then.
        """
        if execution.metadata.name in self._names:
            return False
        self._names.add(execution.metadata.name)
        self._executions[execution.metadata.id] = execution
        handshake = Script.of(execution.metadata.annotations).handshake
        self._of_handshake.setdefault(handshake, []).append(execution)
        _set_phase(execution, "EXECUTION_PENDING")
        return True

    def get(self, kind: type[OneKind], execution_id: str) -> OneKind | None:
        """The execution of that kind and id, if there is one."""
        found = self._executions.get(execution_id)
        return found if isinstance(found, kind) else None

    def find(self, kind: type[OneKind], phase: int, tags: Iterable[str]) -> list[OneKind]:
        """The executions of that kind, newest first.

        Args:
            kind: The message type.
            phase: Number of the phase that they are in; 0 for any.
            tags: Tags that each of them has.
        """
        wanted = set(tags)
        return [
            execution
            for execution in reversed(self._executions.values())
            if isinstance(execution, kind)
            and phase in {0, execution.status.phase}
            and wanted <= set(execution.metadata.tags)
        ]

    def of_handshake(self, handshake: str) -> list[Execution]:
        """The executions of one of the sandbox's handshakes, oldest first."""
        return list(self._of_handshake.get(handshake, ()))

    def start(self, execution_id: str) -> None:
        """Record that the agent has begun; again at each attempt."""
        execution = self._executions[execution_id]
        _set_phase(execution, "EXECUTION_IN_PROGRESS")
        execution.status.started_at = execution.status.started_at or _now()

    def finish(self, execution_id: str, phase: PhaseName, error: str = "") -> None:
        """Record how the execution ended."""
        execution = self._executions[execution_id]
        _set_phase(execution, phase)
        execution.status.error = error
        execution.status.completed_at = _now()


def _set_phase(execution: Execution, name: PhaseName) -> None:
    if isinstance(execution, AgentExecution):
        execution.status.phase = AgentPhase.Value(name)
    else:
        execution.status.phase = WorkflowPhase.Value(name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
