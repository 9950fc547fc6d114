"""Faults on demand: what goes wrong, when, and how often, by a plan with a seed."""
