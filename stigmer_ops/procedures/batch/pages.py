"""The rows of a plan laid into pages, and the content of a page as it is stored.

A page has rows of one action, so many and so large that none of what is stored exceeds what a
server takes: a row whose result is larger than that is a page by itself, in several parts. Which
rows lie in which page depends on nothing but the plan, its journal and the size of pages, so that
whoever feeds a batch further after somebody else feeds the same pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_rules import row_of
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.journal import Journal
from stigmer_ops.procedures.batch.messages import PageRange, Selection
from stigmer_ops.procedures.plan_file import NumberedRow, PlanFile
from stigmer_ops.untrusted.json_text import json_value

PART_BYTES = 256 * 1024
"""Bytes of a page, and of one part of a larger one. Servers warn of payloads of 512 KiB and refuse
those of 2 MiB; encryption may make a third more of them."""

PAGES_FOR_EACH = 4
"""Pages for each of those that are carried out at once, if there are rows enough: towards the end
fewer are under way, and the shares of the others lie idle."""

FEWEST_ROWS = 10
"""Rows of a page where there are so many: a page costs about as much as ten rows."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one action.

    Attributes:
        number: From 1.
        action: Of its rows.
        rows: With their numbers in the plan.
        content: As it is stored.
    """

    number: int
    action: Action
    numbers: list[int]
    content: bytes

    @property
    def parts(self) -> list[bytes]:
        """The content in pieces that a server takes; at least one."""
        return [
            self.content[start : start + PART_BYTES]
            for start in range(0, len(self.content), PART_BYTES)
        ]


def page_size(rows: int, *, most: int, pages_at_once: int) -> int:
    """Rows of a page: so many that there are enough pages to share the work."""
    return min(most, max(FEWEST_ROWS, rows // (PAGES_FOR_EACH * pages_at_once)))


def pages_of(
    plan: PlanFile, journal: Journal, *, page_rows: int, maximum: int | None
) -> Iterator[Page]:
    """Every page of the rows that are not settled, in order; read from the plan as asked for.

    Args:
        plan: The plan.
        journal: What is settled.
        page_rows: Rows of a page at most.
        maximum: Rows at most, in the order of the plan; None for all.

    Raises:
        InputError: The plan was changed.
    """
    wanted = _wanted(plan, journal, maximum)
    number = 0
    for action in Action:
        if action is Action.SKIP or not plan.tally.by_action[action]:
            continue
        rows = (each for each in plan.rows() if each.row.action is action and wanted[each.number])
        for numbers, content in _filled(rows, page_rows):
            number += 1
            yield Page(number, action, numbers, content)


def _wanted(plan: PlanFile, journal: Journal, maximum: int | None) -> bytearray:
    """By the number of the row, whether it is to be tried."""
    wanted = bytearray(plan.tally.rows + 1)
    left = plan.tally.rows if maximum is None else maximum
    for each in plan.rows():
        is_open = each.row.action is not Action.SKIP and not journal.state(each.number).settled
        if is_open and left:
            wanted[each.number] = 1
            left -= 1
    return wanted


def _filled(rows: Iterable[NumberedRow], page_rows: int) -> Iterator[tuple[list[int], bytes]]:
    numbers: list[int] = []
    content = b""
    for each in rows:
        line = _line(each)
        if numbers and (len(numbers) == page_rows or len(content) + len(line) > PART_BYTES):
            yield numbers, content
            numbers, content = [], b""
        numbers.append(each.number)
        content += line
    if numbers:
        yield numbers, content


def _line(numbered: NumberedRow) -> bytes:
    record = {"row": numbered.number, **numbered.row.as_record()}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def rows_in(content: bytes) -> dict[int, PlanRow]:
    """The rows of a stored page by their numbers.

    Raises:
        ValueError: It is not the content of a page.
    """
    rows = {}
    try:
        for line in content.splitlines():
            values = json_value(line)
            number = values.pop("row")
            rows[number] = row_of(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("this is not the content of a page") from error
    return rows


def laid_out(
    pages: Iterable[Page], *, page_rows: int, maximum: int | None
) -> tuple[Selection, list[PageRange]]:
    """What pages there are, without their content."""
    digest = hashlib.sha256()
    ranges: list[PageRange] = []
    total = 0
    for page in pages:
        digest.update(json.dumps([page.number, page.numbers]).encode())
        rows = len(page.numbers)
        total += rows
        if ranges and ranges[-1].action == page.action.value:
            rows += ranges[-1].rows
            ranges[-1] = PageRange(page.action.value, ranges[-1].first, page.number, rows)
        else:
            ranges.append(PageRange(page.action.value, page.number, page.number, rows))
    return Selection(total, page_rows, maximum, digest.hexdigest()), ranges
