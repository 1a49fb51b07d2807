"""Every command that reads Temporal, and what is right of it, whatever the network does.

The expectations hold in a namespace with the handshakes of `POPULATION`, on an otherwise healthy
sandbox whose time is not scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.command_line import Finished

POPULATION = {"still-running": 2, "stigmer-workflow-terminated": 1, "callback-fails": 1}
WAITING, STUCK = 4, 2

Right = Callable[[Finished], bool]


@dataclass(frozen=True)
class Read:
    """A command line, and whether what came of it is right.

    Attributes:
        options: Of a handshake that runs, {workflow}, {activity}, {execution}, {token} (a file) and
            {log} (a log that names its execution) are filled in.
        right: Whether exit code and output are those of a good network.
    """

    options: str
    right: Right

    def went_right(self, done: Finished) -> bool:
        """`right`, and False where there is no document at all."""
        try:
            return self.right(done)
        except (ValueError, KeyError, IndexError):
            return False


def says(code: int, **fields: Any) -> Right:
    """The exit code, and fields of the JSON document."""

    def right(done: Finished) -> bool:
        document = done.json
        return done.code == code and fields == {name: document.get(name) for name in fields}

    return right


def _last_line_says(**fields: Any) -> Right:
    def right(done: Finished) -> bool:
        last = done.lines[-1]
        return done.code == 0 and fields == {name: last.get(name) for name in fields}

    return right


def _diagnosed(done: Finished) -> bool:
    counts: Mapping[str, int] = done.json["counts"]
    return done.code == 1 and counts == {
        "running": 2,
        "stigmer-workflow-terminated": 1,
        "callback-failed": 1,
    }


def _checked(done: Finished) -> bool:
    results = {
        check["id"]: check["result"]
        for category in done.json["categories"]
        for check in category["checks"]
    }
    wrong = {id for id, result in results.items() if result not in ("ok", "skipped")}
    # A measured duration may be over its budget where the network is slow.
    return done.code == 1 and wrong - {"clocks-agree"} == {"no-handshake-stuck"}


def _exported(done: Finished) -> bool:
    total = sum(
        float(line.rsplit(" ", 1)[1])
        for line in done.out.splitlines()
        if line.startswith("stigmer_pending_external_activities{")
    )
    return done.code == 0 and total == WAITING


def _escalated(done: Finished) -> bool:
    steps = {step["id"]: step["why"] for step in done.json["steps"]}
    return done.code == 0 and f"stuck activities: {STUCK}" in steps["runbook"]


def _polled(done: Finished) -> bool:
    queues = done.json["task_queues"]
    pollers = [queue[kind]["pollers"] for queue in queues for kind in ("activity", "workflow")]
    return done.code == 0 and len(queues) == 7 and sum(map(bool, pollers)) >= 9


def _no_go(done: Finished) -> bool:
    (reason,) = done.json["reasons"]
    return done.code == 1 and done.json["snapshot"]["pending"] == WAITING and "stuck" in reason


def _correlated(done: Finished) -> bool:
    # The log says nothing of the workflow: Temporal does. Exit 1, since nothing was delivered yet.
    (handshake,) = done.json["handshakes"]
    return done.code == 1 and bool(handshake["activities"])


def _planned(done: Finished) -> bool:
    return done.code == 0 and done.json["rows"] == STUCK


def _came_through_or_says_where_it_stopped(done: Finished) -> bool:
    # A task that was on its way over a connection that broke is lost.
    stopped = bool(done.json["stopped"])
    return done.code == (1 if stopped else 0) and stopped == bool(done.json["next"])


JSON, LINES = "-o json", "-o jsonl"

READS: Mapping[str, Read] = {
    "pending list": Read(JSON, says(0, complete=True, pending=WAITING, unreadable=[])),
    "pending summary": Read(JSON, says(0, complete=True, count=WAITING)),
    "pending watch": Read(
        f"--count 2 --interval 1s {LINES}", _last_line_says(complete=True, pending=WAITING)
    ),
    "pending show": Read(
        f"-w {{workflow}} -a {{activity}} {JSON}", says(0, pending=True, state="STARTED")
    ),
    "diagnose": Read(JSON, _diagnosed),
    "report": Read(f"--out report.html {JSON}", says(0, waiting=WAITING, stuck=STUCK)),
    "watch": Read(
        f"--count 2 --interval 1s {LINES}", _last_line_says(refresh=2, complete=True, pending=4)
    ),
    "token validate": Read(f"--token-file {{token}} {JSON}", says(0, verdict="current")),
    "logs correlate": Read(f"{{log}} -e {{execution}} {JSON}", _correlated),
    "plan create": Read(f"--action redeliver --out plan.jsonl {JSON}", _planned),
    "batch list": Read(JSON, says(0, items=[])),
    "check": Read(JSON, _checked),
    "worker check": Read(JSON, says(0, healthy=True)),
    "worker list": Read(JSON, _polled),
    "smoke": Read(JSON, _came_through_or_says_where_it_stopped),
    "exporter": Read("--once", _exported),
    "maintenance preflight": Read(f"--for 2h {JSON}", says(0, go=True, activities=WAITING)),
    "drain": Read(f"--timeout 1s {JSON}", says(1, pending=WAITING, reached=False)),
    "deploy preflight": Read(JSON, _no_go),
    "scale recommend": Read(JSON, lambda done: done.json["pending"]["now"] == WAITING),
    "escalate": Read(JSON, _escalated),
}
