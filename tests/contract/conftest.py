"""An exchange that is as new for each test, for the tests that do not start one of their own."""

from __future__ import annotations

# Found beside tests/conftest.py, which puts that folder on the path.
from fresh_exchange import exchange, journal, process

__all__ = ["exchange", "journal", "process"]
