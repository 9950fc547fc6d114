"""Adapters between the desk and its brokers: they translate and decide nothing."""
