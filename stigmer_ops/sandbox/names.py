"""Names on the wire of Stigmer and Zigflow: workflow types, activity types, queues, memo keys.

They are spelled out here and not taken from the settings: the sandbox stands for the world outside,
and a wrong default in the settings must show in a test.
"""

from __future__ import annotations

from typing import Final

CALL_AGENT: Final = "CallAgentActivity"
"""Zigflow's external activity."""

AGENT_WORKFLOW: Final = "stigmer/agent-execution/invoke"
WORKFLOW_WORKFLOW: Final = "stigmer/workflow-execution/invoke"
"""Types of the Stigmer workflows; a workflow id is the type, a slash and the execution id."""

VALIDATION_WORKFLOW: Final = "stigmer/workflow-validation/validate"
"""Type of the workflow that checks workflow definitions; it takes no part in the handshake."""

CALLBACK: Final = "stigmer/system/complete-external-activity"
"""The Go edition's callback activity."""

UPDATE_STATUS: Final = "UpdateExecutionStatus"
"""Local activity of the Go edition that records a failure in Stigmer's store."""

ENSURE_THREAD: Final = "EnsureThread"
EXECUTE_AGENT: Final = "ExecuteGraphton"
CLEAN_UP: Final = "CleanupSandbox"
"""Activities of the agent runner, in the order in which they run."""

EXECUTE_WORKFLOW: Final = "ExecuteWorkflow"
VALIDATE_WORKFLOW: Final = "ValidateWorkflow"
"""Activities of the workflow runner."""

ZIGFLOW_QUEUE: Final = "zigflow_execution"
AGENT_QUEUE: Final = "agent_execution_stigmer"
AGENT_RUNNER_QUEUE: Final = "agent_execution_runner"
WORKFLOW_QUEUE: Final = "workflow_execution_stigmer"
WORKFLOW_RUNNER_QUEUE: Final = "workflow_execution_runner"
VALIDATION_QUEUE: Final = "workflow_validation_stigmer"
VALIDATION_RUNNER_QUEUE: Final = "workflow_validation_runner"

RUNNER_QUEUE_MEMO: Final = "activityTaskQueue"
"""Memo of a Stigmer workflow: the queue of its agent runner."""

UNPOLLED_QUEUE: Final = "zigflow_execution_unpolled"
"""Where external activities go that nobody takes; nobody ever polls it."""
UNPOLLED_RUNNER_QUEUE: Final = "agent_execution_runner_unpolled"
"""Where executions go whose runner is missing; nobody ever polls it."""
