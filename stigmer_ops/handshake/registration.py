"""Which activity types a worker has registered, as it says itself when it is asked for another.

No Temporal API tells what a worker has registered. A worker that takes a task of an activity type
that it does not have fails the task, and its SDK puts the types that it does have into the text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum

_COMMA = ", "
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """A worker's word that it does not have an activity type, and which it has.

    Attributes:
        activity_type: The type that it was asked for.
        registered: The types that it has, sorted.
        complete: Whether these are all; the server cuts long failure texts off.
    """

    activity_type: str
    registered: tuple[str, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Wording:
    """How the workers of some SDKs say it; the groups are `type` and `types`."""

    sdks: str
    pattern: re.Pattern[str]


_WORDINGS = (
    # Each in its SDK's own source: temporalio/worker/_activity.py (Python), worker.ts (TypeScript),
    # internal/worker/activity.rb (Ruby), ActivityWorker.cs (.NET).
    _Wording(
        "Python, TypeScript, Ruby, .NET",
        re.compile(
            r"Activity (?:function )?(?P<type>.+?)(?: for workflow .*?)?"
            r" is not registered on this [Ww]orker, available activities: ?(?P<types>.*)",
            re.DOTALL,
        ),
    ),
    # ActivityNotRegisteredError in internal/error.go.
    _Wording(
        "Go",
        re.compile(
            r"unable to find activityType=(?P<type>.*?)\. Supported types: \[(?P<types>.*)",
            re.DOTALL,
        ),
    ),
    # ActivityTaskHandlerImpl.java.
    _Wording(
        "Java",
        re.compile(
            r'Activity Type "(?P<type>.*?)" is not registered with a worker\.'
            r" Known types are: ?(?P<types>.*)",
            re.DOTALL,
        ),
    ),
)


def parse_not_registered(message: str, *, truncated: bool = False) -> NotRegistered | None:
    """What a failure's message says of a worker's registrations; None if it says nothing.

    Args:
        message: `Failure.message`.
        truncated: Whether the message was cut off at its end. The last type in it may then be half
            a name, and is left out.
    """
    for wording in _WORDINGS:
        match = wording.pattern.search(message)
        if match is not None:
            types = _types(match["types"], truncated=truncated)
            return NotRegistered(match["type"], tuple(sorted(set(types))), complete=not truncated)
    return None


def _types(text: str, *, truncated: bool) -> list[str]:
    if text.startswith("["):
        return [name for item in _JSON_STRING.findall(text) if (name := _unquoted(item))]
    names = text.removesuffix("]").split(_COMMA)
    if truncated:
        names = names[:-1]
    return [name for name in names if name]


def _unquoted(item: str) -> str:
    try:
        return str(json.loads(item))
    except ValueError:
        return ""  # not written by an SDK


class ProbeMethod(StrEnum):
    """How workers are asked for a type that nobody registers."""

    STANDALONE_ACTIVITY = "standalone-activity"
    """By standalone activities, which the server has from 1.32 on."""
    WORKFLOW = "workflow"
    """By the activities of a workflow that runs in this process, on a queue of its own."""
    NONE = "none"
    """Not at all: only failures that they left behind are read."""


@dataclass(slots=True)
class ProbeAccount:
    """What the probe did to the namespace; filled in while it works.

    Attributes:
        method: How it asked.
        reason: Why in this way, as a clause.
        started: Standalone activities or workflows that it started.
        deleted: How many of these it deleted again.
        left_behind: Ids of those that it could not delete; they have ended or end by themselves.
    """

    method: ProbeMethod
    reason: str = ""
    started: int = 0
    deleted: int = 0
    left_behind: list[str] = field(default_factory=list)


class Answer(StrEnum):
    """What became of one task of an activity type that nobody registers."""

    REGISTERED_TYPES = "registered-types"
    """The worker refused it and said which types it has."""
    RAN = "ran"
    """The worker ran it: it has a dynamic activity, which takes every type."""
    UNREADABLE = "unreadable"
    """The worker failed it with a text that names no types."""
    NO_ANSWER = "no-answer"
    """A poller took it, and no answer came: a process that hangs or is gone."""
    NOT_TAKEN = "not-taken"
    """No poller took it in time."""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """One answer; `identity` is the worker's, empty where none took the task.

    `detail` is the failure's text where it names no types.
    """

    answer: Answer
    identity: str = ""
    not_registered: NotRegistered | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """What is known of the registrations of a queue's workers.

    Attributes:
        probed: Whether workers were asked; otherwise only failures that they left were read.
        answers: What they answered, each different answer of a worker once.
        silent: Identities of live pollers that did not answer.
        unknown: Why nothing could be learnt, as a clause; empty otherwise.
    """

    probed: bool = False
    answers: tuple[ProbeAnswer, ...] = ()
    silent: tuple[str, ...] = ()
    unknown: str = ""

    def those(self, answer: Answer) -> tuple[ProbeAnswer, ...]:
        """The answers of one kind."""
        return tuple(one for one in self.answers if one.answer is answer)

    @property
    def said(self) -> tuple[tuple[str, NotRegistered], ...]:
        """Worker identities with what they said of their registrations.

        An identity comes twice where two workers share it and differ.
        """
        return tuple(
            (one.identity, one.not_registered)
            for one in self.answers
            if one.not_registered is not None
        )

    @property
    def disagree(self) -> bool:
        """Whether two workers have different types.

        Failures that were left behind may be of different times, and are not compared; nor are
        texts that were cut off.
        """
        return self.probed and len({s.registered for _, s in self.said if s.complete}) > 1


def missing(said: NotRegistered, expected: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the expected types that a worker certainly does not have.

    What a text that was cut off does not name may have been cut off, but for the very type that the
    worker was asked for.
    """
    return tuple(
        name
        for name in expected
        if name == said.activity_type or (said.complete and name not in said.registered)
    )
