"""Nouns of the trading desk: frozen values and enums, standard library and numpy only."""
