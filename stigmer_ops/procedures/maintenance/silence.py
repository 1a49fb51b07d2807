"""Our alerts in Alertmanager, silent for the window and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stigmer_ops.errors import SettingsError
from stigmer_ops.monitoring.alertmanager import (
    Alertmanager,
    Matcher,
    Silence,
    any_of,
    matchers_of,
)
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.procedures.maintenance.elsewhere import WindowElsewhere, mark, windows_elsewhere
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, done


async def not_configured(world: World) -> str:
    """Why nothing can be silenced."""
    if world.alertmanager is None:
        return "monitoring.alertmanager is not set: alerts will be sent during the window"
    return ""


async def obstacle(world: World) -> str:
    """Whether Alertmanager answers, and shows no window that was begun on another machine."""
    if other := await begun_elsewhere(world):
        return f"{other}; end it there, or expire that silence if nobody can"
    return "" if world.now() < world.window.end else "the window is over"


async def begun_elsewhere(world: World) -> WindowElsewhere | None:
    """A window that is open and was begun on another machine; None where Alertmanager shows none.

    Raises:
        StigmerOpsError: Alertmanager is not configured, cannot be reached, or refuses us.
    """
    others = await asyncio.to_thread(
        windows_elsewhere,
        _manager(world),
        world.settings,
        world.systems.external.namespace,
        host=world.operator.host,
        begin=world.window.begin,
    )
    return others[0] if others else None


async def plan(world: World, _record: StepRecord) -> Sequence[str]:
    """The silence that would be created."""
    matchers = matchers_for(world)
    count = len(_names(world))
    others = "".join(f", {matcher}" for matcher in matchers[1:])
    return [
        f"POST {_manager(world).shown_url}/api/v2/silences",
        f"{count} alerts of the catalogue{others}, until {world.window.end:%Y-%m-%dT%H:%M:%SZ}",
    ]


def matchers_for(world: World) -> tuple[Matcher, ...]:
    """Which alerts: those of the catalogue, of this installation."""
    here = matchers_of(world.settings.monitoring.silence_matchers)
    return (any_of("alertname", _names(world)), *here)


def _names(world: World) -> list[str]:
    return sorted(alert.name for alert in catalogue(world.settings).alerts)


async def silence(world: World, record: StepRecord) -> StepResult:
    """Create the silence, unless an earlier beginning of this step did.

    The journal cannot know the id before Alertmanager made it: what was created and not written
    down is found by the comment, which names the run.

    Raises:
        StigmerOpsError: Alertmanager cannot be reached, or refuses it.
    """
    manager = _manager(world)
    known = [note["silence_id"] for note in record.notes]
    if not known and record.resumed:
        known = await _unwritten(world, record)
    if not known:
        wanted = Silence(
            matchers=matchers_for(world),
            starts=world.now(),
            ends=world.window.end,
            created_by=world.operator.identity,
            comment=f"{_mark(world, record)} {world.window.reason}",
        )
        known = [await asyncio.to_thread(manager.create, wanted)]
    if not record.notes:
        record.note(silence_id=known[0])
    return done(
        f"silence {known[0]} until {world.window.end:%Y-%m-%dT%H:%M:%SZ}",
        {"silence_id": known[0], "alertmanager": manager.shown_url},
    )


async def doubt(world: World, record: StepRecord) -> str:
    """Whether the silence holds."""
    seen = await asyncio.to_thread(_manager(world).silence, record.notes[0]["silence_id"])
    return "" if seen is not None and seen.state == "active" else "Alertmanager does not show it"


async def remove(world: World, record: StepRecord) -> StepResult:
    """End the silence, unless it has ended already.

    Raises:
        StigmerOpsError: Alertmanager cannot be reached, or refuses it.
    """
    manager = _manager(world)
    made = record.of("silence").notes
    ids = [note["silence_id"] for note in made] or await _unwritten(world, record)
    for silence_id in ids:
        seen = await asyncio.to_thread(manager.silence, silence_id)
        if seen is not None and seen.state != "expired":
            await asyncio.to_thread(manager.expire, silence_id)
    record.note(silence_ids=ids)
    return done(f"{len(ids)} silence removed", {"silence_ids": ids})


async def doubt_of_removal(world: World, record: StepRecord) -> str:
    """Whether a silence is still active."""
    manager = _manager(world)
    for silence_id in record.notes[-1]["silence_ids"]:
        seen = await asyncio.to_thread(manager.silence, silence_id)
        if seen is not None and seen.state != "expired":
            return f"silence {silence_id} is {seen.state}"
    return ""


def _manager(world: World) -> Alertmanager:
    if world.alertmanager is None:
        raise SettingsError(
            "monitoring.alertmanager is not set, and the window has silenced alerts there",
            not_done="the silence was not removed",
            next_step="set STIGMER_OPS_MONITORING_ALERTMANAGER as it was when the window began",
        )
    return world.alertmanager


def _mark(world: World, record: StepRecord) -> str:
    return mark(
        run=record.folder.name,
        namespace=world.systems.external.namespace,
        host=world.operator.host,
        begin=world.window.begin,
    )


async def _unwritten(world: World, record: StepRecord) -> list[str]:
    """Silences of this window whose id did not get into the journal."""
    kept = await asyncio.to_thread(_manager(world).silences)
    mark = _mark(world, record)
    return [one.id for one in kept if one.comment.startswith(mark) and one.state != "expired"]


async def plan_removal(world: World, _record: StepRecord) -> Sequence[str]:
    """What would be sent."""
    return [f"DELETE {_manager(world).shown_url}/api/v2/silence/ID"] if world.alertmanager else []
