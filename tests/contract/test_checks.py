"""A check is an entry, a page and a test, and each of them is one check's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stigmer_ops.procedures.checks.check import Check
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.registry import CATEGORIES, CHECKS
from stigmer_ops.runbook import PageKind, pages
from support.commands import parse

ROOT = Path(__file__).parent.parent.parent
PAGES = {page.name: page for page in pages() if page.kind is PageKind.CHECK}
TESTS = [
    ROOT / "tests" / "integration" / "test_check.py",
    ROOT / "tests" / "integration" / "test_check_deployment.py",
    ROOT / "tests" / "integration" / "test_check_monitoring.py",
    ROOT / "tests" / "unit" / "procedures" / "test_checks_judge.py",
]
FOUND_BY_VALUES = {
    "temporal-capabilities": "judged_capabilities",
    "task-queues-without-backlog": "backlogs",
    "messages-known": "judged_messages",
    "workers-answer": "answered",
    "workers-agree": "agreed",
    "handshakes-readable": "all_read",
    "callbacks-succeed": "judged",
}
"""Checks whose failure no sandbox produces, or not in time: what judges the values is tested."""

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)


def test_ids_are_unique_and_kebab_case() -> None:
    for ids in ([check.id for check in CHECKS], [category.id for category in CATEGORIES]):
        assert len(set(ids)) == len(ids)
        assert [id for id in ids if not KEBAB.fullmatch(id)] == []


def test_checks_of_a_category_stand_together_and_after_what_they_depend_on() -> None:
    order = [check.category for check in CHECKS]
    assert order == [category for category in CATEGORIES for _ in range(order.count(category))]
    for number, category in enumerate(CATEGORIES):
        assert set(category.after) <= {before.id for before in CATEGORIES[:number]}


def test_what_a_category_depends_on_includes_what_that_depends_on() -> None:
    by_id = {category.id: category for category in CATEGORIES}
    for category in CATEGORIES:
        assert {deeper for id in category.after for deeper in by_id[id].after} <= set(
            category.after
        )


def test_every_check_has_a_page_and_every_page_a_check() -> None:
    assert set(PAGES) == {check.id for check in CHECKS}


@every_check
def test_page_is_headed_by_the_checks_sentence(check: Check[CheckContext]) -> None:
    assert PAGES[check.id].title == check.sentence
    assert f"runbooks/{PAGES[check.id].path}" == check.page


@every_check
def test_sentence_is_one_clause_in_ascii(check: Check[CheckContext]) -> None:
    assert check.sentence.isascii()
    assert not check.sentence.endswith(".")
    assert "\n" not in check.sentence


@every_check
def test_hint_ends_in_a_command_that_can_be_typed_or_has_none(check: Check[CheckContext]) -> None:
    assert check.hint
    if "stigmer-ops" in check.hint:
        found = re.search(r"(?:^|: )stigmer-ops (.+)$", check.hint)
        assert found
        parse(found[1])


@every_check
def test_failure_of_every_check_is_tested(check: Check[CheckContext]) -> None:
    text = "\n".join(path.read_text() for path in TESTS)
    judge = FOUND_BY_VALUES.get(check.id)
    assert (f'"{check.id}"' if judge is None else f"{judge}(") in text


def test_checks_that_need_nothing_are_those_of_the_settings() -> None:
    assert {check.category.id for check in CHECKS if not check.needs} == {"settings"}


def test_fatal_checks_can_fail_a_run() -> None:
    assert [check.id for check in CHECKS if check.fatal and check.severity < 3] == []
