"""The market and the client of the exchange's unit tests, for the tests that prove its rules."""

from __future__ import annotations

from pathlib import Path

import pytest

# Found beside tests/conftest.py, which puts that folder on the path.
from unit.exchange.conftest import client, new_client

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rules are proven by `make test`; `make check` is for the minute between two edits."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


__all__ = ["client", "new_client"]
