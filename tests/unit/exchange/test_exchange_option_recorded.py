"""Recorded chains: what the loader reads, what it refuses, and how the board serves them instead of the model."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from desk.data import calendars
from desk.data.source import Instrument, Source
from desk.domain.errors import ConfigurationError
from desk.exchange.machine.orders import Quote
from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.options.recorded import load_recorded_chains
from desk.exchange.market.prices import Market
from desk.exchange.market.sessions import nyse_sessions

DAYS = calendars.session_dates(date(2019, 4, 1), date(2019, 4, 30))
SYMBOL = "ABC190418C00100000"
HEADER = "quote_at,symbol,bid,ask,iv,delta,open_interest,volume"
ROWS = (
    f"2019-04-15T10:00:00-04:00,{SYMBOL},1.10,1.20,0.25,0.52,500,40",
    f"2019-04-15T10:00:30-04:00,{SYMBOL},1.20,1.30,,,500,10",
    f"2019-04-15T14:00:00-04:00,{SYMBOL},1.50,1.60,0,,500,0",
    f"2019-04-16,{SYMBOL},2.00,2.10,,,600,0",
)


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "quotes.csv") -> Path:
    (folder / "options").mkdir(exist_ok=True)
    (folder / "options" / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


def market_of(folder: Path) -> Market:
    close = np.full(len(DAYS), 101.0)
    columns = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": np.full(len(DAYS), 5e6)}
    daily = {"ABC": pd.DataFrame(columns, index=pd.DatetimeIndex(DAYS), dtype=float)}
    source = Source("small", "small", daily, {"ABC": Instrument("ABC", "ABC")})
    market = Market(source, nyse_sessions(DAYS), 1, 2.0)
    market.board = OptionBoard(source, 1, load_recorded_chains(folder))
    return market


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2019-04-{text}-04:00")


def test_folder_without_options_has_no_chains(tmp_path: Path) -> None:
    assert load_recorded_chains(tmp_path) == {}
    (tmp_path / "options").mkdir()
    assert load_recorded_chains(tmp_path) == {}


def test_symbol_or_its_parts_name_the_same_contract(tmp_path: Path) -> None:
    write(tmp_path, ROWS[0])
    parts = "2019-04-15T11:00:00-04:00,ABC,2019-04-18,C,100.0,1,1.1"
    write(tmp_path, parts, header="quote_at,underlying,expiration,type,strike,bid,ask", name="parts.csv")
    assert list(load_recorded_chains(tmp_path)["ABC"]) == [SYMBOL]
    assert len(load_recorded_chains(tmp_path)["ABC"][SYMBOL].at) == 2


def test_compressed_file_and_padded_symbol_are_read(tmp_path: Path) -> None:
    (tmp_path / "options").mkdir()
    text = f"{HEADER}\n2019-04-16,ABC   190418C00100000,2,2.1,,,,\n"
    (tmp_path / "options" / "q.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert list(load_recorded_chains(tmp_path)["ABC"]) == [SYMBOL]


def test_underlying_beside_the_symbol_names_the_stock_of_another_root(tmp_path: Path) -> None:
    row = "2019-04-16,ABCW190418P00100000,ABC,2,2.1"
    chains = load_recorded_chains(write(tmp_path, row, header="quote_at,symbol,underlying,bid,ask"))
    contract = chains["ABC"]["ABCW190418P00100000"].contract
    assert (contract.underlying, contract.root, contract.type) == ("ABC", "ABCW", "put")


def test_quote_holds_until_the_next_one(tmp_path: Path) -> None:
    market = market_of(write(tmp_path, *ROWS))
    assert market.quote(SYMBOL, at("15T10:05:00")) == Quote(12_000, 13_000, 12_500)
    assert market.quote(SYMBOL, at("15T13:59:00")) == Quote(12_000, 13_000, 12_500)
    assert market.quote(SYMBOL, at("15T14:00:00")) == Quote(15_000, 16_000, 15_500)
    assert market.quote(SYMBOL, at("16T15:59:00")) == Quote(15_000, 16_000, 15_500)


def test_date_alone_is_a_quote_at_the_close(tmp_path: Path) -> None:
    market = market_of(write(tmp_path, *ROWS))
    assert market.quote(SYMBOL, at("16T16:00:00")) == Quote(20_000, 21_000, 20_500)
    assert market.quote(SYMBOL, at("17T09:30:00")) == Quote(20_000, 21_000, 20_500)


def test_time_after_the_close_counts_as_the_close(tmp_path: Path) -> None:
    market = market_of(write(tmp_path, f"2019-04-16T16:15:00-04:00,{SYMBOL},3,3.2,,,,"))
    assert market.quote(SYMBOL, at("16T16:00:00")) == Quote(30_000, 32_000, 31_000)


def test_before_its_first_quote_a_contract_has_no_bid_and_no_ask(tmp_path: Path) -> None:
    market = market_of(write(tmp_path, *ROWS))
    quote = market.quote(SYMBOL, at("15T09:30:00"))
    assert quote == Quote(0, 0, 10_000)  # the stock at 101, the strike at 100


def test_recorded_contract_is_listed_from_its_first_quote_to_its_expiration(tmp_path: Path) -> None:
    board = OptionBoard(market_of(write(tmp_path, *ROWS)).source, 1, load_recorded_chains(tmp_path))
    assert [c.symbol for c in board.contracts("ABC", date(2019, 4, 15))] == [SYMBOL]
    assert board.contract(SYMBOL, date(2019, 4, 18)) is not None
    assert board.contract(SYMBOL, date(2019, 4, 12)) is None
    assert board.contract(SYMBOL, date(2019, 4, 22)) is None
    assert board.contract("ABC190426C00100000", date(2019, 4, 15)) is None  # the model's, which the records replace
    assert [c.symbol for c in board.expired("ABC", date(2019, 4, 22), date(2019, 4, 1))] == [SYMBOL]


def test_recorded_volatility_delta_and_open_interest_are_served(tmp_path: Path) -> None:
    market = market_of(write(tmp_path, *ROWS))
    board = market.board
    assert isinstance(board, OptionBoard)
    contract = board.contract(SYMBOL, date(2019, 4, 15))
    assert contract is not None
    first = board.greeks(contract, at("15T10:00:00"), 1_005_000, Quote(11_000, 12_000, 11_500))
    assert first is not None
    assert (first.implied_volatility, first.delta) == (0.25, 0.52)
    later = board.greeks(contract, at("15T10:05:00"), 1_005_000, Quote(12_000, 13_000, 12_500))
    assert later is not None
    assert 0.05 < later.implied_volatility < 1.0 and later.implied_volatility != 0.25
    assert board.open_interest(contract, date(2019, 4, 15)) == 0
    assert board.open_interest(contract, date(2019, 4, 16)) == 500


def test_bars_are_of_minutes_with_trades(tmp_path: Path) -> None:
    market = market_of(write(tmp_path, *ROWS))
    session = market.sessions.open_or_closing_at(at("15T12:00:00"))
    assert session is not None
    path = market.path(SYMBOL, session)
    assert path is not None
    bars = path.bars
    assert list(bars.start) == [1800]  # nothing traded at 14:00
    assert (list(bars.open), list(bars.close)) == ([11_500], [12_500])
    assert (list(bars.high), list(bars.low), list(bars.volume)) == ([12_500], [11_500], [50])
    day_without = market.sessions.open_or_closing_at(at("17T12:00:00"))
    assert day_without is not None
    quiet = market.path(SYMBOL, day_without)
    assert quiet is not None and len(quiet.bars.start) == 0


def test_records_of_a_stock_without_prices_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "2019-04-16,XYZ190418P00100000,2,2.1,,,,")
    with pytest.raises(ConfigurationError, match="recorded options on XYZ: the data has no prices of XYZ"):
        market_of(tmp_path)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (f"2019-04-15 10:00:00,{SYMBOL},1,1.1,,,,", "quote_at '2019-04-15 10:00:00': write a time with its offset"),
        (f"yesterday,{SYMBOL},1,1.1,,,,", "quote_at 'yesterday'"),
        ("2019-04-15,ABC,1,1.1,,,,", "symbol 'ABC'"),
        (f"2019-04-15,{SYMBOL},one,1.1,,,,", "bid 'one': write dollars"),
        (f"2019-04-15,{SYMBOL},-1,1.1,,,,", "bid '-1'"),
        (f"2019-04-15,{SYMBOL},1,nan,,,,", "ask 'nan'"),
        (f"2019-04-15,{SYMBOL},1.2,1.1,,,,", "bid '1.2': it is above the ask"),
        (f"2019-04-15,{SYMBOL},1,1.1,-0.2,,,", "iv '-0.2': write a number"),
        (f"2019-04-15,{SYMBOL},1,1.1,,x,,", "delta 'x'"),
        (f"2019-04-15,{SYMBOL},1,1.1,,,-3,", "open_interest '-3'"),
        (f"2019-04-15,{SYMBOL},1,1.1,,,,inf", "volume 'inf'"),
    ],
)
def test_bad_row_is_refused_by_file_line_field_and_value(tmp_path: Path, row: str, told: str) -> None:
    write(tmp_path, ROWS[0], row)
    with pytest.raises(ConfigurationError) as refused:
        load_recorded_chains(tmp_path)
    assert str(refused.value).startswith(f"options/quotes.csv:3: {told}")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2019-04-15,ABC,18.4.2019,call,100,1,1.1", "expiration '18.4.2019': write a day as"),
        ("2019-04-15,ABC,2019-04-18,both,100,1,1.1", "type 'both': write call or put"),
        ("2019-04-15,ABC,2019-04-18,call,many,1,1.1", "strike 'many': write dollars"),
        ("2019-04-15,ABC,2019-04-18,call,0,1,1.1", "strike '0': strike 0"),
        ("2019-04-15,BRK.B,2019-04-18,call,100,1,1.1", "underlying 'BRK.B': root"),
    ],
)
def test_bad_part_of_a_contract_is_refused(tmp_path: Path, row: str, told: str) -> None:
    write(tmp_path, row, header="quote_at,underlying,expiration,type,strike,bid,ask")
    with pytest.raises(ConfigurationError) as refused:
        load_recorded_chains(tmp_path)
    assert str(refused.value).startswith(f"options/quotes.csv:2: {told}")


def test_same_time_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ROWS[0], ROWS[0])
    with pytest.raises(ConfigurationError, match=r"quotes\.csv:3: quote_at .* has a quote of that time already"):
        load_recorded_chains(tmp_path)


def test_file_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing column bid, underlying.*It needs\s+quote_at,bid,ask"):
        load_recorded_chains(write(tmp_path, "1,2", header="quote_at,ask"))
    with pytest.raises(ConfigurationError, match="column bid appears twice"):
        load_recorded_chains(write(tmp_path, f"2019-04-15,{SYMBOL},1,1,2", header="quote_at,symbol,bid,bid,ask"))
    with pytest.raises(ConfigurationError, match="no rows"):
        load_recorded_chains(write(tmp_path))
    (tmp_path / "options" / "quotes.csv").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="the file is empty"):
        load_recorded_chains(tmp_path)
    (tmp_path / "options" / "quotes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not readable as CSV"):
        load_recorded_chains(tmp_path)
