"""What `pending show` reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stigmer_ops.cli.activity_reference import NamedActivity
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.pending_scan import look_of
from stigmer_ops.errors import ExitCode, StaleError, StigmerOpsError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.activity_detail import ActivityDetail
    from stigmer_ops.temporal.frontend import Frontend


async def show_activity(
    invocation: Invocation, frontend: Frontend, named: NamedActivity
) -> ExitCode:
    """Write one activity in full, or what has become of it."""
    from stigmer_ops.render.pending_detail import detail_page, detail_record
    from stigmer_ops.temporal.activity_detail import read_detail
    from stigmer_ops.temporal.attempt import locate

    now = invocation.now()
    reference = named.reference(await frontend.namespace_id())
    try:
        located = await locate(frontend, reference)
    except StaleError as stale:
        return await _write_ended(invocation, frontend, named, stale)
    stale_after = invocation.settings.thresholds.poller_stale_after
    detail = await read_detail(frontend, located, now=now, stale_after=stale_after)
    detail = await _with_texts(invocation, frontend, detail)

    def page(console: Console, _wide: bool) -> None:
        detail_page(console, detail, look_of(invocation, now))

    invocation.write(Document("Activity", detail_record(detail, now)), page)
    return ExitCode.OK


async def _with_texts(
    invocation: Invocation, frontend: Frontend, detail: ActivityDetail
) -> ActivityDetail:
    """The detail with the texts of its failures, if they are encoded and can be decoded."""
    from dataclasses import replace

    from stigmer_ops.temporal.failure_texts import with_texts

    try:
        failures = await with_texts(frontend, detail.failures)
    except StigmerOpsError as error:  # everything else can be shown without a codec server
        invocation.say(f"the texts of its failures are not decoded: {error.happened}")
        return detail
    last = failures[0] if failures else detail.activity.last_failure
    activity = replace(detail.activity, last_failure=last)
    return replace(detail, activity=activity, failures=tuple(failures))


async def _write_ended(
    invocation: Invocation, frontend: Frontend, named: NamedActivity, stale: StaleError
) -> ExitCode:
    from stigmer_ops.render.token import observation_record
    from stigmer_ops.temporal.token_state import validate_token

    validation = await validate_token(frontend, named.reference(await frontend.namespace_id()))
    body = {
        "pending": False,
        "namespace": frontend.namespace,
        "workflow_id": named.workflow_id or None,
        "activity_id": named.activity_id or None,
        "verdict": validation.verdict.id,
        "finding": stale.happened,
        "next": [stale.next_step] if stale.next_step else [],
        "evidence": observation_record(validation.seen),
    }

    def page(console: Console, _wide: bool) -> None:
        from rich.text import Text

        from stigmer_ops.render.text import visible

        console.print(Text(f"not pending: {visible(stale.happened)}"), soft_wrap=True)
        if stale.next_step:
            console.print(Text(f"next: {visible(stale.next_step)}"), soft_wrap=True)

    invocation.write(Document("Activity", body), page)
    return ExitCode.FINDINGS


async def show_workflow(
    invocation: Invocation, frontend: Frontend, workflow_id: str, run_id: str
) -> ExitCode:
    """Write which activities one workflow waits for, of every type."""
    from stigmer_ops.render.pending import activity_record
    from stigmer_ops.temporal.activity_detail import describe_waiting

    now = invocation.now()
    workflow = await describe_waiting(frontend, workflow_id, run_id)
    pending = workflow.pending if workflow else ()
    status = workflow.status if workflow else None
    records = [activity_record(activity, now) for activity in pending]
    body = {
        "namespace": frontend.namespace,
        "workflow_id": workflow_id,
        "run_id": workflow.run_id if workflow else run_id or None,
        "workflow_type": workflow.workflow_type if workflow else None,
        "status": status,
        "activities": records,
    }

    def table(console: Console, wide: bool) -> None:
        from stigmer_ops.render.pending_table import pending_table

        if pending:
            for part in pending_table(console, pending, look_of(invocation, now), wide=wide):
                console.print(part)

    lines = [("PendingActivity", record) for record in records]
    invocation.write(Document("WorkflowActivities", body, lines), table)
    if invocation.output.for_people and not pending:
        said = "there is no such workflow or run" if status is None else f"the workflow is {status}"
        invocation.say(f"nothing is pending: {said}")
    return ExitCode.OK if pending else ExitCode.FINDINGS
