"""Find, explain and repair Temporal activities that wait for a Stigmer agent."""

__version__ = "0.1.0"
