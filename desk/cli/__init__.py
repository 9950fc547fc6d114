"""The `desk` command: everything that a person asks of the desk besides trading."""
