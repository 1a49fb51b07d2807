"""One way, or several, to come to each verdict of `token validate` on a real server."""

from support.token_scenarios import closed_runs, elsewhere, ended, pending, standalone
from support.token_scenarios.case import Case

CASES: tuple[Case, ...] = (
    *pending.cases,
    *ended.cases,
    *closed_runs.cases,
    *standalone.cases,
    *elsewhere.cases,
)

__all__ = ["CASES", "Case"]
