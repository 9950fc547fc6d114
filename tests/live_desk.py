"""A desk at Alpaca's door in a process of its own, `python tests/live_desk.py '{"url": ...}'`, and strategies for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any

import pytest
from preloaded import Script

from desk.brokers.endpoint import Endpoint
from desk.cli.errors import told_to_the_person
from desk.domain.decisions import Direction, FixedExit, Mode, Signal, Target, Weight
from desk.domain.errors import Halted
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.alpaca_run import AlpacaRun
from desk.runtime.heartbeat import Rhythm
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.runtime.strategy import DeskStrategy
from desk.settings.load import load_settings

QUICK = Rhythm(beat_seconds=0.5, lease_seconds=6.0, patience_seconds=2.0, looks_seconds=(0.0, 0.3))
SYMBOLS = ("AAPL", "IBM")


class ExchangeClock:
    """The exchange's time, asked for at every look, and `ahead` of it after a jump."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.fromisoformat(self._admin.status()["now"].replace("Z", "+00:00")) + self.ahead


class Buyer(DeskStrategy):
    """Holds every stock."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "always") for symbol in market.bars]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(signal.symbol, Weight(0.1), FixedExit(0.3, 0.3), signal.reason) for signal in signals]


class Crashing(Buyer):
    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        raise RuntimeError("out of its depth")


class Hanging(Buyer):
    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        Event().wait(60)
        return []


class BadCallback(Buyer):
    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        raise RuntimeError("the callback is out of its depth")


class BadSync(Buyer):
    def initialize(self, *arguments: Any, **named: Any) -> None:
        super().initialize(*arguments, **named)

        def broken() -> None:
            raise LookupError("the sync is out of its depth")

        self._executor.sync_broker = broken


class Confused(Buyer):
    """Its desk comes to believe in shares that it never bought."""

    is_confused = False

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        if book.shares() and not self.is_confused:
            self.is_confused = True
            changed = {key: replace(trade, entered=trade.entered + 5) for key, trade in book.open.items()}
            self.corridor.desk._ledger.book = replace(book, open=MappingProxyType(changed))
        return super().signals(market, book)


STRATEGIES = {cls.__name__: cls for cls in (Buyer, Crashing, Hanging, BadCallback, BadSync, Confused)}


def live_run(
    url: str, keys: Sequence[str], folder: Path, strategy: str, *, once: bool = False, rhythm: Rhythm = QUICK, seconds: int = 1
) -> AlpacaRun:
    """A run of a strategy that iterates every so many seconds against the exchange at `url`."""
    config = folder / "quick.yaml"
    symbols = ", ".join(SYMBOLS)
    config.write_text(f"confidence_gate: report\nsleeptime: {seconds}S\nuniverse:\n  alpaca: [{symbols}]\n")
    settings = load_settings(config=config, dotenv=None)
    request = RunRequest("combined", settings, folder.parent, once=once)
    endpoint = Endpoint(keys[0], keys[1], True, url, url, url.replace("http://", "ws://") + "/stream", 10**9)
    clock = ExchangeClock(AdminClient(url, keys[0], keys[1]))
    return AlpacaRun(
        request,
        STRATEGIES[strategy],
        endpoint,
        RunFolder(folder),
        lambda text: print(text, flush=True),
        clock=clock,
        rhythm=rhythm,
    )


@contextmanager
def process(exchange: ExchangeProcess, folder: RunFolder, strategy: str = "Buyer", **more: Any) -> Iterator[Script]:
    """A desk in a process, killed at the end if it lives still; what it says comes on its standard output."""
    given = {"url": exchange.url, "keys": [exchange.api_key, exchange.api_secret], "folder": str(folder.path)}
    words = [Path(__file__), json.dumps({**given, "strategy": strategy, **more})]
    with Script(words, Path.cwd(), is_one_stream=True) as child:
        try:
            yield child
        finally:
            child.kill()


def to_eleven(exchange: ExchangeProcess, day: int, minute: int = 0) -> None:
    moment = datetime(2008, 10, day, 15, minute, tzinfo=UTC)
    while not exchange.admin.advance(moment).reached:
        pass


@pytest.fixture(scope="module")
def crash_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange in October 2008 for the tests of a module; through the conftest."""
    config = ExchangeConfig(source="bundled", start=date(2008, 10, 7), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


@pytest.fixture
def exchange(crash_market: ExchangeProcess) -> ExchangeProcess:
    """As new, at eleven o'clock of a day on which the strategies here buy."""
    crash_market.admin.clear_faults()
    crash_market.admin.reset()
    to_eleven(crash_market, 7)
    return crash_market


def main(given: dict[str, Any]) -> int:
    with told_to_the_person():
        result = live_run(given.pop("url"), given.pop("keys"), Path(given.pop("folder")), **given).run()
        if result.error is not None:
            raise result.error
        if result.mode is Mode.HALTED:
            raise Halted("halted")
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
