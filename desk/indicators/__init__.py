"""Technical indicators over numpy arrays: pure, batch and incremental with the same numbers."""
