"""The report as one page of HTML, for a browser, a phone and paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from stigmer_ops.handshake.remedies import commands
from stigmer_ops.render.preview.document import document
from stigmer_ops.render.preview.markup import Child, element
from stigmer_ops.render.report import drawing, words
from stigmer_ops.render.text import short_duration

if TYPE_CHECKING:
    from stigmer_ops.handshake.case import Diagnosis, Evidence
    from stigmer_ops.handshake.timeline import Timeline
    from stigmer_ops.procedures.checks.check import CheckResult
    from stigmer_ops.procedures.incident.report import IncidentReport, Told, VerdictGroup

_STYLE = ("stigmer_ops.render.report", "report.css")
_TONES = (
    ("waits", "waits to be completed"),
    ("queued", "waits for a worker"),
    ("runs", "at work"),
    ("done", "done"),
    ("failed", "failed"),
    ("left", "time that is left"),
    ("mark", "an attempt begins"),
)
_RUNBOOK = "stigmer-ops runbook show"


def page(report: IncidentReport) -> str:
    """The page."""
    sections = [
        _section("stuck", "What asks for attention", _attention(report)),
        _section("checks", "Checks", _checks(report)),
        _section("alerts", "Alerts", _alerts(report)),
        _section("actions", "Actions taken", _actions(report)),
        _section("gaps", "What is not known", _gaps(report)),
    ]
    return document(
        words.title(report),
        [_STYLE],
        _header(report),
        element("main", _section("summary", "Summary", _summary(report)), *sections),
        element("footer", element("p", "Made by stigmer-ops report. Nothing was changed.")),
    )


def _section(id: str, title: str, children: Iterable[Child]) -> Element:
    heading = element("h2", title, id=f"{id}-title")
    return element("section", heading, *children, id=id, aria_labelledby=f"{id}-title")


def _header(report: IncidentReport) -> Element:
    situation = report.situation
    made = f"{words.clock(situation.time)} UTC"
    links = [
        element("li", element("a", title, href=f"#{id}"))
        for id, title in (
            ("summary", "Summary"),
            ("stuck", "Attention"),
            ("checks", "Checks"),
            ("alerts", "Alerts"),
            ("actions", "Actions"),
            ("gaps", "Not known"),
        )
    ]
    named = [part for name in words.names_of(report) for part in (_foreign(name), ", ")]
    return element(
        "header",
        element("h1", f"{words.KIND}: ", *named, words.when(report)),
        element("p", f"{made}, from Temporal at ", _foreign(report.address or "?"), class_="quiet"),
        element("nav", element("ul", *links), aria_label="Sections"),
    )


# --- Summary -------------------------------------------------------------------------------------


def _summary(report: IncidentReport) -> Iterable[Child]:
    yield element("p", words.headline(report), class_=f"headline {words.standing(report)}")
    facts = [
        element("div", element("dt", name), element("dd", element("b", value), " ", said))
        for name, value, said in words.key_facts(report)
    ]
    yield element("dl", *facts, class_="tiles")
    if not report.complete:
        link = element("a", "Not everything is known", href="#gaps")
        yield element("p", link, ": what is shown may not be all.", class_="warning note")
    if not report.situation.diagnoses:
        return
    yield element("h3", "How long they wait")
    keys = _keys(("failed", "stuck"), ("waits", "not stuck"))
    yield element("figure", drawing.ages(report.ages, report.stuck_ages), keys)


def _keys(*keys: tuple[str, str]) -> Element:
    """What the colours of a drawing mean."""
    items = (element("li", element("span", class_=f"key {key}"), said) for key, said in keys)
    return element("ul", *items, class_="keys")


# --- What asks for attention ---------------------------------------------------------------------


def _attention(report: IncidentReport) -> Iterable[Child]:
    if not report.groups:
        known = report.situation.diagnosed
        yield element("p", "Nothing does." if known else "What waits could not be read.")
    if any(group.told for group in report.groups):
        yield _keys(*_TONES)
    for number, group in enumerate(report.groups):
        yield _group(group, report, f"g{number}")
    if report.healthy:
        count = words.counted(report.healthy, "more activity")
        yield element("p", f"{count}: the execution is running and its time is not up.")


def _group(group: VerdictGroup, report: IncidentReport, key: str) -> Element:
    verdict = group.verdict
    made: list[Child] = [
        element("h3", _badge(str(verdict.severity)), " ", words.group_heading(group)),
        element("p", f"{verdict.title}. {verdict.remedy}"),
        element("p", "Page: ", element("code", f"{_RUNBOOK} {verdict.id}"), class_="quiet"),
    ]
    made += [_told(one, report, f"{key}-{number}") for number, one in enumerate(group.told)]
    if group.listed:
        made.append(element("h4", "More of them" if group.told else "They are"))
        made.append(_listed(group.listed, report))
    if group.left_out:
        left = f"{group.left_out:,} more are left out here: "
        made.append(element("p", left, element("code", "stigmer-ops diagnose -o wide"), " has all"))
    return element("div", *made, class_=f"verdict {verdict.severity}")


def _listed(diagnoses: Sequence[Diagnosis], report: IncidentReport) -> Element:
    now = report.situation.time
    rows: list[Sequence[Child]] = [
        (
            _foreign(words.whose(one.activity)),
            _foreign(one.activity.activity_id),
            str(one.activity.attempt),
            short_duration(one.activity.age(now)),
            short_duration(one.activity.time_left(now)),
        )
        for one in diagnoses
    ]
    columns = ("Workflow", "Activity", "Attempt", "Waiting", "Left")
    return _table("More activities of this verdict", columns, rows)


def _told(told: Told, report: IncidentReport, key: str) -> Element:
    diagnosis, now = told.diagnosis, report.situation.time
    activity = diagnosis.activity
    places = words.places_of(diagnosis)
    name = f"activity {activity.activity_id} of {words.whose(activity)}"
    heading = (_foreign(words.whose(activity)), ", activity ", _foreign(activity.activity_id))
    made: list[Child] = [
        element("h4", *heading),
        element("p", _foreign(words.in_short(diagnosis, now)), class_="quiet"),
        element("h5", "Evidence"),
        element("ul", *(_evidence(one, places) for one in diagnosis.evidence), class_="evidence"),
        element("h5", "Timeline"),
        element("figure", *drawing.handshake(told.timeline, name, key)),
        _moments(told.timeline, name, places),
        _runs(places),
    ]
    made += [
        element("p", _foreign(words.cut(remark)), class_="quiet")
        for remark in words.remarks_of(told)
    ]
    made += [element("h5", "What to type"), _typed(commands(diagnosis))]
    return element("article", *made)


def _evidence(fact: Evidence, places: words.Places) -> Element:
    place = words.place_of(fact, places)
    where = (" ", element("bdi", f"({place})", class_="quiet")) if place else ()
    return element("li", _foreign(words.cut(fact.fact)), *where)


def _moments(timeline: Timeline, name: str, places: words.Places) -> Element:
    rows: list[Sequence[Child]] = [
        (
            words.moment(moment.time),
            _foreign(words.cut(moment.what)),
            words.place_of(moment, places),
        )
        for moment in timeline.moments
    ]
    return _table(f"What happened to {name}", ("Time (UTC)", "What", "Where"), rows)


def _runs(places: words.Places) -> Element:
    told = [
        element("li", f"{name}: ", _foreign(workflow_id), ", run ", _foreign(run_id))
        for (workflow_id, run_id), name in places.items()
    ]
    return element("ul", *told, class_="places quiet")


def _typed(lines: Sequence[str]) -> Element:
    return element("ul", *(element("li", _command(line)) for line in lines), class_="typed")


def _command(line: str) -> Element:
    words_: list[Child] = []
    for word in line.split(" "):
        words_ += (element("span", word), " ")
    return element("code", *words_[:-1])


# --- The rest ------------------------------------------------------------------------------------


def _checks(report: IncidentReport) -> Iterable[Child]:
    urgent = {"failed": 0, "warning": 1, "skipped": 2, "ok": 3}
    results = sorted(report.checks, key=lambda one: urgent[one.result.value])
    if not results:
        yield element("p", "None were made.")
        return
    rows = [_check(one) for one in results]
    yield _table("Checks, those that failed first", ("Result", "Check", "Seen, and next"), rows)


def _check(result: CheckResult) -> Sequence[Child]:
    bad = result.result.value in ("failed", "warning")
    seen = [element("p", _foreign(words.cut(line))) for line in result.detail.splitlines()[:10]]
    if bad and result.hint:
        seen.append(element("p", "Next: ", _foreign(result.hint)))
    if bad:
        seen.append(element("p", "Page: ", element("code", f"{_RUNBOOK} {result.check.id}")))
    said = element("span", result.check.sentence)
    return _badge(result.result.value), said, element("div", *seen) if seen else ""


def _alerts(report: IncidentReport) -> Iterable[Child]:
    alerts, now = report.situation.alerts, report.situation.time
    if not report.prometheus:
        yield element("p", "No Prometheus is configured (monitoring.prometheus): nobody was asked.")
        return
    yield element("p", "As ", _foreign(report.prometheus), " has them.", class_="quiet")
    if alerts is None:
        yield element("p", "It could not be asked which alerts fire.")
    elif not alerts:
        yield element("p", "None of ours fires.")
    else:
        rows: list[Sequence[Child]] = [
            (
                _badge(one.severity),
                _foreign(one.name),
                f"{words.clock(one.since)}, {short_duration(now - one.since)}",
                _foreign(words.cut(one.annotations.get("summary", ""))),
            )
            for one in alerts[: words.ALERTS]
        ]
        columns = ("Severity", "Alert", "Since (UTC)", "Summary")
        yield _table("Alerts that fire", columns, rows)
        if len(alerts) > words.ALERTS:
            yield element("p", f"{len(alerts) - words.ALERTS:,} more are left out.")


def _actions(report: IncidentReport) -> Iterable[Child]:
    actions = report.actions
    if not actions.operations:
        yield element("p", f"None since {words.clock(actions.since)} UTC.")
    else:
        rows: list[Sequence[Child]] = [
            (
                words.clock(one.record.time),
                element("div", _foreign(one.record.intent.command), " ", _foreign(target)),
                _foreign(f"{one.record.intent.operator}@{one.record.intent.host}"),
                _foreign(words.cut(one.record.intent.reason)),
                _badge(words.result_of(one)),
                _proof(proof, "" if one.record.outcome is None else one.record.outcome.detail),
            )
            for one in actions.operations
            for target, proof in ((words.target_of(one), words.proof_of(one)),)
        ]
        columns = ("Time (UTC)", "What", "Who", "Why", "Result", "Proof")
        yield _table("Actions, oldest first", columns, rows)
    for remark in words.trail_remarks(report):
        yield element("p", _foreign(remark), class_="quiet")


def _proof(event: str, detail: str) -> Element:
    told = [text for text in (event, words.cut(detail)) if text] or ["none"]
    return element("div", *(element("p", _foreign(text)) for text in told))


def _gaps(report: IncidentReport) -> Iterable[Child]:
    gaps = list(words.gaps_of(report))
    if not gaps:
        yield element("p", "Everything that was asked for could be read.")
        return
    yield element("ul", *(element("li", _foreign(words.cut(gap))) for gap in gaps))


# --- Parts ---------------------------------------------------------------------------------------


def _foreign(text: str) -> Element:
    """Text of whatever direction of writing, which turns nothing around it."""
    return element("bdi", text)


def _badge(text: str) -> Element:
    return element("span", text, class_=f"badge {text}")


def _class(column: str) -> str:
    """A time stays in one line; where something was has room for two words."""
    if column == "Where":
        return "where"
    return "time" if "(UTC)" in column else "cell"


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Child]]) -> Element:
    """A table that becomes a list of rows on a phone, and stays a table for those who hear it."""
    head = [element("th", column, scope="col", role="columnheader") for column in columns]
    body = [
        element(
            "tr",
            *(
                element("td", cell, role="cell", data_label=column, class_=_class(column))
                for column, cell in zip(columns, row, strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head, role="row"), role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        role="table",
    )
