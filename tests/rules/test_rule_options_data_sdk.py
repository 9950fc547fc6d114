"""Unmodified alpaca-py against the exchange as a child process: every option method of its trading and data clients."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import OptionsFeed
from alpaca.data.historical.option import OptionHistoricalDataClient
from alpaca.data.requests import (
    OptionBarsRequest,
    OptionChainRequest,
    OptionLatestQuoteRequest,
    OptionLatestTradeRequest,
    OptionSnapshotRequest,
    OptionTradesRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetStatus, ContractType, OrderSide, TimeInForce
from alpaca.trading.requests import GetOptionContractsRequest, MarketOrderRequest

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
rule = pytest.mark.rule
NOW = datetime(2010, 6, 15, 15, 0, tzinfo=UTC)
FRIDAY = date(2010, 6, 18)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    log: Path = tmp_path_factory.mktemp("exchange") / "exchange.log"
    config = ExchangeConfig("bundled", date(2010, 6, 15), partial_fill_probability=0.0, access_log=log.with_name("access.log"))
    with ExchangeProcess(config, log) as process:
        process.admin.advance(NOW)
        yield process


@pytest.fixture(scope="module")
def trading(exchange: ExchangeProcess) -> TradingClient:
    return TradingClient(exchange.api_key, exchange.api_secret, paper=True, url_override=exchange.url)


@pytest.fixture(scope="module")
def data(exchange: ExchangeProcess) -> OptionHistoricalDataClient:
    return OptionHistoricalDataClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)


@pytest.fixture(scope="module")
def near(trading: TradingClient) -> str:
    """The weekly AAPL call that is nearest to the money."""
    position = GetOptionContractsRequest(underlying_symbols=["AAPL"], type=ContractType.CALL, expiration_date=FRIDAY)
    contracts = trading.get_option_contracts(position).option_contracts
    assert contracts
    priced = [contract for contract in contracts if contract.close_price is not None]
    return min(priced, key=lambda contract: abs(float(str(contract.close_price)) - 1.0)).symbol


@rule("OPT-140", "alpaca-py lists contracts page by page and finds one by symbol and id.", source="SDK", status="documented")
def test_alpaca_py_lists_contracts(trading: TradingClient) -> None:
    asked = GetOptionContractsRequest(
        underlying_symbols=["AAPL", "MSFT"], status=AssetStatus.ACTIVE, expiration_date_lte="2010-12-31", limit=500
    )
    first = trading.get_option_contracts(asked)
    assert len(first.option_contracts or ()) == 500
    second = trading.get_option_contracts(asked.model_copy(update={"page_token": first.next_page_token}))
    assert not {c.symbol for c in first.option_contracts or ()} & {c.symbol for c in second.option_contracts or ()}
    contract = (first.option_contracts or [])[0]
    assert trading.get_option_contract(contract.symbol) == trading.get_option_contract(contract.id) == contract
    with pytest.raises(APIError, match="option contract AAPL100619C00250000 not found"):
        trading.get_option_contract("AAPL100619C00250000")


@rule("OPT-141", "alpaca-py reads a whole chain, greeks and all.", source="SDK", status="documented")
def test_alpaca_py_reads_a_chain(data: OptionHistoricalDataClient, near: str) -> None:
    chain = data.get_option_chain(OptionChainRequest(underlying_symbol="AAPL"))
    assert len(chain) > 300
    shot = chain[near]
    assert shot.greeks is not None and shot.latest_quote is not None and shot.latest_trade is not None
    assert 0 < shot.greeks.delta < 1 and shot.implied_volatility
    assert shot.latest_quote.timestamp == NOW
    assert shot.latest_trade.timestamp <= NOW - timedelta(minutes=15)
    assert any(other.greeks is None for other in chain.values())
    weekly = OptionChainRequest(underlying_symbol="AAPL", type=ContractType.PUT, expiration_date=FRIDAY, strike_price_gte=35)
    assert {symbol[4:11] for symbol in data.get_option_chain(weekly)} == {"100618P"}


@rule("OPT-142", "alpaca-py reads snapshots, latest quotes and latest trades.", source="SDK", status="documented")
def test_alpaca_py_reads_what_is_latest(data: OptionHistoricalDataClient, near: str) -> None:
    shot = data.get_option_snapshot(OptionSnapshotRequest(symbol_or_symbols=near))[near]
    assert data.get_option_latest_quote(OptionLatestQuoteRequest(symbol_or_symbols=near))[near] == shot.latest_quote
    assert data.get_option_latest_trade(OptionLatestTradeRequest(symbol_or_symbols=[near]))[near] == shot.latest_trade
    with pytest.raises(APIError, match="OPRA agreement is not signed"):
        data.get_option_latest_quote(OptionLatestQuoteRequest(symbol_or_symbols=near, feed=OptionsFeed.OPRA))


@rule("OPT-143", "alpaca-py reads bars, trades and exchange codes of options.", source="SDK", status="documented")
def test_alpaca_py_reads_history(data: OptionHistoricalDataClient, near: str) -> None:
    span = {"symbol_or_symbols": near, "start": datetime(2010, 6, 14, tzinfo=UTC), "end": datetime(2010, 6, 15, tzinfo=UTC)}
    bars = data.get_option_bars(OptionBarsRequest(timeframe=TimeFrame.Minute, **span))
    assert len(bars[near]) > 100
    trades = data.get_option_trades(OptionTradesRequest(**span))
    assert sum(trade.size for trade in trades[near]) == sum(bar.volume for bar in bars[near])
    assert data.get_option_exchange_codes()["C"] == "Cboe Options Exchange"


@rule("OPT-144", "alpaca-py buys a contract and exercises it.", source="SDK", status="documented")
def test_alpaca_py_exercises(exchange: ExchangeProcess, trading: TradingClient, near: str) -> None:
    order = MarketOrderRequest(symbol=near, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    trading.submit_order(order)
    exchange.admin.advance(NOW + timedelta(minutes=1))
    trading.exercise_options_position(near)
    assert {position.symbol: position.qty for position in trading.get_all_positions()} == {"AAPL": "100"}
    with pytest.raises(APIError, match="no available position"):
        trading.exercise_options_position(near)
