"""Everything that is said to Temporal."""
