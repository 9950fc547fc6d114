"""The option board on a small market: what is listed when, what the model says, what is missing."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from desk.data import calendars
from desk.data.source import Instrument, Source
from desk.exchange.machine.book import asset_id
from desk.exchange.machine.orders import Quote
from desk.exchange.market.options import listing_dates, surface
from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.options.contract import Contract, contract_of
from desk.exchange.market.prices import Market
from desk.exchange.market.sessions import nyse_sessions
from options import occ

DAYS = calendars.session_dates(date(2019, 3, 1), date(2019, 4, 30))
TODAY = date(2019, 4, 15)


def stock(closes: np.ndarray, days: tuple[date, ...] = DAYS) -> pd.DataFrame:
    columns = {"open": closes, "high": closes + 1, "low": closes - 1, "close": closes, "volume": np.full(len(closes), 5e6)}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(days), dtype=float)


def source() -> Source:
    steady = 100 + np.where(np.arange(len(DAYS)) % 2, 1.0, 0.0)
    daily = {"ABC": stock(steady), "LEAP": stock(np.where(np.arange(len(DAYS)) < 22, 50.0, 100.0)), "BRK.B": stock(steady)}
    return Source("small", "small", daily, {symbol: Instrument(symbol, symbol) for symbol in daily})


@pytest.fixture
def board() -> OptionBoard:
    return OptionBoard(source(), 1)


@pytest.fixture
def market(board: OptionBoard) -> Market:
    made = Market(board.source, nyse_sessions(DAYS), 1, 2.0)
    made.board = board
    return made


def named(symbol: str) -> Contract:
    return contract_of(occ.parse(symbol))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York"))


def test_good_friday_takes_the_expiration_to_thursday() -> None:
    assert listing_dates.expirations(TODAY)[0] == date(2019, 4, 18)
    assert not listing_dates.is_expiration(date(2019, 4, 19))


def test_weeklies_are_listed_for_six_fridays_and_monthlies_for_half_a_year() -> None:
    days = listing_dates.expirations(TODAY)
    assert days[:6] == tuple(date.fromisoformat(f"2019-{d}") for d in ("04-18", "04-26", "05-03", "05-10", "05-17", "05-24"))
    assert days[6:] == tuple(date.fromisoformat(f"2019-{d}") for d in ("06-21", "07-19", "08-16", "09-20"))


def test_half_day_expires_at_one_in_the_afternoon() -> None:
    assert listing_dates.expires_at(date(2019, 11, 29)) == at("2019-11-29T13:00")
    assert listing_dates.expires_at(date(2019, 4, 18)) == at("2019-04-18T16:00")


def test_steps_between_strikes_grow_with_the_price() -> None:
    ladder = listing_dates.strikes_between(5_000, 200_000_000) / 10_000
    assert {8.5, 9.0, 9.5, 10, 11, 99, 100, 102.5, 197.5, 200, 205, 495, 500, 510, 990, 1000, 1025} <= set(ladder)
    assert not {10.5, 101, 202.5, 505, 1010} & set(ladder)


def test_strikes_reach_from_60_to_140_percent_of_the_closes(board: OptionBoard) -> None:
    strikes = [contract.strike for contract in board.contracts("ABC", TODAY)]
    assert (min(strikes), max(strikes)) == (Decimal(60), Decimal(140))


def test_price_that_leaps_gets_new_strikes_and_keeps_the_old_ones(board: OptionBoard) -> None:
    leapt = DAYS[22]
    before = {c.symbol for c in board.contracts("LEAP", leapt)}
    after = {c.symbol for c in board.contracts("LEAP", DAYS[23])}
    assert max(c.strike for c in board.contracts("LEAP", leapt)) == 70
    assert max(c.strike for c in board.contracts("LEAP", DAYS[23])) == 140
    assert before <= after


def test_symbol_that_is_not_listed_is_none(board: OptionBoard) -> None:
    assert board.contract("ABC190418C00100000", TODAY) is not None
    for symbol in (
        "ABC",  # a stock
        "ABC190419C00100000",  # expires on a holiday
        "ABC190418C00100500",  # between two strikes
        "ABC190418C00200000",  # far from every close
        "ABC190412C00100000",  # expired
        "ABC191220C00100000",  # not yet listed
        "XYZ190418C00100000",  # no such stock
        "ABC1190418C00100000",  # an adjusted contract
    ):
        assert board.contract(symbol, TODAY) is None, symbol


def test_stock_whose_symbol_no_option_can_name_has_none(board: OptionBoard) -> None:
    assert board.underlyings() == ("ABC", "LEAP")
    assert board.contracts("BRK.B", TODAY) == ()
    assert board.contracts("XYZ", TODAY) == ()


def test_first_day_of_a_stock_lists_nothing_for_there_is_no_close_to_list_around(board: OptionBoard) -> None:
    assert board.contracts("ABC", DAYS[0]) == ()
    assert board.contracts("ABC", DAYS[1])


def test_contract_is_found_by_its_asset_id(board: OptionBoard) -> None:
    contract = board.contract("ABC190418P00095000", TODAY)
    assert contract is not None
    assert board.contract_by_id(contract.id, TODAY) == OptionBoard(source(), 1).contract_by_id(contract.id, TODAY) == contract
    assert board.contract_by_id(contract.id, date(2019, 4, 22)) is None
    assert board.contract_by_id("98359ef7-5124-49f3-85ea-5cf02df6defa", TODAY) is None
    assert contract.name == "ABC Apr 18 2019 95 Put"
    assert contract.id == asset_id(contract.symbol)


def test_expired_contracts_are_those_that_were_listed(board: OptionBoard) -> None:
    past = board.expired("ABC", TODAY, date(2019, 4, 1))
    assert {contract.expiration for contract in past} == {date(2019, 4, 5), date(2019, 4, 12)}
    assert {c for c in board.contracts("ABC", date(2019, 4, 12)) if c.expiration < TODAY} <= set(past)


def test_option_trades_on_its_last_day_and_no_longer(market: Market) -> None:
    symbol = "ABC190418C00100000"
    last_day, after = market.sessions.at(at("2019-04-18T10:00")), market.sessions.at(at("2019-04-22T10:00"))
    assert last_day is not None and after is not None
    path = market.path(symbol, last_day)
    assert path is not None
    underlying = market.path("ABC", last_day)
    assert underlying is not None
    assert int(path.price[-1]) == max(100, named(symbol).intrinsic(int(underlying.price[-1])))
    assert market.path(symbol, after) is None


def test_far_worthless_contract_has_no_bid_and_costs_a_cent(market: Market) -> None:
    quote = market.quote("ABC190418C00140000", at("2019-04-17T12:00"))
    assert quote == Quote(bid=0, ask=100, last=100)


def test_spread_is_wider_in_the_money_than_at_the_money(market: Market) -> None:
    near, deep = (market.quote(f"ABC190517C{strike:05d}000", at("2019-04-17T12:00")) for strike in (100, 70))
    assert near is not None and deep is not None
    assert deep.ask - deep.bid > near.ask - near.bid > 0


def test_skew_makes_puts_below_dearer_in_volatility_than_calls_above() -> None:
    volatility, spot, years = surface.Volatility(0.2, 0.2), np.array(100.0), np.array(0.1)
    below, at_money, above = (float(surface.smile(volatility, spot, np.array(k), years)) for k in (90.0, 100.0, 110.0))
    assert below > above
    assert at_money == pytest.approx(0.2)


def test_volatility_term_goes_from_the_near_to_the_far_one() -> None:
    short, middle, long = surface.Volatility(0.5, 0.2).at_the_money(np.array([0.001, 0.3, 50.0]))
    assert short == pytest.approx(0.5, abs=0.005)
    assert long == pytest.approx(0.2, abs=0.005)
    assert short > middle > long


def test_volatility_is_the_realised_one_with_a_premium() -> None:
    moves = np.where(np.arange(200) % 2, 0.01, -0.01)
    found = surface.realised(100 * np.exp(np.cumsum(moves)))
    assert found.near == pytest.approx(1.1 * 0.01 * np.sqrt(252), rel=1e-6)
    assert found.far == pytest.approx(found.near, rel=1e-6)


def test_split_is_no_volatility_and_a_short_past_gives_the_fixed_one() -> None:
    moves = np.where(np.arange(60) % 2, 0.01, -0.01)
    moves[30] = np.log(1 / 7)
    assert surface.realised(700 * np.exp(np.cumsum(moves))).far == pytest.approx(1.1 * 0.01 * np.sqrt(252), rel=1e-6)
    assert surface.realised(np.array([100.0, 101.0])).near == surface.UNKNOWN_VOLATILITY


def test_greeks_of_a_quote_explain_its_middle(market: Market, board: OptionBoard) -> None:
    now = at("2019-04-17T12:00")
    contract = named("ABC190517P00100000")
    quote, last = market.quote(contract.symbol, now), market.last("ABC", now)
    assert quote is not None and last is not None
    greeks = board.greeks(contract, now, last, quote)
    assert greeks is not None
    assert -0.7 < greeks.delta < -0.3
    assert greeks.theta < 0 < greeks.gamma
    assert 0.08 < greeks.implied_volatility < 0.6


def test_greeks_are_absent_deep_in_the_money_without_a_bid_and_after_expiry(board: OptionBoard) -> None:
    now, deep, far = at("2019-04-17T12:00"), named("ABC190418C00060000"), named("ABC190418C00140000")
    assert board.greeks(deep, now, 1_000_000, Quote(399_000, 401_000, 400_000)) is None
    assert board.greeks(far, now, 1_000_000, Quote(0, 100, 100)) is None
    at_money = named("ABC190418C00100000")
    assert board.greeks(at_money, now, 1_000_000, Quote(9_000, 9_500, 9_300)) is not None
    assert board.greeks(at_money, at_money.expires_at, 1_000_000, Quote(9_000, 9_500, 9_300)) is None


def test_no_contracts_have_no_greeks(board: OptionBoard) -> None:
    assert board.many_greeks((), at("2019-04-17T12:00"), 1_000_000, ()) == []


def test_open_interest_is_largest_near_the_money_and_stays_within_the_day(board: OptionBoard) -> None:
    near, far = named("ABC190517C00100000"), named("ABC190517C00130000")
    assert board.open_interest(near, TODAY) > board.open_interest(far, TODAY) >= 0
    assert board.open_interest(near, TODAY) == OptionBoard(source(), 1).open_interest(near, TODAY)
    assert board.open_interest(near, DAYS[0]) == 0


def test_another_seed_gives_other_volumes_and_the_same_prices(market: Market) -> None:
    session = market.sessions.at(at("2019-04-17T12:00"))
    assert session is not None
    underlying = market.path("ABC", session)
    assert underlying is not None
    contract = named("ABC190517C00100000")
    one, other = (OptionBoard(source(), seed).path(contract, session, underlying) for seed in (1, 2))
    assert one is not None and other is not None
    assert (one.bid == other.bid).all()
    assert one.bars.volume.sum() != other.bars.volume.sum()


def test_path_after_expiration_is_none_among_others(board: OptionBoard, market: Market) -> None:
    session = market.sessions.at(at("2019-04-22T10:00"))
    assert session is not None
    underlying = market.path("ABC", session)
    assert underlying is not None
    gone, alive = board.paths((named("ABC190418C00100000"), named("ABC190426C00100000")), session, underlying)
    assert gone is None
    assert alive is not None
    assert board.paths((), session, underlying) == []


def test_one_point_prices_the_whole_chain(board: OptionBoard, market: Market) -> None:
    session = market.sessions.at(at("2019-04-17T12:00"))
    assert session is not None
    underlying = market.path("ABC", session)
    assert underlying is not None
    chain = board.contracts("ABC", session.day)
    quotes = board.quotes_at(chain, session, underlying, 100)
    assert len(quotes) == len(chain) > 500
    assert sum(quote.bid > 0 for quote in quotes) > len(chain) / 4


def test_saturday_expiration_of_old_monthlies_ends_with_friday_close() -> None:
    assert listing_dates.expires_at(date(2014, 6, 21)) == at("2014-06-20T16:00")
