"""The honest-research side: checks that try to refute a strategy, comparisons, and what chance alone would do."""
