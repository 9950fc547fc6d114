"""Verbs of the trading desk: pure functions over the domain's nouns."""
