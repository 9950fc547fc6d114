"""Prices of every instrument at any virtual instant: replayed, walked or modelled."""
