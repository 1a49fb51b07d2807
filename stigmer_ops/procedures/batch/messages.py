"""What the workflows of a batch, its activities and its commands say to each other.

All of it lies in histories, through the data converter. There is no token in any of it: an activity
builds the fenced token from the row, in memory, when it makes the call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from stigmer_ops.handshake.plan_outcome import RowState

BATCH_TYPE = "stigmer-ops/batch"
PAGE_TYPE = "stigmer-ops/batch-page"
APPLY_ACTIVITY = "stigmer-ops/batch-apply"
DEADLINES_ACTIVITY = "stigmer-ops/batch-deadlines"

FED, ENDED, PAUSE, RESUME, CANCEL = "fed", "ended", "pause", "resume", "cancel"
"""Signals of the batch workflow."""

PART, BEGIN, HOLD, CLOSE = "part", "begin", "hold", "close"
"""Signals of a page workflow."""

PROGRESS = "progress"
"""The query of the batch workflow."""

Record = dict[str, Any]
"""What became of a row, as a line of the plan's journal (`apply.journal`); a row that was begun,
and of which nothing further is known, has no `outcome`."""

States = dict[str, int]
"""How many rows have each outcome."""


def batch_id(sha256: str) -> str:
    """The id of a plan's batch workflow. No two open workflows share one, so it is a lock too."""
    return f"{BATCH_TYPE}/{sha256[:12]}"


def operation_id(batch: str, key: str, row: int) -> UUID:
    """Of the audit records about a row: the same for every worker that takes it up."""
    return uuid5(NAMESPACE_URL, f"{batch}/{key}/{row}")


@dataclass(frozen=True)
class Author:
    """Who applies the plan, where it is for, and what its writes are told by.

    Attributes:
        sha256: The plan's digest.
        namespace: Name of the namespace that is written to.
        namespace_id: Its UUID.
        edited: Whether the plan's scheduled events prove nothing.
        operator: Login name.
        host: Where they typed.
        identity: What histories keep as the caller of every write.
        reason: In their words.
    """

    sha256: str
    namespace: str
    namespace_id: str
    edited: bool
    operator: str
    host: str
    identity: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """Which rows of the plan the batch is for, and how they lie in pages.

    Attributes:
        rows: How many.
        page_rows: Rows of a page at most.
        maximum: What --max said.
        digest: Over the numbers of the rows, page by page.
    """

    rows: int
    page_rows: int
    maximum: int | None
    digest: str


@dataclass(frozen=True)
class PageRange:
    """The pages of one action; a page has rows of one action only."""

    action: str
    first: int
    last: int
    rows: int


@dataclass(frozen=True)
class BatchLimits:
    """How far and how fast a batch may go.

    Attributes:
        canary: Rows of each action that are proved before others follow.
        error_rate: Percent of the rows tried that may be refused or fail.
        rps: Calls a second of all workers together; 0 for no limit.
        concurrency: Rows under way at once, of all workers together.
        pages_at_once: Pages under way at once: each has an equal share of the two.
        lost_after_seconds: How long a worker may be silent before another takes its page.
    """

    canary: int
    error_rate: float
    rps: float
    concurrency: int
    pages_at_once: int
    lost_after_seconds: float


@dataclass(frozen=True)
class BatchPlan:
    """The input of a batch workflow.

    Attributes:
        key: Distinguishes this batch from others of the same plan; in the ids of its pages.
        author: See there.
        selection: See there.
        ranges: Its pages.
        limits: See there.
        started: When, RFC 3339.
    """

    key: str
    author: Author
    selection: Selection
    ranges: list[PageRange]
    limits: BatchLimits
    started: str

    @property
    def pages(self) -> int:
        """How many pages there are; they are numbered from 1."""
        return self.ranges[-1].last if self.ranges else 0

    def page_id(self, page: int) -> str:
        """The id of a page's workflow."""
        return f"{batch_id(self.author.sha256)}/{self.key}/{page}"


@dataclass
class Canary:
    """Rows of an action that are yet to be proved, from a page on."""

    page: int
    last: int
    wanted: int


