"""The HorizontalPodAutoscaler that keeps to the same rule by itself.

Fields are those of autoscaling/v2 (HorizontalPodAutoscalerSpec of the Kubernetes API reference). A
scale-up window makes the autoscaler go by the lowest number of the window, so that what waits for a
moment adds no pods; a scale-down window, by the highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from stigmer_ops.monitoring.catalogue.metrics import PENDING
from stigmer_ops.monitoring.catalogue.recordings import PENDING_TOTAL
from stigmer_ops.settings import Settings

Manifest = dict[str, Any]

_LONGEST_WINDOW = timedelta(hours=1)
"""What Kubernetes accepts as a stabilisation window."""
_SCALE_DOWN_PERIOD = timedelta(minutes=5)

ADAPTER_RULE: Manifest = {
    "externalRules": [
        {
            "seriesQuery": f'{{__name__="{PENDING_TOTAL.name}"}}',
            "name": {"as": PENDING.name},
            # The label is Temporal's namespace, not that of the pods.
            "resources": {"namespaced": False},
            "metricsQuery": "max(<<.Series>>{<<.LabelMatchers>>})",
        }
    ]
}
"""How prometheus-adapter serves the metric: as recorded, so that two exporters do not add up."""


def autoscalers(settings: Settings, namespace: str, deployments: Sequence[str]) -> list[Manifest]:
    """A manifest for each deployment; `namespace` is Temporal's."""
    return [_autoscaler(settings, namespace, deployment) for deployment in deployments]


def _autoscaler(settings: Settings, namespace: str, deployment: str) -> Manifest:
    scaling = settings.scaling
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": deployment, "namespace": settings.kubernetes.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {
                            "name": PENDING.name,
                            "selector": {"matchLabels": {"namespace": namespace}},
                        },
                        "target": {
                            "type": "AverageValue",
                            "averageValue": str(scaling.pending_per_pod),
                        },
                    },
                }
            ],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": _window(scaling.sustained_for)},
                "scaleDown": {
                    "stabilizationWindowSeconds": _window(scaling.scale_down_after),
                    "policies": [
                        {
                            "type": "Pods",
                            "value": 1,
                            "periodSeconds": int(_SCALE_DOWN_PERIOD.total_seconds()),
                        }
                    ],
                },
            },
        },
    }


def _window(length: timedelta) -> int:
    return int(min(length, _LONGEST_WINDOW).total_seconds())
