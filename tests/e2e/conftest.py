"""Runs on a real exchange in a child process, through Lumibot and alpaca-py, as `live_trader.py` makes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

# Found beside tests/conftest.py, which puts that folder on the path.
from fresh_exchange import exchange, journal, process
from live_desk import crash_market

from desk.data.bundled import load_bundled
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunIdentity, create
from desk.settings.load import load_settings


def builder(root: Path) -> Callable[..., ExchangeRun]:
    """Builds a run of a strategy class over a few sessions of the bundled market, from 2008-09-02."""

    def build(
        strategy_class: type, *, sessions: int = 3, seed: int = 1, start: date = date(2008, 9, 2), **more: Any
    ) -> ExchangeRun:
        name = strategy_class.__name__.lower()
        identity = RunIdentity(name, "exchange", "bundled", start.isoformat(), sessions, seed)
        folder = create(root / "runs", f"{name}-exchange", identity)
        settings = load_settings(environ={}, dotenv=None)
        request = RunRequest(name, settings, root / "runs", start, sessions, seed, gate="report", **more)
        return ExchangeRun(request, strategy_class, load_bundled(), folder)

    return build


@pytest.fixture
def exchange_run(tmp_path: Path) -> Callable[..., ExchangeRun]:
    return builder(tmp_path)


@pytest.fixture(scope="module")
def shared_exchange_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ExchangeRun]:
    """For a run that several tests of a module look at."""
    return builder(tmp_path_factory.mktemp("shared"))


__all__ = ["crash_market", "exchange", "exchange_run", "journal", "process", "shared_exchange_run"]
