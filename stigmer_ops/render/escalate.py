"""The escalation path, and the message to paste into a chat: short, plain, and without secrets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stigmer_ops.render.tables import Cell, Column, table_of
from stigmer_ops.render.text import short_duration, visible, without_userinfo

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.case import Diagnosis
    from stigmer_ops.procedures.escalation.path import Decision, Step
    from stigmer_ops.procedures.escalation.situation import Situation

LONGEST = 1500
"""Characters of a message: what every chat takes at once, and people read."""
_LONGEST_LINE = 200
_EACH = 5
"""Alerts, verdicts and checks that are told, of each kind."""

Decided = Sequence[tuple["Step", tuple[str, ...], "Decision"]]
"""Each step with where it leads, and whether it is to be taken now."""


def message(situation: Situation) -> str:
    """The incident in Markdown. What foreign text says of failures is left out."""
    time = f"{situation.time:%Y-%m-%d %H:%M} UTC"
    head = f"**Stigmer, namespace {_code(situation.namespace)}, {time}**"
    lines = [head, *_points(situation), _next(situation)]
    while len("\n".join(lines)) > LONGEST:
        del lines[-2]  # the last point; the head and what to type stay
    return "\n".join(lines)


def _points(situation: Situation) -> Iterator[str]:
    if situation.diagnosed:
        waiting, stuck = len(situation.diagnoses), len(situation.stuck)
        yield f"- external activities that wait: {waiting}, of them stuck: {stuck}"
    yield from _some(
        [
            f"- alert {_plain(alert.name)} ({_plain(alert.severity)}) fires, since "
            f"{short_duration(situation.time - alert.since)}"
            for alert in situation.alerts or ()
        ]
    )
    yield from _some(list(_verdicts(situation)))
    yield from _some(
        [
            f"- check {result.check.id} failed: {_plain(result.detail or result.check.sentence)}"
            for result in situation.failed
        ]
    )
    for gap in situation.gaps:
        yield f"- {_plain(gap)}"


def _verdicts(situation: Situation) -> Iterator[str]:
    counts = Counter(found.verdict for found in situation.stuck)
    first: dict[str, Diagnosis] = {}
    for found in situation.stuck:
        first.setdefault(found.verdict.id, found)
    for verdict, count in counts.most_common():
        activity = first[verdict.id].activity
        where = f"workflow {_code(activity.workflow_id)} " if activity.workflow_id else ""
        yield (
            f"- {count} x {verdict.id}: {verdict.title}; the oldest: {where}activity "
            f"{_code(activity.activity_id)}, {short_duration(activity.age(situation.time))}"
        )


def _some(lines: list[str]) -> list[str]:
    left = len(lines) - _EACH
    return [*lines[:_EACH], *([f"- and {left} more"] if left > 0 else [])]


def _next(situation: Situation) -> str:
    if not situation.wrong:
        return "Nothing is wrong as far as is known."
    return f"More: `stigmer-ops diagnose -n {visible(situation.namespace)}`, `stigmer-ops check`"


def _code(text: str) -> str:
    """Foreign text as code, in which chats expand no mention and no markup."""
    return "`" + _cut(visible(text).replace("`", "'")) + "`"


def _plain(text: str) -> str:
    line = without_userinfo(text.partition("\n")[0])
    # Neither a mention nor markup, nor a link; and no backslash that would undo one of ours.
    return re.sub(r"[\\`*_<>@\[\]]", lambda found: "\\" + found[0], _cut(visible(line)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"


def escalation_record(
    decided: Decided, situation: Situation, text: str, defaults: Collection[str] = ()
) -> dict[str, Any]:
    """The path and the message, ready for JSON; `defaults` are settings that nobody set."""
    return {
        "namespace": situation.namespace,
        "wrong": situation.wrong,
        "critical": situation.critical,
        "steps": [
            {
                "id": step.id,
                "title": step.title,
                "where": list(where),
                "configured": step.setting not in defaults,
                "now": decision.now,
                "known": decision.known,
                "why": decision.why,
            }
            for step, where, decision in decided
        ],
        "failed_checks": [result.check.id for result in situation.failed],
        "stuck": dict(Counter(found.verdict.id for found in situation.stuck)),
        "alerts": None if situation.alerts is None else [one.name for one in situation.alerts],
        "gaps": list(situation.gaps),
        "message": text,
    }


def escalation_page(
    console: Console, decided: Decided, text: str, defaults: Collection[str] = ()
) -> None:
    """The path step by step, and below it what to paste; `defaults` are settings nobody set."""
    rows: list[list[Cell]] = [
        [_when(decision), step.title, [*_where(step, where, defaults), (decision.why, "dim")]]
        for step, where, decision in decided
    ]
    columns = [Column("", fold=False), Column("STEP"), Column("WHERE, AND WHY")]
    console.print(table_of(columns, rows))
    console.print()
    console.print("to paste (alone with --message):")
    console.print()
    console.print(text, soft_wrap=True)


def _when(decision: Decision) -> tuple[str, str]:
    if not decision.known:
        return "unknown", "yellow"
    return ("now", "bold red") if decision.now else ("not now", "dim")


def _where(
    step: Step, where: tuple[str, ...], defaults: Collection[str]
) -> Iterator[tuple[str, str]]:
    yield from ((line, "") for line in where)
    if step.setting in defaults:
        yield f"a default, not configured: {step.setting} in the settings", "yellow"
