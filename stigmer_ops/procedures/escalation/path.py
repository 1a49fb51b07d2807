"""The steps of the escalation path: where each leads, and whether it is to be taken now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from stigmer_ops.handshake.remedies import shell_word
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.procedures.escalation.situation import Situation
from stigmer_ops.settings import Settings

_PAGES_NAMED = 3


@dataclass(frozen=True, slots=True)
class Incident:
    """What the steps are decided by.

    Attributes:
        situation: What is wrong.
        settings: Where things are.
        lasting: For how long it has lasted, as a person knows; None where nobody said.
    """

    situation: Situation
    settings: Settings
    lasting: timedelta | None = None

    @property
    def stuck_ids(self) -> Mapping[str, str]:
        """What addresses of the first activity that is stuck hold; empty if nothing is."""
        if not self.situation.stuck:
            return {}
        activity = self.situation.stuck[0].activity
        return {
            "namespace": activity.namespace,
            "workflow_id": activity.workflow_id,
            "run_id": activity.run_id,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a step is to be taken now, and why, or why not: a clause.

    Where that is not `known`, it is for a person to decide.
    """

    now: bool
    why: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        id: Kebab-case, stable.
        title: Where it leads, for people.
        where: Addresses, names and commands, a line each.
        decide: Whether it is to be taken now.
        setting: Path of the setting that says where, if the value it has unless it is set may lead
            nowhere.
    """

    id: str
    title: str
    where: Callable[[Incident], tuple[str, ...]]
    decide: Callable[[Incident], Decision]
    setting: str | None = None


def _pages(incident: Incident) -> tuple[str, ...]:
    situation = incident.situation
    names = dict.fromkeys(
        (
            *(alert.name for alert in situation.critical_alerts),
            *(found.verdict.id for found in situation.stuck),
            *(result.check.id for result in situation.failed),
        )
    )
    shown = (f"stigmer-ops runbook show {name}" for name in list(names)[:_PAGES_NAMED])
    return (incident.settings.escalation.runbook, *shown)


def _anything_wrong(incident: Incident) -> Decision:
    situation = incident.situation
    counts = {
        "failed checks": len(situation.failed),
        "stuck activities": len(situation.stuck),
        "firing alerts": len(situation.alerts or ()),
    }
    told = ", ".join(f"{what}: {count}" for what, count in counts.items() if count)
    if not told and situation.gaps:
        return Decision(False, "nothing is wrong as far as is known", known=False)
    return Decision(situation.wrong, told or "nothing is wrong")


def _logs(incident: Incident) -> tuple[str, ...]:
    address = incident.settings.escalation.logs
    ids = incident.stuck_ids
    known = () if address is None else (_filled(address, ids),)
    of = f" --workflow-id {shell_word(ids['workflow_id'])}" if ids.get("workflow_id") else ""
    return (*known, f"stigmer-ops logs correlate FILE...{of}")


def _temporal_ui(incident: Incident) -> tuple[str, ...]:
    address, ids = incident.settings.escalation.temporal_ui, incident.stuck_ids
    if address is not None:
        return (_filled(address, ids),)
    if not ids.get("workflow_id"):
        return ("escalation.temporal_ui is not set",)
    words = ("-n", ids["namespace"], "-w", ids["workflow_id"], "-r", ids["run_id"])
    return (" ".join(map(shell_word, ("temporal", "workflow", "describe", *words))),)


def _filled(address: str, ids: Mapping[str, str]) -> str:
    """The address with the ids in it, where there are any."""
    for name, value in ids.items():
        # An id may hold what ends a path or begins a query, and in a namespace nobody forbids it.
        address = address.replace(f"{{{name}}}", quote(value, safe="", errors="replace"))
    return address


def _anything_stuck(incident: Incident) -> Decision:
    situation = incident.situation
    stuck = situation.stuck
    if not stuck and not situation.diagnosed:
        return Decision(False, "what waits could not be read", known=False)
    if not stuck and not situation.whole:
        return Decision(False, "no activity is stuck of those that could be read", known=False)
    if not stuck:
        return Decision(False, "no activity is stuck")
    return Decision(True, f"stuck activities: {len(stuck)}, the first of them is shown")


def _pages_somebody(incident: Incident) -> Decision:
    situation = incident.situation
    if situation.critical_alerts:
        names = ", ".join(dict.fromkeys(alert.name for alert in situation.critical_alerts))
        return Decision(True, f"critical alerts fire: {names}")
    if situation.alerts is not None:
        return Decision(False, "no critical alert fires")
    if situation.critical:
        return Decision(True, "nobody can say which alerts fire, and what is wrong is critical")
    told = "nobody can say which alerts fire, and nothing is critical as far as is known"
    return Decision(False, told, known=not situation.gaps)


def _prolonged(incident: Incident) -> Decision:
    situation, settings = incident.situation, incident.settings
    limit = settings.escalation.prolonged_after
    lasted, what = situation.longest(settings.thresholds.stuck_after)
    if incident.lasting is not None and incident.lasting > lasted:
        lasted, what = incident.lasting, "you say so"
    if lasted >= limit and situation.critical:
        minutes = timedelta(minutes=lasted // timedelta(minutes=1))
        return Decision(True, f"it has lasted for {duration(minutes)} ({what})")
    return Decision(False, f"as far as is known nothing critical has lasted for {duration(limit)}")


def _told_by(name: str, title: str, decide: Callable[[Incident], Decision]) -> Step:
    """A step to where a setting says."""
    return Step(
        name,
        title,
        lambda incident: (getattr(incident.settings.escalation, name),),
        decide,
        setting=f"escalation.{name}",
    )


STEPS: tuple[Step, ...] = (
    Step("runbook", "Runbook", _pages, _anything_wrong),
    Step("logs", "Logs of the services", _logs, _anything_stuck),
    Step("temporal-ui", "Temporal UI", _temporal_ui, _anything_stuck),
    _told_by("channel", "Tell the people on call", _anything_wrong),
    _told_by("pager", "Page", _pages_somebody),
    _told_by("lead", "Call", _prolonged),
)
"""In the order in which they are taken."""
