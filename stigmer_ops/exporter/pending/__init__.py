"""The external activities that wait, followed with few calls."""
