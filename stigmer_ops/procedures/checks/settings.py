"""What is ours to get right before anybody else is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from stigmer_ops.audit import AuditReport, is_missing, verify
from stigmer_ops.handshake.duration import short_duration
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.procedures.checks.check import Category, Check, Fail, Ok, Outcome, Warn
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.settings import Settings

SETTINGS = Category("settings", "Settings")

SERVER_LISTS_POLLERS_FOR = timedelta(minutes=5)
"""Temporal's matching service forgets a poller that was not seen for this long."""


async def _valid(context: CheckContext) -> Outcome:
    loaded = context.access.load_settings()
    return Ok(str(loaded.file) if loaded.file else "no settings file; defaults and variables")


async def _thresholds(context: CheckContext) -> Outcome:
    unsafe = list(unsafe_thresholds(context.settings))
    return Fail("\n".join(unsafe)) if unsafe else Ok()


def unsafe_thresholds(settings: Settings) -> Iterator[str]:
    """Thresholds that hide what they are there to show, a sentence each."""
    limits, stigmer = settings.thresholds, settings.stigmer
    told = {
        name: f"thresholds.{name} ({short_duration(getattr(limits, name))})"
        for name in type(limits).model_fields
        if isinstance(getattr(limits, name), timedelta)
    }
    if limits.stuck_after >= limits.longest_timeout:
        yield (
            f"{told['stuck_after']} is not below {told['longest_timeout']}: activities time out "
            "before they count as stuck"
        )
    if limits.suspect_after > limits.stuck_after:
        yield (
            f"{told['suspect_after']} is above {told['stuck_after']}: stuck activities are not "
            "looked into"
        )
    if limits.handshake_grace > limits.suspect_after:
        yield (
            f"{told['handshake_grace']} is above {told['suspect_after']}: a lost token is told late"
        )
    if limits.poller_stale_after >= SERVER_LISTS_POLLERS_FOR:
        yield (
            f"{told['poller_stale_after']} is not below "
            f"{short_duration(SERVER_LISTS_POLLERS_FOR)}, for which the server lists a dead "
            "poller: none is stale"
        )
    if max(stigmer.agent_run_timeout, stigmer.workflow_run_timeout) > limits.longest_timeout:
        yield (
            "stigmer.agent_run_timeout or stigmer.workflow_run_timeout is above "
            f"{told['longest_timeout']}: no timeout is right for both"
        )


async def _audit_writable(context: CheckContext) -> Outcome:
    path = context.access.audit_path()
    reason = why_not_writable(path)
    return Fail(f"{path}: {reason}") if reason else Ok(str(path))


def why_not_writable(path: Path) -> str:
    """Why a file could not be appended to, or made with its folders; empty if it could."""
    try:
        return _why_not_writable(path)
    except PermissionError as error:
        return f"no permission to look at {error.filename}"


def _why_not_writable(path: Path) -> str:
    if path.exists():
        if not path.is_file():
            return "not a regular file"
        return "" if os.access(path, os.R_OK | os.W_OK) else "no permission to read and write it"
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        return f"{above} is not a folder"
    return "" if os.access(above, os.W_OK | os.X_OK) else f"no permission to write in {above}"


async def _audit_intact(context: CheckContext) -> Outcome:
    path = context.access.audit_path()
    if is_missing(path):
        return Ok("no write was recorded yet")
    return _chain(verify(path))


def _chain(report: AuditReport) -> Outcome:
    if report.broken is not None:
        broken = report.broken
        return Fail(f"{report.path}:{broken.line}: {broken.reason}: {broken.detail}")
    if report.unfinished:
        return Warn(
            f"{len(report.unfinished)} writes have no outcome: the command was killed, or runs now",
            hint="stigmer-ops audit show --result unfinished",
        )
    return Ok(f"{report.records} records")


CHECKS = (
    Check(
        id="settings-valid",
        category=SETTINGS,
        sentence="the settings are valid",
        needs=frozenset(),
        hint="stigmer-ops config check",
        run=_valid,
        fatal=True,
    ),
    Check(
        id="thresholds-effective",
        category=SETTINGS,
        sentence="every threshold can strike before what it warns of",
        needs=frozenset(),
        hint="stigmer-ops config show",
        run=_thresholds,
        severity=Severity.WARNING,
    ),
    Check(
        id="audit-writable",
        category=SETTINGS,
        sentence="the audit file can be written",
        needs=frozenset(),
        hint="put its permissions right, or set STIGMER_OPS_AUDIT_PATH to another file",
        run=_audit_writable,
    ),
    Check(
        id="audit-intact",
        category=SETTINGS,
        sentence="the audit file's chain of digests is whole",
        needs=frozenset(),
        hint="stigmer-ops audit verify",
        run=_audit_intact,
    ),
)
