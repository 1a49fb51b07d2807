"""Is the system healthy? Every question is one entry of `registry.CHECKS`, asked by one runner."""
