"""The journal: every decision and every broker event, appended before the desk acts on it."""
