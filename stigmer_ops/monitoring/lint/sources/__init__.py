"""What is linted: rule files, rule tests, dashboards and runbook pages, read from anywhere."""
