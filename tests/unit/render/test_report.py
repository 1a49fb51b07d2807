"""The report of an incident as a page, as Markdown and as a record, from incidents made by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from stigmer_ops.handshake.activity import ActivityState, Failure
from stigmer_ops.handshake.timeline import ExecutionSteps, Step
from stigmer_ops.handshake.verdicts import RUNNING, TOKEN_NOT_PASSED, VERDICTS
from stigmer_ops.render.report.markdown import code, markdown
from stigmer_ops.render.report.page import page
from stigmer_ops.render.report.record import report_record
from stigmer_ops.render.report.words import headline
from support.html_pages import browsed
from support.incident import (
    HOUR,
    NOW,
    alert,
    check,
    diagnosis,
    execution,
    incident,
    operation,
)

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> \x1b[31m \u202e &amp; | `a` ``b`` "
    "[x](http://evil) ![i](http://evil) http://evil.example @everyone <!-- ]]> \n# head\n"
)
STYLES = Path(__file__).parents[3] / "stigmer_ops" / "render"


def hostile() -> Any:
    lost = execution(HOSTILE)
    step = Step(
        HOSTILE, True, NOW - HOUR, ended=NOW, outcome="FAILED", attempts=3, failure=Failure(HOSTILE)
    )
    one = diagnosis(
        text=HOSTILE, executions=[lost], activity_type=HOSTILE, last_worker_identity=HOSTILE
    )
    return incident(
        [one, *(diagnosis(text=HOSTILE) for _ in range(6))],
        steps={(lost.workflow_id, lost.run_id): ExecutionSteps(lost, (step,), unreadable=HOSTILE)},
        checks=[check(HOSTILE)],
        alerts=(alert(HOSTILE),),
        operations=[operation(HOSTILE)],
        gaps=[HOSTILE],
        namespace=HOSTILE,
        prometheus=HOSTILE,
        address=HOSTILE,
        unread=((HOSTILE, HOSTILE),),
        unread_count=2,
        notes=(HOSTILE,),
        each=5,
    )


def test_foreign_text_never_becomes_markup() -> None:
    text = page(hostile())
    reader = browsed(text)
    assert {tag for tag, _ in reader.tags} & {"script", "img", "link", "iframe", "object"} == set()
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "action", "style"}
    targets = {str(attributes.get("href", "#")) for _, attributes in reader.tags}
    assert all(target.startswith("#") for target in targets)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>alert(1)</script>" in "".join(reader.text)


def test_foreign_text_is_nothing_but_code_in_markdown() -> None:
    text = markdown(hostile())
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)

    def inner(found: list[Token]) -> list[Token]:
        return [one for token in found for one in (token, *inner(token.children or []))]

    everything = inner(tokens)
    kinds = {token.type for token in everything}
    assert kinds & {"html_block", "html_inline", "link_open", "image", "hr"} == set()
    # A table is plain text only where a row has broken it.
    plain = "".join(token.content for token in everything if token.type == "text")
    for planted in ("evil", "alert(1)", "@everyone", "<!--", "head"):
        assert planted not in plain.replace("its head is", "")
    spans = "".join(token.content for token in everything if token.type == "code_inline")
    assert "<script>alert(1)</script>" in spans
    headings = [token for token in tokens if token.type == "heading_open"]
    assert [token.tag for token in headings].count("h1") == 1
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    "text", ["a", "`", "a`b", "``a", "a```", " a ", "|", "\\", "\\|", "*_[x]("]
)
def test_code_span_holds_what_it_was_given(text: str) -> None:
    (token,) = MarkdownIt("commonmark").parse(f"x {code(text)} y")[1:2]
    (span,) = [one for one in token.children or () if one.type == "code_inline"]
    assert span.content == text.strip()


def test_commands_are_the_same_everywhere() -> None:
    report = incident([diagnosis()])
    record = report_record(report, [], None)
    (line, *_) = record["verdicts"][0]["told"][0]["commands"]
    assert line == "stigmer-ops pending show -n orders -w order-1 -r run-1 -a 5"
    assert line in markdown(report)
    assert line in "".join(browsed(page(report)).text)


def test_headings_are_in_order_and_tables_have_headers() -> None:
    report = incident(
        [diagnosis(), diagnosis(RUNNING)],
        checks=[check()],
        alerts=(alert(),),
        operations=[operation()],
    )
    reader = browsed(page(report))
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    tables = sum(tag == "table" for tag, _ in reader.tags)
    assert tables == sum(tag == "caption" for tag, _ in reader.tags) == 4
    heads = [attributes for tag, attributes in reader.tags if tag == "th"]
    assert {attributes["scope"] for attributes in heads} == {"col"}


def test_drawings_say_what_they_show_and_ids_are_unique() -> None:
    many = [diagnosis(verdict) for verdict in VERDICTS for _ in range(3)]
    reader = browsed(page(incident(many)))
    ids = [str(attributes["id"]) for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawings = [attributes for tag, attributes in reader.tags if tag == "svg"]
    assert drawings
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert attributes["aria-labelledby"] in ids
        assert attributes["aria-describedby"] in ids
    links = [str(a["href"])[1:] for tag, a in reader.tags if tag == "a"]
    assert set(links) <= set(ids)


def test_short_action_is_drawn_enlarged_and_long_one_is_not() -> None:
    brief, long_ = execution("brief"), execution("long", status="RUNNING", began=20 * HOUR)
    for found, drawings in ((brief, 2), (long_, 1)):
        one = diagnosis(age=21 * HOUR, executions=[found])
        text = page(incident([one]))
        timelines = re.findall(r"<title[^>]*>Timeline of", text)
        assert len(timelines) == drawings
        assert ("enlarged below" in text) is (drawings == 2)


def test_page_of_ten_thousand_activities_is_bounded() -> None:
    long_text = "x" * 900
    executions = [execution(f"{long_text}{number}") for number in range(6)]
    failures = "y" * 4096
    many = [
        diagnosis(
            VERDICTS[number % len(VERDICTS)],
            f"{long_text}{number}",
            executions=executions,
            fact=failures,
        )
        for number in range(10_000)
    ]
    report = incident(many)
    drawn, told, record = page(report), markdown(report), report_record(report, [], None)
    for text in (drawn, told, json.dumps(record)):
        assert len(text) < 12_000_000
        assert "y" * 4000 not in text or text.startswith("{")
    left = 10_000 // len(VERDICTS) - 25
    assert f"{left:,} more are left out here" in drawn
    assert f"{left:,} more are left out here" in told
    assert {group["left_out"] for group in record["verdicts"]} <= {left, left + 1}
    assert "3 executions more are not in the timeline" in told


def test_usual_page_is_small() -> None:
    assert len(page(incident([diagnosis()]))) < 40_000


def test_actions_tell_their_proof_and_what_the_trail_is_worth() -> None:
    report = incident(operations=[operation(), operation("INC-2", proof=None)])
    for text in ("".join(browsed(page(report)).text), markdown(report)):
        assert "event 9 of run run-1" in text
        assert "alice@bastion" in text
        assert "unfinished" in text
        assert f"is whole; its head is {'ab' * 32}" in text


def test_passwords_of_addresses_are_not_passed_on() -> None:
    secret = "http://user:hunter2@proxy:3128 refuses us"
    report = incident([diagnosis(fact=secret)], checks=[check(secret)], gaps=[secret])
    assert "hunter2" not in markdown(report)
    assert "hunter2" not in page(report)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (incident(), "Nothing is wrong as far as is known."),
        (incident([diagnosis(RUNNING)]), "Nothing is wrong as far as is known."),
        (incident([diagnosis(RUNNING)], alerts=(alert(),)), "No activity is stuck, but not all"),
        (incident([diagnosis()]), "1 of 1 external activity that waits will not complete by it"),
        (
            incident([diagnosis(), diagnosis(TOKEN_NOT_PASSED), diagnosis(RUNNING)]),
            "2 of 3 external activities that wait will not complete by themselves.",
        ),
    ],
)
def test_headline(report: Any, said: str) -> None:
    assert headline(report).startswith(said)


def test_what_could_not_be_read_is_said_first_and_in_full() -> None:
    report = incident(gaps=["nothing was diagnosed: cannot reach temporal:7233"], alerts=None)
    unknown = replace(report, situation=replace(report.situation, diagnosed=False))
    text = page(unknown)
    assert text.index("Not everything is known") < text.index("What asks for attention")
    assert "cannot reach temporal:7233" in text
    assert "What waits could not be read." in markdown(unknown)
    assert report_record(unknown, [], None)["waiting"] is None


def test_paused_and_unstarted_activities_are_drawn() -> None:
    paused = diagnosis(state=ActivityState.PAUSED)
    waiting = diagnosis(state=ActivityState.SCHEDULED, last_started_time=None)
    text = page(incident([paused, waiting]))
    assert "external activity: is paused, attempt 1" in text
    assert "external activity: waits for a worker, …" in text


# --- Colours -------------------------------------------------------------------------------------


def colours(theme: int) -> dict[str, tuple[float, float, float]]:
    """The colours of a theme, 0 for light and 1 for dark."""
    text = (STYLES / "preview" / "colours.css").read_text() + (
        STYLES / "report" / "report.css"
    ).read_text()
    found = re.findall(r"--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\)", text)
    return {
        name: tuple(int(pair[theme][at : at + 2], 16) / 255 for at in (0, 2, 4))  # type: ignore[misc] # three
        for name, *pair in found
    }


def luminance(colour: tuple[float, float, float]) -> float:
    """WCAG 2.2, relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_is_that_of_wcag(theme: int) -> None:
    palette = colours(theme)

    def contrast(one: str, other: str) -> float:
        low, high = sorted(luminance(palette[name]) for name in (one, other))
        return (high + 0.05) / (low + 0.05)

    for ground in ("page", "panel"):
        for ink in ("text", "quiet", "link", "critical", "warn", "info", "ok"):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
        for fill in ("waits", "runs", "done", "failed", "queued"):
            assert contrast(f"bar-{fill}", ground) >= 3, (fill, ground)


def test_title_names_the_namespace_and_when() -> None:
    report = incident()

    assert markdown(report).startswith(
        "# Stigmer incident report: `orders`, 2026-11-24 12:00 UTC\n"
    )
    assert "<title>Stigmer incident report: orders, 2026-11-24 12:00 UTC</title>" in page(report)


def test_title_names_the_tickets_and_that_others_are_left_out() -> None:
    report = incident(tickets=("INC-7", "<b>INC-8"))

    assert markdown(report).startswith("# Stigmer incident report: `INC-7`, `<b>INC-8`, `orders`")
    assert "<title>Stigmer incident report: INC-7, &lt;b&gt;INC-8, orders, 2026" in page(report)
    assert "Only what was done for INC-7 or" in markdown(report)
