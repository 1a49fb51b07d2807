"""Whether a task queue has the workers that it needs: every answer that `worker check` can give.

An entry in `QUEUE_VERDICTS` makes a verdict: when it is the case, what proves it, what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.registration import Answer, Registration, missing
from stigmer_ops.handshake.remedies import shell_word
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.handshake.workers import Poller, PollerState, QueueWorkers, TaskKind

PAGE = "runbooks/troubles/worker-not-registered.md"
LIST, CHECK = "worker list", "worker check"
_TYPES_TOLD = 12
"""Activity types of a worker that a sentence names."""


@dataclass(frozen=True, slots=True)
class QueueCheck:
    """What is known of a task queue."""

    workers: QueueWorkers
    registration: Registration

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every verdict that is the case, worst first; never empty."""
        found = ((verdict, tuple(verdict.evidence(self))) for verdict in QUEUE_VERDICTS)
        cases = tuple(Finding(verdict, evidence) for verdict, evidence in found if evidence)
        return cases or (Finding(HEALTHY, ()),)

    @property
    def verdict(self) -> QueueVerdict:
        """The worst verdict that is the case."""
        return self.findings[0].verdict


@dataclass(frozen=True, slots=True)
class QueueVerdict:
    """One answer.

    Attributes:
        id: Kebab-case, stable, never used for anything else.
        title: What is the case, in one sentence in the present tense.
        severity: How urgent it is.
        exit_code: What `worker check` ends with where this is the worst.
        remedy: What to do, in a sentence or two.
        look: The command, without its options, that shows more.
        evidence: The facts that prove it, a clause each; none where it is not the case.
        page: The page of the runbook.
    """

    id: str
    title: str
    severity: Severity
    exit_code: ExitCode
    remedy: str
    look: str
    evidence: Callable[[QueueCheck], Iterator[str]]
    page: str = PAGE


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that is the case, and why."""

    verdict: QueueVerdict
    evidence: tuple[str, ...]


def next_command(check: QueueCheck, verdict: QueueVerdict) -> str:
    """What to type next."""
    queue = check.workers.expected
    options = ["--task-queue", queue.name, "-n", queue.namespace]
    if not queue.roles and verdict.look == CHECK:
        # What the settings do not know, the next check must be told again.
        options += [word for name in queue.activity_types for word in ("--activity-type", name)]
    return " ".join(["stigmer-ops", verdict.look, *map(shell_word, options)])


def exit_code(checks: tuple[QueueCheck, ...]) -> ExitCode:
    """Findings before what could not be told, before health."""
    codes = {check.verdict.exit_code for check in checks}
    order = (ExitCode.FINDINGS, ExitCode.UNAVAILABLE)
    return next((code for code in order if code in codes), ExitCode.OK)


def _not_polled(check: QueueCheck) -> Iterator[str]:
    workers = check.workers
    unpolled = [kind for kind in _to_be_polled(workers) if not workers.of(kind)]
    if not workers.expected.kinds and len(unpolled) < len(TaskKind):
        return
    for kind in unpolled:
        yield f"no poller of {kind} tasks{_waiting(workers, kind)}"
        yield from _busy(workers, kind)


def _version_not_current(check: QueueCheck) -> Iterator[str]:
    for poller in _idle(check.workers):
        if check.workers.state(poller) is PollerState.NOT_CURRENT:
            version = f"{poller.deployment_name}:{poller.build_id}"
            yield f"{poller.identity} polls {poller.kind} tasks as version {version}"


def _only_stale(check: QueueCheck) -> Iterator[str]:
    for poller in _idle(check.workers):
        if check.workers.state(poller) is not PollerState.NOT_CURRENT:
            yield _last_seen(check.workers, poller)
            yield from _busy(check.workers, poller.kind)


def _types_missing(check: QueueCheck) -> Iterator[str]:
    expected = check.workers.expected.activity_types
    for identity, said in check.registration.said:
        lacking = missing(said, expected)
        if lacking:
            others = "; it has at least " if not said.complete else "; it has "
            yield f"{identity} lacks {', '.join(lacking)}{others}{_names(said.registered)}"


def _disagree(check: QueueCheck) -> Iterator[str]:
    if check.registration.disagree:
        for identity, said in check.registration.said:
            yield f"{identity} has {_names(said.registered)}"


def _silent(check: QueueCheck) -> Iterator[str]:
    took = {one.identity for one in check.registration.those(Answer.NO_ANSWER)}
    for identity in sorted(took):
        yield f"{identity} took the probe and did not answer"
    for poller in check.workers.of(TaskKind.ACTIVITY):
        if poller.identity in check.registration.silent and poller.identity not in took:
            seen = _last_seen(check.workers, poller)
            yield f"{seen} and did not take the probe"
    if took or check.registration.silent:
        yield from _busy(check.workers, TaskKind.ACTIVITY)


def _unknown(check: QueueCheck) -> Iterator[str]:
    if check.registration.probed and check.registration.unknown:
        yield check.registration.unknown
    for one in check.registration.those(Answer.UNREADABLE):
        yield f"{one.identity} answered without naming its types: {one.detail}"


def _takes_any(check: QueueCheck) -> Iterator[str]:
    for one in check.registration.those(Answer.RAN):
        yield f"{one.identity} ran an activity of a type that nobody registers"


def _not_probed(check: QueueCheck) -> Iterator[str]:
    if not check.registration.probed and check.registration.unknown:
        yield check.registration.unknown


def _some_stale(check: QueueCheck) -> Iterator[str]:
    workers = check.workers
    for poller in workers.pollers:
        if workers.state(poller) is not PollerState.LIVE and workers.live(poller.kind):
            yield _last_seen(workers, poller)


def _to_be_polled(workers: QueueWorkers) -> tuple[TaskKind, ...]:
    wanted = workers.expected.kinds
    return tuple(kind for kind in TaskKind if kind in wanted or not wanted)


def _idle(workers: QueueWorkers) -> Iterator[Poller]:
    """The pollers of those kinds that must be polled and have none that is live."""
    kinds = _to_be_polled(workers)
    if not workers.expected.kinds and any(map(workers.live, kinds)):
        return
    for kind in kinds:
        if not workers.live(kind):
            yield from workers.of(kind)


def _last_seen(workers: QueueWorkers, poller: Poller) -> str:
    match workers.state(poller):
        case PollerState.SHUT_DOWN:
            return f"{poller.identity} has shut down ({poller.kind} tasks)"
        case PollerState.NOT_CURRENT:
            return f"{poller.identity} is of a version that gets no new {poller.kind} tasks"
        case _ if poller.last_access_time is None:
            return f"{poller.identity} never polled {poller.kind} tasks"
        case _:
            ago = _seconds(workers.time - poller.last_access_time)
            return f"{poller.identity} last polled {poller.kind} tasks {ago} ago"


def _names(types: tuple[str, ...]) -> str:
    shown = ", ".join(types[:_TYPES_TOLD]) or "none"
    more = len(types) - _TYPES_TOLD
    return f"{shown} and {more} more" if more > 0 else shown


def _waiting(workers: QueueWorkers, kind: TaskKind) -> str:
    backlog = workers.backlog(kind)
    if not backlog.count:
        return ""
    oldest = f", the oldest for {_seconds(backlog.age)}" if backlog.age else ""
    return f"; tasks that wait: {backlog.count}{oldest}"


def _busy(workers: QueueWorkers, kind: TaskKind) -> Iterator[str]:
    for beat in workers.saturated(kind):
        yield f"{beat.identity} is alive, with every slot for {kind} tasks taken"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.0f} s"


NOT_POLLED = QueueVerdict(
    "not-polled",
    "Nobody polls the task queue",
    Severity.CRITICAL,
    ExitCode.FINDINGS,
    "Start its workers, or mend the queue's name in their configuration or in the settings here.",
    LIST,
    _not_polled,
)
VERSION_NOT_CURRENT = QueueVerdict(
    "version-not-current",
    "The pollers' deployment version is not the current one, so new tasks pass them by",
    Severity.CRITICAL,
    ExitCode.FINDINGS,
    "Make the version current: temporal worker deployment set-current-version.",
    LIST,
    _version_not_current,
)
ONLY_STALE_POLLERS = QueueVerdict(
    "only-stale-pollers",
    "Every poller that the server lists for the task queue is gone",
    Severity.CRITICAL,
    ExitCode.FINDINGS,
    "Start its workers, or free their slots: a worker without a free slot stops polling.",
    LIST,
    _only_stale,
)
TYPES_MISSING = QueueVerdict(
    "activity-types-missing",
    "An expected activity type is not registered",
    Severity.CRITICAL,
    ExitCode.FINDINGS,
    "Deploy workers that register it, or mend task_queues.*.activity_types in the settings.",
    CHECK,
    _types_missing,
)
WORKERS_DISAGREE = QueueVerdict(
    "workers-disagree",
    "Workers of the task queue have different activity types: a deployment is half rolled out",
    Severity.CRITICAL,
    ExitCode.FINDINGS,
    "Finish the rollout, or roll it back; until then a task may land on the wrong worker.",
    CHECK,
    _disagree,
)
WORKER_SILENT = QueueVerdict(
    "worker-silent",
    "A worker that polls did not answer the probe",
    Severity.WARNING,
    ExitCode.UNAVAILABLE,
    "See whether it is busy, hangs or has just ended, and check again.",
    LIST,
    _silent,
)
REGISTRATION_UNKNOWN = QueueVerdict(
    "registration-unknown",
    "It cannot be told which activity types are registered",
    Severity.WARNING,
    ExitCode.UNAVAILABLE,
    "Try the other way of asking, --probe workflow, or read what failed with --passive.",
    CHECK,
    _unknown,
)
TAKES_ANY_TYPE = QueueVerdict(
    "takes-any-type",
    "A worker has a dynamic activity, which takes every type",
    Severity.INFO,
    ExitCode.OK,
    "Nothing to do; which types it serves only its code tells.",
    LIST,
    _takes_any,
)
NOT_PROBED = QueueVerdict(
    "not-probed",
    "The task queue is polled; the workers were not asked for their activity types",
    Severity.INFO,
    ExitCode.OK,
    "Check without --passive, outside read-only mode.",
    CHECK,
    _not_probed,
)
SOME_POLLERS_STALE = QueueVerdict(
    "some-pollers-stale",
    "The task queue is polled; the server lists pollers besides that are gone",
    Severity.INFO,
    ExitCode.OK,
    "Nothing to do after a rollout: the server forgets them after five minutes.",
    LIST,
    _some_stale,
)
HEALTHY = QueueVerdict(
    "healthy",
    "The task queue is polled, and its workers have the activity types that they shall have",
    Severity.OK,
    ExitCode.OK,
    "Nothing to do.",
    LIST,
    lambda _check: iter(()),
)

QUEUE_VERDICTS = (
    NOT_POLLED,
    VERSION_NOT_CURRENT,
    ONLY_STALE_POLLERS,
    TYPES_MISSING,
    WORKERS_DISAGREE,
    WORKER_SILENT,
    REGISTRATION_UNKNOWN,
    TAKES_ANY_TYPE,
    NOT_PROBED,
    SOME_POLLERS_STALE,
    HEALTHY,
)
"""Worst first."""
