"""An exchange in a process of its own that serves a module's tests and is as new for each; fixtures, through the conftests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

# Half an hour into the first session.
MORNING = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig("bundled", date(2008, 9, 2), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


@pytest.fixture
def exchange(process: ExchangeProcess) -> ExchangeProcess:
    """The exchange of this module, as new, at MORNING."""
    process.admin.clear_faults()
    process.admin.reset()
    process.admin.advance(MORNING)
    return process


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"
