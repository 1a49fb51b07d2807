"""How each alert that a fault can produce comes about, is explained, and ends.

A scenario injects its fault, waits until the alert has reached its receiver, has a command name the
cause, applies the fix, and waits until the receiver is told that it is over.
"""

from __future__ import annotations

from collections.abc import Mapping

from support.alert_scenarios import activities, completions, exporter, workers
from support.alert_scenarios.scenario import Scenario

SCENARIOS: Mapping[str, Scenario] = {
    **activities.SCENARIOS,
    **completions.SCENARIOS,
    **workers.SCENARIOS,
    **exporter.SCENARIOS,
}
"""By the name of the alert."""
