"""The crash harness: desks that are killed at every step, an exchange that fails on demand, and a judge of what is left."""
