"""A check as data: one sentence that should be true, what it needs, and how to find out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from stigmer_ops.handshake.verdicts import Severity


class Forgetful(Protocol):
    """A context that keeps what was read, until a check is tried again."""

    def forget(self) -> None:
        """Drop what was read."""


ContextT = TypeVar("ContextT", bound=Forgetful)


class Need(StrEnum):
    """A system that a check asks; `--offline` drops the checks that need one."""

    TEMPORAL = "Temporal"
    STIGMER = "Stigmer"
    PROMETHEUS = "Prometheus"


@dataclass(frozen=True, slots=True)
class Category:
    """Checks that belong together and run in a row.

    Attributes:
        id: Kebab-case; the value of --category.
        title: As a person reads it.
        after: Categories whose failed fatal checks make this one's pointless.
        opt_in: Whether it runs only where it is asked for.
    """

    id: str
    title: str
    after: tuple[str, ...] = ()
    opt_in: bool = False


@dataclass(frozen=True, slots=True)
class Ok:
    """The sentence is true; `detail` is what was seen."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Warn:
    """Not as it should be, and nothing is broken yet. Lines of `message` are shown one by one."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Fail:
    """The sentence is not true. `hint` replaces the check's own, `reference` names the kind."""

    message: str
    hint: str = ""
    reference: str = "check-failed"


@dataclass(frozen=True, slots=True)
class Skip:
    """Not asked, and why not."""

    reason: str


Outcome = Ok | Warn | Fail | Skip


@dataclass(frozen=True, slots=True)
class Check(Generic[ContextT]):
    """One entry of the registry; it asks a `ContextT`.

    Attributes:
        id: Kebab-case, stable, never used for anything else; names its page in runbooks/checks/.
        category: Where it belongs.
        sentence: A positive fact in the present tense.
        needs: The systems that it asks.
        hint: What to type next where the sentence is not true.
        run: Finds out. What it raises is a failed check too.
        retry: Whether it may become true by waiting (`--wait`).
        fatal: Whether its failure makes the rest of its category, and those after it, pointless.
        severity: What a `Fail` counts as: a failed check, or a warning.
    """

    id: str
    category: Category
    sentence: str
    needs: frozenset[Need]
    hint: str
    run: Callable[[ContextT], Awaitable[Outcome]]
    retry: bool = False
    fatal: bool = False
    severity: Severity = Severity.CRITICAL

    @property
    def page(self) -> str:
        """Its page, from the root of the project."""
        return f"runbooks/checks/{self.id}.md"


class Result(StrEnum):
    """How a check ended, as JSON says it."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check with its outcome.

    Attributes:
        check: The entry.
        result: How it ended.
        detail: What was seen, the cause, or why it was skipped; possibly several lines.
        hint: What to type next; empty where nothing is the matter.
        reference: The kind of failure, kebab-case; empty unless it failed.
        seconds: How long it took, waits included.
        crash: The exception of a check that crashed. Its text may quote data: never show it.
    """

    check: Check[Any]
    result: Result
    detail: str = ""
    hint: str = ""
    reference: str = ""
    seconds: float = 0.0
    crash: Exception | None = None
