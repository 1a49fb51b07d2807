"""The report as Markdown, for a ticket or a repository of post-mortems.

Foreign text stands in code spans and code blocks only: there it is no markup, no link, no mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from stigmer_ops.handshake.remedies import commands
from stigmer_ops.render.report import words
from stigmer_ops.render.text import short_duration, visible

if TYPE_CHECKING:
    from stigmer_ops.handshake.case import Diagnosis
    from stigmer_ops.procedures.incident.report import IncidentReport, Told, VerdictGroup

_TICKS = re.compile("`+")


def markdown(report: IncidentReport) -> str:
    """The whole document."""
    parts = [
        *_head(report),
        *_attention(report),
        *_checks(report),
        *_alerts(report),
        *_actions(report),
        *_gaps(report),
    ]
    return "\n\n".join(parts) + "\n"


def code(text: str) -> str:
    """A code span, whatever the text holds (CommonMark 0.31, 6.1); empty text is a dash."""
    plain = visible(text).strip()
    if not plain:
        return "-"
    fence = _fence(plain, 1)
    room = " " if plain[0] == "`" or plain[-1] == "`" else ""
    return f"{fence}{room}{plain}{room}{fence}"


def _fence(text: str, least: int) -> str:
    longest = max((len(found[0]) for found in _TICKS.finditer(text)), default=0)
    return "`" * max(longest + 1, least)


def _block(lines: Sequence[str]) -> str:
    text = "\n".join(visible(line) for line in lines)
    fence = _fence(text, 3)
    return f"{fence}sh\n{text}\n{fence}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is escaped, in code too (GitHub Flavored Markdown, 4.10)."""
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _head(report: IncidentReport) -> Iterator[str]:
    situation = report.situation
    names = ", ".join(map(code, words.names_of(report)))
    yield f"# {words.KIND}: {names}, {words.when(report)}"
    yield f"{words.clock(situation.time)} UTC, from Temporal at {code(report.address)}"
    yield "## Summary"
    yield f"**{words.headline(report)}**"
    yield _list(f"{name}: **{value}** ({said})" for name, value, said in words.key_facts(report))
    if situation.diagnoses:
        yield "### How long they wait"
        rows = [
            (bucket, f"{tally.count:,}", f"{report.stuck_ages.by_age[bucket].count:,}")
            for bucket, tally in report.ages.by_age.items()
        ]
        yield _table(("Age", "Waiting", "Stuck"), rows)


def _attention(report: IncidentReport) -> Iterator[str]:
    yield "## What asks for attention"
    if not report.groups:
        known = report.situation.diagnosed
        yield "Nothing does." if known else "What waits could not be read."
    for group in report.groups:
        yield from _group(group, report)
    if report.healthy:
        count = words.counted(report.healthy, "more activity")
        yield f"{count}: the execution is running and its time is not up."


def _group(group: VerdictGroup, report: IncidentReport) -> Iterator[str]:
    verdict, now = group.verdict, report.situation.time
    yield f"### {str(verdict.severity).upper()} {words.group_heading(group)}"
    yield f"{verdict.title}. {verdict.remedy}"
    yield f"Page: `stigmer-ops runbook show {verdict.id}`"
    for told in group.told:
        yield from _told(told, report)
    if group.listed:
        yield "#### More of them" if group.told else "#### They are"
        yield _table(
            ("Workflow", "Activity", "Attempt", "Waiting", "Left"),
            (
                (
                    code(words.whose(one.activity)),
                    code(one.activity.activity_id),
                    str(one.activity.attempt),
                    short_duration(one.activity.age(now)),
                    short_duration(one.activity.time_left(now)),
                )
                for one in group.listed
            ),
        )
    if group.left_out:
        yield f"{group.left_out:,} more are left out here: `stigmer-ops diagnose -o wide` has all"


def _told(told: Told, report: IncidentReport) -> Iterator[str]:
    diagnosis = told.diagnosis
    activity, places = diagnosis.activity, words.places_of(diagnosis)
    yield f"#### {code(words.whose(activity))}, activity {code(activity.activity_id)}"
    yield code(words.in_short(diagnosis, report.situation.time))
    yield _list(_evidence(diagnosis))
    rows = (
        (words.moment(one.time), code(words.cut(one.what)), words.place_of(one, places))
        for one in told.timeline.moments
    )
    yield _table(("Time (UTC)", "What", "Where"), rows)
    yield _list(
        f"{name}: {code(workflow_id)}, run {code(run_id)}"
        for (workflow_id, run_id), name in places.items()
    )
    remarks = [code(words.cut(remark)) for remark in words.remarks_of(told)]
    if remarks:
        yield _list(remarks)
    yield _block(commands(diagnosis))


def _evidence(diagnosis: Diagnosis) -> Iterator[str]:
    places = words.places_of(diagnosis)
    for fact in diagnosis.evidence:
        place = words.place_of(fact, places)
        yield code(words.cut(fact.fact)) + (f" ({place})" if place else "")


def _checks(report: IncidentReport) -> Iterator[str]:
    yield "## Checks"
    bad = [one for one in report.checks if one.result.value in ("failed", "warning")]
    counts = {
        kind: sum(one.result.value == kind for one in report.checks)
        for kind in ("failed", "warning", "skipped", "ok")
    }
    yield ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "None."
    if bad:
        rows = (
            (
                one.result.value,
                one.check.sentence,
                code(words.cut(one.detail)),
                code(one.hint),
                f"`stigmer-ops runbook show {one.check.id}`",
            )
            for one in bad
        )
        yield _table(("Result", "Check", "Seen", "Next", "Page"), rows)


def _alerts(report: IncidentReport) -> Iterator[str]:
    yield "## Alerts"
    alerts, now = report.situation.alerts, report.situation.time
    if not report.prometheus:
        yield "No Prometheus is configured (monitoring.prometheus): nobody was asked."
    elif alerts is None:
        yield f"{code(report.prometheus)} could not be asked which alerts fire."
    elif not alerts:
        yield f"None of ours fires, says {code(report.prometheus)}."
    else:
        rows = (
            (
                code(one.severity),
                code(one.name),
                f"{words.clock(one.since)}, {short_duration(now - one.since)}",
                code(words.cut(one.annotations.get("summary", ""))),
            )
            for one in alerts[: words.ALERTS]
        )
        yield _table(("Severity", "Alert", "Since (UTC)", "Summary"), rows)
        if len(alerts) > words.ALERTS:
            yield f"{len(alerts) - words.ALERTS:,} more are left out."


def _actions(report: IncidentReport) -> Iterator[str]:
    yield "## Actions taken"
    actions = report.actions
    if not actions.operations:
        yield f"None since {words.clock(actions.since)} UTC."
    else:
        rows = (
            (
                words.clock(one.record.time),
                code(f"{one.record.intent.command} {words.target_of(one)}"),
                code(f"{one.record.intent.operator}@{one.record.intent.host}"),
                code(words.cut(one.record.intent.reason)),
                words.result_of(one),
                code(words.proof_of(one)),
            )
            for one in actions.operations
        )
        yield _table(("Time (UTC)", "What", "Who", "Why", "Result", "Proof"), rows)
    yield _list(code(remark) for remark in words.trail_remarks(report))


def _gaps(report: IncidentReport) -> Iterator[str]:
    yield "## What is not known"
    gaps = list(words.gaps_of(report))
    everything = "Everything that was asked for could be read."
    yield _list(code(words.cut(gap)) for gap in gaps) if gaps else everything
