"""Strategies on hours and on minutes in one account, through the whole live path."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.brokers.endpoint import Endpoint
from desk.domain.decisions import Direction
from desk.domain.orders import OrderEvent, Side
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.reader import JournalReader
from desk.runtime.alpaca_run import AlpacaRun
from desk.runtime.corridor import Iteration
from desk.runtime.ledger import Ledger
from desk.runtime.portfolio import portfolio_of
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunIdentity, create
from desk.settings.load import load_settings
from strategies.combined import Combined
from strategies.ema_cross import EmaCross
from strategies.vwap import Vwap

pytestmark = pytest.mark.slow


def test_the_ema_cross_and_the_vwap_trade_in_one_account_and_every_cent_is_somebodys(exchange_run: Any) -> None:
    seen: list[Iteration] = []
    run = exchange_run(portfolio_of({"ema_cross": EmaCross, "vwap": Vwap}), sessions=1, start=date(2008, 9, 9))
    run.on_iteration = seen.append
    result = run.run()
    assert result.error is None
    assert result.record.iterations == len(seen) == 390
    assert (result.counts.orders_rejected, result.counts.reconciliation_breaks) == (0, 0)
    for iteration in seen:
        market = iteration.market
        for seconds, shown in ((60, market.intraday), *market.longer.items()):
            assert all(bars.seconds == seconds for bars in shown.values())
            assert all(int(bars.starts[-1]) + seconds <= market.now.timestamp() for bars in shown.values())
        assert set(market.longer) == {3600} and market.longer[3600]
    said = {(signal.symbol, signal.direction) for each in seen for signal in each.signals if "EMA" in signal.reason}
    assert ("IBM", Direction.LONG) in said
    assert any("VWAP" in signal.reason for each in seen for signal in each.signals)
    assert result.record.trips and all(trip.is_protected for trip in result.record.trips)
    assert_every_cent_is_somebodys(run.folder.journal)


class ExchangeClock:
    """The exchange's time, asked for at every look."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self._exchange = exchange

    def now(self) -> datetime:
        return datetime.fromisoformat(self._exchange.admin.status()["now"].replace("Z", "+00:00"))


def test_at_alpaca_each_is_shown_bars_of_its_own_length(tmp_path: Path) -> None:
    log = tmp_path / "exchange.log"
    with ExchangeProcess(ExchangeConfig(source="bundled", start=date(2008, 10, 7)), log) as exchange:
        while not exchange.admin.advance(datetime(2008, 10, 7, 15, tzinfo=UTC)).reached:
            pass
        config = tmp_path / "mine.yaml"
        config.write_text("confidence_gate: report\nuniverse:\n  alpaca: [AAPL, MSFT, IBM, GOOG]\n", encoding="utf-8")
        settings = load_settings(config=config, environ={}, dotenv=None)
        names = ("combined", "ema_cross", "vwap")
        folder = create(tmp_path / "runs", "several", RunIdentity(",".join(names), "alpaca", "alpaca", None, None, None))
        request = RunRequest(",".join(names), settings, folder.path.parent, once=True)
        endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url)
        seen: list[Iteration] = []
        several = portfolio_of({"combined": Combined, "ema_cross": EmaCross, "vwap": Vwap})
        run = AlpacaRun(request, several, endpoint, folder, lambda text: None, clock=ExchangeClock(exchange))
        run.on_iteration = seen.append
        result = run.run()
    assert result.error is None
    (iteration,) = seen
    market = iteration.market
    assert {bars.seconds for bars in market.intraday.values()} == {60}
    assert {seconds: {bars.seconds for bars in shown.values()} for seconds, shown in market.longer.items()} == {3600: {3600}}
    assert result.book.open and all(trade.is_protected for trade in result.book.open.values())


def assert_every_cent_is_somebodys(journal: Path) -> None:
    ledger = Ledger("")
    with JournalReader(journal) as reader:
        rows = tuple(stored.row() for stored in reader.rows())
    ledger.recover(rows)
    fills = [row.value.fill for row in rows if isinstance(row.value, OrderEvent) and row.value.fill is not None]
    cash: dict[str, Decimal] = {}
    for fill in fills:
        signed = fill.price * fill.quantity * (-1 if fill.side is Side.BUY else 1)
        cash[fill.symbol] = cash.get(fill.symbol, Decimal(0)) + signed
    stakes = ledger.allocations.stakes
    assert {name for held in stakes.values() for name in held} == {"ema_cross", "vwap"}
    for symbol, moved in cash.items():
        assert sum((stake.realised_usd - stake.cost_usd for stake in stakes[symbol].values()), Decimal(0)) == moved
        assert sum(stake.shares for stake in stakes[symbol].values()) == ledger.book.shares_of(symbol)
