"""The Prometheus exporter: the metrics that the alerts need, computed from Temporal itself."""
