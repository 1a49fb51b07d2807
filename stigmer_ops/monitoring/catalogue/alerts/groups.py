"""The groups that alerts belong to; each becomes a rule file."""

ACTIVITIES = "stigmer-activities"
COMPLETIONS = "stigmer-completions"
WORKERS = "stigmer-workers"
EXPORTER = "stigmer-exporter"
DEPLOYMENT = "stigmer-deployment"
