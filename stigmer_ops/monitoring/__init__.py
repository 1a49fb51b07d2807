"""Monitoring as code: the catalogue, and what is generated from it and checked against it."""
