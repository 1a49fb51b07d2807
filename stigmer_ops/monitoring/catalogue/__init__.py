"""The catalogue: every metric, recording rule, alert, query and panel, declared once.

    from stigmer_ops.monitoring.catalogue import catalogue

    everything = catalogue(settings)       # with the thresholds and selectors of these settings
    everything.series["up"].label_names    # what can be selected: metrics, samples, records
    everything.alert("StigmerExporterDown")    # .expr .for_ .severity .thresholds .panel ...
    everything.alerts_of(panel)            # whose thresholds a panel draws, in its unit
    everything.query("success-rate").expr  # complete PromQL, with healthy bound and alert
    everything.dashboard.rows              # panels; their expressions hold $namespace and so on

Where a new entry goes:

- a metric: a constant in metrics.py, and its row in METRICS; the exporter emits it;
- a value that is watched, asked for or drawn: a function in expressions.py, composed with
  `Scope.select` and `Scope.over` (promql.py), used by everything that shows it. `Scope.select`
  refuses labels and values that the series does not have, and adds the settings' selector, and in
  panels the dashboard's variables;
- a recording rule: recordings.py; an alert: its group in alerts/, a page runbooks/alerts/NAME.md
  and cases in alerts/tests/; a query: queries.py; a panel: panels.py, with a new number.

Expressions are valid PromQL but not laid out; `stigmer_ops.monitoring.rules` does that. Those of
panels also hold Grafana's variables, `$namespace` in matchers and `$__rate_interval` as a range.
"""

from __future__ import annotations

from stigmer_ops.monitoring.catalogue.alerts import every_alert
from stigmer_ops.monitoring.catalogue.metrics import METRICS
from stigmer_ops.monitoring.catalogue.model import Catalogue
from stigmer_ops.monitoring.catalogue.panels import dashboard
from stigmer_ops.monitoring.catalogue.promql import Scope
from stigmer_ops.monitoring.catalogue.queries import queries
from stigmer_ops.monitoring.catalogue.recordings import recordings
from stigmer_ops.settings import Settings


def catalogue(settings: Settings) -> Catalogue:
    """Everything, with the thresholds, windows and selectors of `settings`.

    Raises:
        ValueError: An entry selects a label or value that its series does not have: a defect.
    """
    scope = Scope(settings)
    return Catalogue(
        METRICS,
        tuple(recordings(scope)),
        every_alert(scope),
        queries(scope),
        dashboard(scope),
    )
