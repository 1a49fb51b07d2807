"""Which activity a write is for, as the command line names it: a task token, or ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityReference, TokenSource
from stigmer_ops.cli.token_input import TOKEN_VARIABLE, read_token, token_named
from stigmer_ops.errors import NOTHING_SENT, UsageError

if TYPE_CHECKING:
    from stigmer_ops.handshake.token import TaskToken


@dataclass(frozen=True, slots=True)
class NamedActivity:
    """What was named, before the server was asked.

    Attributes:
        token: The task token, if one was given.
        workflow_id: Else the ids; empty for a standalone activity.
        run_id: Empty for the current run.
        activity_id: Of the activity.
    """

    token: TaskToken | None = None
    workflow_id: str = ""
    run_id: str = ""
    activity_id: str = ""

    def reference(self, namespace_id: str) -> TaskToken:
        """The token, or the ids in the form of one."""
        from stigmer_ops.temporal.attempt import reference_to_ids

        return self.token or reference_to_ids(
            namespace_id,
            workflow_id=self.workflow_id,
            run_id=self.run_id,
            activity_id=self.activity_id,
        )


def named_activity(
    invocation: Invocation,
    source: TokenSource,
    tokens: list[str] | None,
    reference: ActivityReference,
) -> NamedActivity:
    """Read the token or check the ids.

    STIGMER_OPS_TOKEN counts only where the command line names nothing.

    Raises:
        UsageError: Nothing is named, too much, or an id is empty or not of its form.
        InputError: The token cannot be read, or is damaged.
    """
    ids_given = reference.standalone or any(
        value is not None
        for value in (reference.workflow_id, reference.run_id, reference.activity_id)
    )
    token_given = bool(tokens) or token_named(source)
    if ids_given and token_given:
        raise _usage("both a token and ids are given", "keep one of them: a token says it all")
    if token_given or (not ids_given and invocation.environment.get(TOKEN_VARIABLE)):
        return NamedActivity(token=_token(invocation, source, tokens))
    if not ids_given:
        raise _usage(
            "no activity is named",
            "give --workflow-id and --activity-id, or the token with --token-file; "
            "stigmer-ops pending list shows what waits",
        )
    return _by_ids(reference)


def _token(invocation: Invocation, source: TokenSource, tokens: list[str] | None) -> TaskToken:
    from stigmer_ops.handshake.token import read_form

    if tokens and len(tokens) > 1:
        raise _usage(
            "several tokens are given as arguments",
            "give one; ids go with --workflow-id and --activity-id",
        )
    given = read_token(invocation, source, tokens[0] if tokens else None)
    found = read_form(given.content)
    if found.others:
        raise _usage(
            f"{given.place} holds {len(found.others) + 1} different tokens",
            "give one; stigmer-ops token fingerprint --lines tells them apart",
        )
    for note in found.notes:
        invocation.say(f"note: {note}")
    return found.token


def _by_ids(reference: ActivityReference) -> NamedActivity:
    from stigmer_ops.handshake.fence import activity_options
    from stigmer_ops.handshake.token.task import is_uuid

    for option, value in (
        ("--workflow-id", reference.workflow_id),
        ("--run-id", reference.run_id),
        ("--activity-id", reference.activity_id),
    ):
        if value is not None and not value.strip():
            raise _usage(f"{option} is empty", "is the shell variable set that it comes from?")
    if reference.standalone and reference.workflow_id is not None:
        raise _usage("--standalone and --workflow-id contradict each other", "keep one of them")
    if not reference.standalone and reference.workflow_id is None:
        raise _usage("--workflow-id is missing", "add it, or --standalone if there is none")
    if reference.activity_id is None:
        scope = (
            f"stigmer-ops pending show {activity_options(reference.workflow_id, '', '')}"
            if reference.workflow_id
            else "stigmer-ops pending list"
        )
        raise _usage("--activity-id is missing", f"{scope} shows which activities wait")
    if reference.run_id is not None and not is_uuid(reference.run_id):
        raise _usage(
            f"--run-id {reference.run_id!r} is not a UUID", "leave it out for the current run"
        )
    return NamedActivity(
        workflow_id=reference.workflow_id or "",
        run_id=reference.run_id or "",
        activity_id=reference.activity_id,
    )


def _usage(happened: str, next_step: str) -> UsageError:
    return UsageError(happened, not_done=NOTHING_SENT, next_step=next_step)
