"""Banks of good features that are fitted to parts of a set, for `benchmarks.false_rejects`."""
