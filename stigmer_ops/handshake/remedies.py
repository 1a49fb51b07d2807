"""The commands that follow from a diagnosis, ready to paste into a shell."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.duration import short_duration
from stigmer_ops.handshake.verdicts import (
    ACTIVITY_PAUSED,
    CALLBACK_NOT_POLLED,
    CALLBACK_NOT_REGISTERED,
    NOT_STARTED,
    RUNNER_MISSING,
    STIGMER_WORKER_MISSING,
    WORKFLOW_PAUSED,
    Action,
)

_ASKS_WORKERS = frozenset(
    {NOT_STARTED, RUNNER_MISSING, STIGMER_WORKER_MISSING, CALLBACK_NOT_POLLED}
    | {CALLBACK_NOT_REGISTERED}
)
_PAUSED = frozenset({ACTIVITY_PAUSED, WORKFLOW_PAUSED})
_EXTENSION, _EXTENSION_SHARE = timedelta(hours=2), 1 / 4
TICKET_TO_FILL_IN = "INC-…"
"""In the reasons of commands that are printed; writes refuse it as it stands."""


def shell_word(text: str) -> str:
    """`text` as one word of a POSIX shell, or of bash where it holds control characters."""
    if text.isprintable():
        # An apostrophe reads better in double quotes, where nothing else would be interpreted.
        readable = "'" in text and not set('"$`\\!') & set(text)
        return f'"{text}"' if readable else shlex.quote(text)
    escaped = re.sub(
        r"[\\']|[^\x20-\x7e]",
        lambda match: "".join(f"\\x{byte:02x}" for byte in match[0].encode("utf-8", "replace")),
        text,
    )
    return f"$'{escaped}'"


def reference(activity: PendingActivity) -> str:
    """The options that name an activity and its run."""
    where = f"-n {shell_word(activity.namespace)}"
    which = f"-r {shell_word(activity.run_id)} -a {shell_word(activity.activity_id)}"
    if activity.standalone:
        return f"{where} --standalone {which}"
    return f"{where} -w {shell_word(activity.workflow_id)} {which}"


def extension_of(activity: PendingActivity) -> timedelta:
    """By how much to move its deadline: two hours, or a quarter of a timeout that is short.

    So it stays within what `settings_safety` takes for safe, whatever the scale of its times.
    """
    timeouts = activity.timeouts
    limit = timeouts.start_to_close or timeouts.schedule_to_close or _EXTENSION / _EXTENSION_SHARE
    minutes = limit * _EXTENSION_SHARE // timedelta(minutes=1)
    return min(_EXTENSION, timedelta(minutes=max(minutes, 1)))


def commands(diagnosis: Diagnosis) -> tuple[str, ...]:
    """What to type next: first the look, then the remedy."""
    named = reference(diagnosis.activity)
    verdict = diagnosis.verdict
    reason = f"--reason '{TICKET_TO_FILL_IN}'"
    lines = [f"stigmer-ops pending show {named}"]
    if verdict in _ASKS_WORKERS:
        lines.append(_worker_check(diagnosis))
    if verdict in _PAUSED or diagnosis.action is Action.EXTEND:
        by = short_duration(extension_of(diagnosis.activity))
        lines.append(f"stigmer-ops activity extend {named} --by {by} {reason}")
    if verdict in _PAUSED:
        lines.append(_unpause(diagnosis))
    if diagnosis.action is Action.REDELIVER:
        lines.append(f"stigmer-ops activity redeliver {named}{_whose(diagnosis)} {reason}")
    if diagnosis.action is Action.FAIL:
        message = shell_word(verdict.title)
        lines.append(f"stigmer-ops activity fail {named} --message {message} {reason}")
    return tuple(lines)


def _worker_check(diagnosis: Diagnosis) -> str:
    """Of the queue on which the task waits: those of the settings may be well."""
    queue = diagnosis.queue
    if queue is None:
        return f"stigmer-ops worker check -n {shell_word(diagnosis.activity.namespace)}"
    return f"stigmer-ops worker check -n {shell_word(queue.namespace)} -t {shell_word(queue.name)}"


def _whose(diagnosis: Diagnosis) -> str:
    """The execution, where the token that it holds is not this attempt's."""
    if diagnosis.verdict.action is Action.REDELIVER or diagnosis.deliverable is None:
        return ""
    return f" --execution-id {shell_word(diagnosis.deliverable.execution_id)}"


def _unpause(diagnosis: Diagnosis) -> str:
    activity = diagnosis.activity
    where = f"--namespace {shell_word(activity.namespace)}"
    run = f"--workflow-id {shell_word(activity.workflow_id)} --run-id {shell_word(activity.run_id)}"
    if diagnosis.verdict is WORKFLOW_PAUSED:
        return f"temporal workflow unpause {where} {run}"
    if activity.standalone:
        run = f"--run-id {shell_word(activity.run_id)}"
    which = f"--activity-id {shell_word(activity.activity_id)}"
    return f"temporal activity unpause {where} {run} {which}"
