"""Shares that stand without an exit for a moment: how they come about, and how to count them."""