@dataclass
class BatchState:
    """Where a batch stands; what a run of its workflow hands to the next.

    Attributes:
        fed: Whether all pages are there.
        states: Outcomes so far.
        next_page: The first page that nobody has begun, but for `touched` ones.
        touched: Pages that were begun out of turn, for a canary.
        returned: Pages that were begun and have rows left.
        running: Pages under way.
        canaries: What is yet to be proved; None before the first page.
        paused: Why, and by whom; empty if it is not.
        stopped: Why it ends before its end; empty if it does not.
        cancelled: Whether somebody wants it so.
        begun_to: Pages up to this one were begun, and the `touched` ones.
    """

    fed: bool = False
    states: States = field(default_factory=dict)
    next_page: int = 1
    touched: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    canaries: list[Canary] | None = None
    paused: str = ""
    stopped: str = ""
    cancelled: bool = False
    begun_to: int = 0


@dataclass(frozen=True)
class PageHead:
    """The input of a page workflow, beside the first part of its content.

    Attributes:
        batch_id: Id of the batch workflow.
        key: See `BatchPlan`.
        page: Its number.
        action: Of all its rows.
        numbers: The numbers of its rows.
        parts: In how many parts the content comes: the first with the start, others by signal.
        author: See there.
        lost_after_seconds: See `BatchLimits`.
    """

    batch_id: str
    key: str
    page: int
    action: str
    numbers: list[int]
    parts: int
    author: Author
    lost_after_seconds: float


@dataclass(frozen=True)
class Order:
    """How a page is to be carried out now.

    Attributes:
        canary: Rows to prove, one after the other, before the rest is given back; 0 for none.
        rps: Calls a second.
        concurrency: Rows under way at once.
        error_rate: See `BatchLimits`.
        tried: Rows of the batch that were tried already.
        errors: Rows of them that were refused or failed.
    """

    canary: int
    rps: float
    concurrency: int
    error_rate: float
    tried: int
    errors: int


@dataclass(frozen=True)
class Turn:
    """The input of an activity: rows of a page that are to be carried out.

    Attributes:
        head: The page.
        order: How.
        numbers: Of the rows.
        in_doubt: Whether any of them may have been begun before.
        deadlines: Of extensions: the deadline that is meant, by row, RFC 3339.
    """

    head: PageHead
    order: Order
    numbers: list[int]
    in_doubt: bool
    deadlines: dict[str, str]


@dataclass(frozen=True)
class TurnResult:
    """What an activity did: the rows that it tried, and why it stopped, if it did.

    Attributes:
        records: One for each row tried.
        deadlines: Of extensions, as in `Turn`.
        proved: Canary rows that were proved.
        stopped: Why the batch must not go on; empty if it may.
    """

    records: list[Record]
    deadlines: dict[str, str] = field(default_factory=dict)
    proved: int = 0
    stopped: str = ""


@dataclass(frozen=True)
class PageReport:
    """What a page tells the batch at the end of a turn.

    Attributes:
        page: Its number.
        left: Rows that were not tried.
        states: Outcomes of this turn.
        proved: Canary rows that were proved.
        stopped: Why the batch must not go on.
    """

    page: int
    left: int
    states: States
    proved: int = 0
    stopped: str = ""


@dataclass(frozen=True)
class PageResult:
    """The result of a page workflow: the journal of its rows."""

    records: list[Record]


@dataclass(frozen=True)
class Change:
    """Who pauses, resumes or cancels a batch, and why."""

    by: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """The answer of the batch workflow to its query, and the result of it.

    Attributes:
        phase: feeding, proving, running, paused, stopping, done, stopped or cancelled.
        rows: How many there are.
        states: Outcomes of those tried.
        pages: How many there are.
        running: Pages under way.
        paused: Why, and by whom.
        stopped: Why it ended, or ends, before its end.
        begun: Pages that were begun, and have a record of their rows.
    """

    phase: str
    rows: int
    states: States
    pages: int
    running: list[int]
    paused: str
    stopped: str
    begun_to: int
    touched: list[int]

    @property
    def begun(self) -> list[int]:
        """Pages that were begun, and have a record of their rows."""
        return sorted({*range(1, self.begun_to + 1), *self.touched})


def tried_in(states: States) -> int:
    """Rows that were tried."""
    return sum(states.values())


def errors_in(states: States) -> int:
    """Rows of them that were refused or failed."""
    return states.get(RowState.REFUSED.value, 0) + states.get(RowState.FAILED.value, 0)
