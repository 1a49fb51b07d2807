"""What the runbook's pages tell people to type, typed: against a sandbox with the page's fault.

A block that is tagged with a fault runs line by line in bash, with the handshake's ids in the
variables that pages use. A line has to exit as its trailing comment says, else with 0. Commands
that write are confirmed, as a person would who has read what they are about to do.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest

from stigmer_ops.handshake.verdicts import BY_ID, Action
from stigmer_ops.runbook import Page, PageKind, pages
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, environment
from support.commands import commands, declaration, parse
from support.patient_handshakes import LATE, populate
from support.runbook_blocks import Block, Command, arguments_of, blocks

AT_ONCE = 3
"""Commands under way at once: more would only wait for the processor."""

VARIABLES = {
    # Everything in the sandbox is seconds old.
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
    "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": "0s",
}
VARIABLES_OF: Mapping[str, Mapping[str, str]] = {
    "near-deadline": {"STIGMER_OPS_THRESHOLDS_NEAR_DEADLINE_SHARE": "0.02"},
}
"""By fault."""

TRIED = {
    page.path: page
    # The deadline that is near passes a minute after the start.
    for page in sorted(pages(), key=lambda page: page.name != "near-deadline")
    if any(block.fault for block in blocks(page.text))
}
WRITES = {name for name, command in commands() if declaration(command).writes}


def fault_of(page: Page) -> str:
    return next(block.fault for block in blocks(page.text) if block.fault)


@dataclass
class Trial:
    """One page with the handshake that its blocks run against."""

    page: Page
    handshake: Handshake
    variables: Mapping[str, str]

    async def run(self) -> None:
        """Run the blocks in order, and see that a mitigation mitigates."""
        for block in blocks(self.page.text):
            if not block.fault:
                continue
            if block.section != "Mitigation":
                await self.run_block(block)
                continue
            before = await self.pending()
            await self.run_block(block)
            await self.require_effect(before, await self.pending())

    async def run_block(self, block: Block) -> None:
        """Run each line, and see that it ends as it says."""
        for command in block.commands:
            ended = await self.type(command.text)
            where = f"{self.page.path}:{command.line}: {command.text}\n{ended.out}\n{ended.err}"
            assert ended.code == command.exit_code, f"exit {ended.code} of {where}"
            if self.diagnoses(command):
                assert f"  {self.page.name}\n" in ended.out, f"another verdict in {where}"

    def diagnoses(self, command: Command) -> bool:
        """Whether the verdict has to be the page's."""
        is_verdict = self.page.kind is PageKind.VERDICT
        return is_verdict and command.text.startswith("stigmer-ops diagnose")

    async def type(self, line: str) -> Finished:
        """Run a line as it is, confirmed if it asks."""
        if any(parse(arguments) in WRITES for arguments in arguments_of(line)):
            line = line.partition("  #")[0] + " --yes"
        process = await asyncio.create_subprocess_exec(
            "bash",
            *("-u", "-o", "pipefail", "-c", line),
            env=environment(self.variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), err.decode())

    async def pending(self) -> PendingActivityInfo | None:
        """The external activity, if it is pending."""
        run = WorkflowExecution(
            workflow_id=self.handshake.workflow_id, run_id=self.handshake.run_id
        )
        response = await self.handshake.client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace=self.handshake.namespace, execution=run)
        )
        return next(iter(response.pending_activities), None)

    async def require_effect(
        self, before: PendingActivityInfo | None, after: PendingActivityInfo | None
    ) -> None:
        """Whether the activity has ended, or what was wrong with it has."""
        assert before is not None
        verdict = BY_ID.get(self.page.name)
        if after is None:
            assert verdict is None or verdict.action in (Action.FAIL, Action.REDELIVER)
            return
        assert after.activity_options != before.activity_options
        if verdict is not None:
            assert verdict.action in (Action.EXTEND, Action.SKIP)
            again = await self.type('stigmer-ops diagnose -w "$WORKFLOW_ID" -o json')
            assert [item["verdict"] for item in json.loads(again.out)["items"]] != [verdict.id]


def variables(sandbox: Sandbox, handshake: Handshake, folder: Path) -> dict[str, str]:
    """What a person at the sandbox would have set."""
    ((activity_id, fault),) = handshake.faults.items()
    return {
        **sandbox.environment(),
        **VARIABLES,
        **VARIABLES_OF.get(fault, {}),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
        "STIGMER_OPS_PROCEDURES_PATH": str(folder / "procedures"),
        "WORKFLOW_ID": handshake.workflow_id,
        "RUN_ID": handshake.run_id,
        "ACTIVITY_ID": activity_id,
        "EXECUTION_ID": next((one.metadata.id for one in handshake.executions()), ""),
        "REASON": "INC-7 runbook trial",
    }


@pytest.fixture(scope="module")
async def trials(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """Every page's trial, under way."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def run(page: Page, handshake: Handshake, running: Sandbox) -> None:
        folder = tmp_path_factory.mktemp(page.name)
        async with limit:
            await Trial(page, handshake, variables(running, handshake, folder)).run()

    async def run_alone(page: Page) -> None:
        async with sandbox.isolated() as running:
            (handshake,) = await running.populate({fault_of(page): 1})
            await run(page, handshake, running)

    # A procedure is for a whole namespace, and would be in the others' way.
    alone = {path: page for path, page in TRIED.items() if page.kind is PageKind.PROCEDURE}
    shared = {path: page for path, page in TRIED.items() if path not in alone}
    async with sandbox.isolated() as running:
        counts = Counter(map(fault_of, shared.values()))
        late = {fault: counts.pop(fault) for fault in [*counts] if fault.startswith(LATE)}
        handshakes = [*await populate(running, late), *await running.populate(counts)]
        ready: dict[str, list[Handshake]] = defaultdict(list)
        for handshake in handshakes:
            ready[handshake.faults[handshake.activity_ids[0]]].append(handshake)
        tasks = {
            path: asyncio.create_task(run(page, ready[fault_of(page)].pop(), running))
            for path, page in shared.items()
        }
        tasks |= {path: asyncio.create_task(run_alone(page)) for path, page in alone.items()}
        yield tasks
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("path", TRIED)
async def test_page_works_as_written(trials: dict[str, asyncio.Task[None]], path: str) -> None:
    await trials[path]
