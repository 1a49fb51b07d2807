"""What stands between a shown plan and its execution, the same for every command that writes.

    require_writable(invocation, mutation, namespace)   # first, before anything is read
    ...                                                 # read, decide, show the plan
    if not confirmed(invocation, mutation, namespace, "Complete this activity?"):
        return ExitCode.OK                              # --dry-run
    ...                                                 # write

The plan itself is shown by the command, in between.
"""

from __future__ import annotations

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Mutation
from stigmer_ops.cli.terminal import answer_to
from stigmer_ops.errors import NOTHING_SENT, RefusedError, UsageError
from stigmer_ops.render.text import visible


def require_writable(invocation: Invocation, mutation: Mutation, namespace: str) -> None:
    """Refuse at once what would be refused in the end: read-only, no reason, nobody to ask.

    A dry run writes nothing, so it needs none of these.

    Raises:
        UsageError: No --reason, or one that was copied without being filled in.
        RefusedError: Read-only mode; another namespace was confirmed; or a question would have to
            be asked and nobody is there to answer it.
    """
    if mutation.confirm_namespace not in (None, namespace):
        raise RefusedError(
            f"--confirm-namespace says {mutation.confirm_namespace!r}, "
            f"but this would write to namespace {namespace!r}",
            not_done=NOTHING_SENT,
            next_step="check --namespace, TEMPORAL_NAMESPACE and TEMPORAL_PROFILE: "
            "stigmer-ops config show",
        )
    if mutation.dry_run:
        return
    require_no_read_only_mode(invocation)
    _require_reason(mutation)
    if not invocation.can_ask:
        _require_no_question(invocation, mutation, namespace)


def _require_reason(mutation: Mutation) -> None:
    """Refuse a reason that says nothing: the audit trail keeps it for good.

    Raises:
        UsageError: There is none, or it is that of a command that we printed to be filled in.
    """
    from stigmer_ops.handshake.remedies import TICKET_TO_FILL_IN

    reason = (mutation.reason or "").strip()
    if not reason:
        raise UsageError(
            "--reason is missing: it is kept in the audit file, its ticket in the history",
            not_done=NOTHING_SENT,
            next_step="add --reason 'why, with a ticket such as INC-123'",
        )
    if TICKET_TO_FILL_IN in reason:
        raise UsageError(
            f"--reason still has the {TICKET_TO_FILL_IN} that was to be filled in",
            not_done=NOTHING_SENT,
            next_step="put why there, with the ticket of this incident, such as INC-123",
        )


def require_no_read_only_mode(invocation: Invocation) -> None:
    """Refuse to write in read-only mode.

    Raises:
        RefusedError: It is on.
    """
    if invocation.settings.read_only:
        origin = invocation.loaded_settings.origins["read_only"]
        raise RefusedError(
            f"read-only mode is on ({origin})",
            not_done=NOTHING_SENT,
            next_step="add --dry-run to see what would be done, or turn read_only off there",
        )


def confirmed(
    invocation: Invocation,
    mutation: Mutation,
    namespace: str,
    question: str,
    *,
    activities: int = 1,
) -> bool:
    """Ask what has to be asked about the plan just shown.

    The name of a protected namespace (settings: writes.protected_namespaces), or of any where many
    activities are written to (writes.confirm_above), must be typed even with --yes, unless
    --confirm-namespace gives it.

    Args:
        invocation: The command's run.
        mutation: Its options.
        namespace: What it writes to.
        question: "Complete this activity?"
        activities: How many are written to.

    Returns:
        Whether to go on: False only for a dry run.

    Raises:
        RefusedError: The answer was no, or nobody is there to answer.
    """
    if mutation.dry_run:
        return False
    if not invocation.can_ask:
        _require_no_question(invocation, mutation, namespace, activities)
    if _name_is_asked(invocation, mutation, namespace, activities):
        asked = f"{question} Type the namespace's name to go on: "
        agreed = answer_to(visible(asked)) == namespace
    else:
        agreed = mutation.yes or answer_to(visible(f"{question} [y/N] ")).lower() in ("y", "yes")
    if not agreed:
        raise RefusedError("not confirmed", not_done=NOTHING_SENT)
    return True


def _name_is_asked(
    invocation: Invocation, mutation: Mutation, namespace: str, activities: int
) -> bool:
    writes = invocation.settings.writes
    guarded = namespace in writes.protected_namespaces or activities > writes.confirm_above
    return guarded and mutation.confirm_namespace is None


def _require_no_question(
    invocation: Invocation, mutation: Mutation, namespace: str, activities: int = 1
) -> None:
    missing = []
    if not mutation.yes:
        missing.append("--yes")
    if _name_is_asked(invocation, mutation, namespace, activities):
        missing.append(f"--confirm-namespace {namespace}")
    if missing:
        why = (
            "standard input and error are not a terminal"
            if invocation.output.for_people
            else f"-o {invocation.output} leaves no room for a question"
        )
        raise RefusedError(
            f"this has to be confirmed, and nobody can be asked: {why}",
            not_done=NOTHING_SENT,
            next_step=f"look at it with --dry-run, then add {' '.join(missing)}",
        )
