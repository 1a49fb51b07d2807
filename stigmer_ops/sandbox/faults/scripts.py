"""What the faults have in common: how long agents work, and how activities are retried."""

from __future__ import annotations

from datetime import timedelta

from stigmer_ops.sandbox.plan import ActivitySettings, Script

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LONG = 20 * HOUR
"""How long agents work, and their Stigmer workflows may run, where the state is to hold still."""

BRIEF = timedelta(seconds=10)
"""How long agents work that are to be over soon."""

LONG_RUN = Script(runs_for=LONG, run_timeout=LONG)
BRIEF_RUN = Script(runs_for=BRIEF)
MINUTE_RUN = Script(runs_for=MINUTE)
RETRIED = ActivitySettings(max_attempts=2)
