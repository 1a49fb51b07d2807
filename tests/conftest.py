"""Rules for all tests."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["support.sandbox_fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> pytest.TestReport:
    """Where FORBID_SKIPS is set, as in CI, a skipped test has failed."""
    report: pytest.TestReport = yield  # type: ignore[misc] # a hook wrapper is a generator by contract
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("FORBID_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which is forbidden here: {report.longrepr}"
    return report
