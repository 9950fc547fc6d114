"""What the option market remembers has a bound, and never mixes days, splits or seeds."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from desk.data import calendars
from desk.data.calendars import Session
from desk.data.source import Instrument, Source
from desk.exchange.market.corporate import CorporateActions, Split
from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.options.kept import Kept
from desk.exchange.market.options.volume import one_row, so_far
from desk.exchange.market.prices import Market, Splits
from desk.exchange.market.session_path import SessionPath
from desk.exchange.market.sessions import nyse_sessions, session_seconds
from options import occ

DAYS = calendars.session_dates(date(2019, 3, 1), date(2019, 4, 30))
TODAY = date(2019, 4, 15)


def source() -> Source:
    close = 100 + np.where(np.arange(len(DAYS)) % 2, 1.0, 0.0)
    columns = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": np.full(len(DAYS), 5e6)}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(DAYS), dtype=float)
    # Bars of five minutes with a gap, so that a bar has points within it.
    opened = calendars.session_on(TODAY)
    assert opened is not None
    index = pd.date_range(opened.opens_at, periods=78, freq="5min").delete([3, 4, 40])
    walk = 100 + np.random.default_rng(1).normal(0, 0.2, len(index)).cumsum().clip(-1, 1)
    minutes = {"open": walk, "high": walk + 0.3, "low": walk - 0.3, "close": walk + 0.1, "volume": np.full(len(index), 6e4)}
    intraday = {"MIN": pd.DataFrame(minutes, index=index).round(2)}
    daily = {"ABC": frame, "MIN": frame}
    return Source("small", "small", daily, {symbol: Instrument(symbol, symbol) for symbol in daily}, intraday)


def market_of(seed: int) -> tuple[OptionBoard, Market, Session]:
    board = OptionBoard(source(), seed)
    market = Market(board.source, nyse_sessions(DAYS), seed, 2.0)
    market.board = board
    session = calendars.session_on(TODAY)
    assert session is not None
    return board, market, session


def path_of(market: Market, symbol: str, session: Session) -> SessionPath:
    path = market.path(symbol, session)
    assert path is not None
    return path


def test_only_what_was_asked_for_last_is_kept() -> None:
    made: list[int] = []
    kept: Kept[int, int] = Kept(2)

    def get(key: int) -> int:
        def make() -> int:
            made.append(key)
            return -key

        return kept.get(key, make)

    assert [get(key) for key in (1, 2, 1, 3, 1, 2)] == [-1, -2, -1, -3, -1, -2]
    assert made == [1, 2, 3, 2]
    assert (len(kept), sorted(kept)) == (2, [-2, -1])


@pytest.mark.parametrize("symbol", ["ABC", "MIN"])
@pytest.mark.parametrize("elapsed", [0.0, 59.0, 60.0, 3_600.0, 10_001.0, 23_400.0])
def test_a_chain_tells_of_its_trades_what_each_contracts_own_path_tells(symbol: str, elapsed: float) -> None:
    board, market, session = market_of(1)
    underlying = path_of(market, symbol, session)
    contracts = board.contracts(symbol, TODAY)[::9]
    expected = {}
    for contract in contracts:
        path = board.path(contract, session, underlying)
        assert path is not None
        (done,) = so_far(one_row(path.bars), elapsed)
        if done is not None:
            expected[contract.symbol] = done
            last = path.price[: path.index(elapsed) + 1]
            assert last.min() <= done.day.low <= done.day.high <= last.max()
    assert board.so_far(contracts, session, underlying, elapsed) == expected
    assert board.so_far(contracts, session, underlying, elapsed) == expected
    assert expected or elapsed <= 300


def test_a_finished_session_is_told_of_contracts_that_nobody_asked_for_before() -> None:
    board, market, session = market_of(1)
    underlying, whole = path_of(market, "ABC", session), float(session_seconds(session))
    contracts = board.contracts("ABC", TODAY)
    some = board.so_far(contracts[:50], session, underlying, whole)
    every = board.so_far(contracts, session, underlying, whole)
    assert some == {symbol: each for symbol, each in every.items() if symbol in {c.symbol for c in contracts[:50]}}
    assert every == OptionBoard(source(), 1).so_far(contracts, session, underlying, whole)
    assert every != OptionBoard(source(), 2).so_far(contracts, session, underlying, whole)


def test_a_finished_session_of_another_path_is_told_anew() -> None:
    board, market, session = market_of(1)
    _, other, _ = market_of(2)
    contracts, whole = board.contracts("ABC", TODAY), float(session_seconds(session))
    first = board.so_far(contracts, session, path_of(market, "ABC", session), whole)
    assert board.so_far(contracts, session, path_of(other, "ABC", session), whole) != first
    assert board.so_far(contracts, session, path_of(market, "ABC", session), whole) == first


def test_splits_that_become_known_change_what_was_kept() -> None:
    board, market, session = market_of(1)
    underlying, whole = path_of(market, "ABC", session), float(session_seconds(session))
    before = board.contracts("ABC", TODAY)
    done = board.so_far(before, session, underlying, whole)
    board.splits = Splits(CorporateActions((Split("ABC", date(2019, 4, 8), Decimal(5), Decimal(4)),)))
    after = board.contracts("ABC", TODAY)
    assert {contract.strike for contract in after} != {contract.strike for contract in before}
    assert board.so_far(before, session, underlying, whole) != done
    board.splits = Splits()
    assert board.contracts("ABC", TODAY) == before
    assert board.so_far(before, session, underlying, whole) == done


def test_some_contracts_are_those_of_all_that_fit() -> None:
    board, _, _ = market_of(1)
    every = board.contracts("ABC", TODAY)
    day = date(2019, 5, 17)
    puts = board.some_contracts("ABC", TODAY, "put", lambda expiration: expiration <= day)
    assert puts == [each for each in every if each.type == "put" and each.expiration <= day]
    assert board.some_contracts("XYZ", TODAY, None, lambda _: True) == []


def test_contracts_of_today_that_were_not_there_the_week_before_are_told() -> None:
    board, _, _ = market_of(1)
    contracts = board.contracts("ABC", TODAY)
    for day in (date(2019, 4, 5), date(2019, 4, 12), TODAY, date(2019, 4, 22), date(2019, 6, 3)):
        assert board.listed(contracts, day) == [each for each in contracts if board.contract(each.symbol, day) is not None]
    assert board.listed((), TODAY) == []


def test_symbols_of_a_chain_say_what_its_contracts_are() -> None:
    board, _, _ = market_of(1)
    for contract in board.contracts("ABC", TODAY):
        said = occ.parse(contract.symbol)
        assert (said.root, said.expiration, said.type, said.strike) == (
            contract.underlying,
            contract.expiration,
            contract.type,
            contract.strike,
        )
        assert isinstance(contract.expires_at, datetime)
