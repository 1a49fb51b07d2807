"""The domain: task tokens, external activities, fences, verdicts. Pure: no I/O and no clock."""
