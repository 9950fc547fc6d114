"""The market and the client of the exchange's unit tests, for the tests that prove its rules."""

from __future__ import annotations

# Found beside tests/conftest.py, which puts that folder on the path.
from unit.exchange.conftest import client, new_client

__all__ = ["client", "new_client"]
