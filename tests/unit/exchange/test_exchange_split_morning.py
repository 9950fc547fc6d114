"""The morning of a split, from 04:00 to the open: old closes are worth what the new shares are, and options stay listed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.data import calendars
from desk.data.source import Instrument, Source
from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.corporate import split_options
from desk.exchange.machine.orders import UNIT_USD, Quote
from desk.exchange.market.bars import BarBook
from desk.exchange.market.corporate import CorporateActions, Split
from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.prices import Market, Splits, split_quote
from desk.exchange.market.sessions import nyse_sessions
from options import occ

D = Decimal
DAYS = calendars.session_dates(date(2019, 3, 1), date(2019, 4, 30))
EX = date(2019, 4, 10)
EVE = date(2019, 4, 9)
EXPIRY = "190517"


def stock(before: float, ratio: float, last_day: date = DAYS[-1]) -> pd.DataFrame:
    """A price that goes up and down by a hundredth, and is divided by `ratio` from the ex-date on."""
    steady = before * (1 + np.where(np.arange(len(DAYS)) % 2, 0.01, 0.0))
    close = np.round(np.where(np.array(DAYS) >= EX, steady / ratio, steady), 2)
    columns = {"open": close, "high": close, "low": close, "close": close, "volume": np.full(len(DAYS), 5e6)}
    whole = pd.DataFrame(columns, index=pd.DatetimeIndex(DAYS), dtype=float)
    return whole[whole.index <= pd.Timestamp(last_day)]


def market_of(frame: pd.DataFrame, new: int, old: int = 1, ex_date: date = EX) -> Market:
    source = Source("small", "small", {"ABC": frame}, {"ABC": Instrument("ABC", "ABC")})
    market = Market(source, nyse_sessions(DAYS), 1, 2.0)
    board = OptionBoard(source, 1)
    market.board = board
    market.splits = board.splits = Splits(CorporateActions((Split("ABC", ex_date, D(new), D(old)),)))
    return market


def board_of(market: Market) -> OptionBoard:
    assert isinstance(market.board, OptionBoard)
    return market.board


@pytest.fixture
def market() -> Market:
    return market_of(stock(100.0, 2), 2)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York"))


BEFORE, MORNING, NOON = at("2019-04-10T03:59:59"), at("2019-04-10T04:00"), at("2019-04-10T12:00")


def last(market: Market, symbol: str, now: datetime) -> int:
    found = market.last(symbol, now)
    assert found is not None
    return found


# stocks


def test_until_four_in_the_morning_a_close_is_what_it_was_and_from_then_on_what_the_split_made_of_it(market: Market) -> None:
    old = market.daily("ABC").on(EVE)
    assert old is not None
    assert [last(market, "ABC", now) for now in (at("2019-04-09T20:00"), BEFORE)] == [old.close] * 2
    assert [last(market, "ABC", now) for now in (MORNING, at("2019-04-10T09:29:59"))] == [old.close // 2] * 2
    assert market.previous_close("ABC", BEFORE) == old.close
    assert market.previous_close("ABC", NOON) == old.close // 2
    assert market.last_close("ABC", at("2019-04-11T08:00")) == last(market, "ABC", at("2019-04-10T16:00"))


def test_quote_of_the_morning_is_around_the_new_price(market: Market) -> None:
    quote = market.quote("ABC", MORNING)
    assert quote is not None
    assert quote.bid <= quote.last == last(market, "ABC", MORNING) <= quote.ask
    assert quote.ask - quote.bid == 100


def test_price_between_two_ticks_keeps_its_worth_and_is_quoted_on_ticks() -> None:
    market = market_of(stock(100.02, 3), 3)
    quote = market.quote("ABC", MORNING)
    assert quote is not None
    assert quote.last == round(last(market, "ABC", BEFORE) / 3) and quote.last % 100
    assert quote.bid % 100 == quote.ask % 100 == 0 and quote.bid <= quote.last <= quote.ask


def test_reverse_split_raises_the_last_price() -> None:
    market = market_of(stock(3.0, 0.1), 1, 10)
    assert last(market, "ABC", MORNING) == 10 * last(market, "ABC", BEFORE)


def test_stock_that_no_longer_trades_is_split_all_the_same() -> None:
    market = market_of(stock(100.0, 2, last_day=EVE), 2)
    assert last(market, "ABC", NOON) == last(market, "ABC", at("2019-04-25T12:00")) == last(market, "ABC", BEFORE) // 2


def test_ex_date_without_a_session_counts_from_the_next_one_on() -> None:
    market = market_of(stock(100.0, 1), 2, ex_date=date(2019, 4, 13))
    assert last(market, "ABC", at("2019-04-15T03:00")) == 2 * last(market, "ABC", at("2019-04-15T04:00"))


def test_bars_keep_the_history_that_was(market: Market) -> None:
    bars = BarBook(market).daily("ABC", at("2019-04-09T00:00"), MORNING, MORNING)
    assert bars.close.tolist() == [last(market, "ABC", BEFORE)]


def test_day_after_the_split_owes_it_nothing(market: Market) -> None:
    close = market.daily("ABC").on(EX)
    assert close is not None
    assert market.previous_close("ABC", at("2019-04-11T12:00")) == close.close


# options


def call(strike: str) -> str:
    return occ.format("ABC", date(2019, 5, 17), "call", D(strike))


@pytest.mark.parametrize("strike", ["80", "100", "105", "120"])
def test_option_is_worth_in_the_morning_what_it_was_worth_before(market: Market, strike: str) -> None:
    before = last(market, call(strike), BEFORE)
    assert last(market, call(str(D(strike) / 2)), MORNING) * 2 == before
    assert market.previous_close(call(str(D(strike) / 2)), NOON) == before // 2


def test_every_strike_that_was_listed_is_listed_at_its_half(market: Market) -> None:
    board = board_of(market)
    before, after = ({c.strike for c in board.contracts("ABC", day)} for day in (EVE, EX))
    assert {strike / 2 for strike in before} <= after
    odd = board.contract(call("42.5"), EX)
    assert odd is not None and odd.strike == D("42.5")
    assert board.contract(call("42.5"), EVE) is None


def test_strikes_reach_around_prices_on_the_new_terms(market: Market) -> None:
    strikes = [c.strike for c in board_of(market).contracts("ABC", EX)]
    assert (min(strikes), max(strikes)) == (D(30), D("70"))


def test_contracts_of_a_month_listed_after_the_split_have_strikes_of_the_ladder_alone(market: Market) -> None:
    later = [c.strike for c in board_of(market).contracts("ABC", date(2019, 4, 30)) if c.expiration == date(2019, 6, 7)]
    assert later and all(strike % 1 == 0 for strike in later)


def test_two_splits_in_a_row_rewrite_what_the_first_one_made(market: Market) -> None:
    board = board_of(market)
    second = Split("ABC", date(2019, 4, 17), D(4), D(1))
    board.splits = Splits(CorporateActions((Split("ABC", EX, D(2), D(1)), second)))
    assert board.contract(call("10.625"), date(2019, 4, 17)) is not None


def test_volatility_does_not_see_a_split(market: Market) -> None:
    plain = OptionBoard(Source("plain", "plain", {"ABC": stock(100.0, 1)}, {}), 1)
    for day in (EX, date(2019, 4, 11), DAYS[-1]):
        assert board_of(market).volatility("ABC", day).near == pytest.approx(plain.volatility("ABC", day).near, rel=0.02)


def test_split_too_small_to_be_told_from_a_move_is_no_volatility_either() -> None:
    market = market_of(stock(100.0, 1.25), 5, 4)
    assert board_of(market).volatility("ABC", DAYS[-1]).near < 0.25


def test_held_options_are_put_on_new_terms_and_not_paid_out(market: Market) -> None:
    board, book = board_of(market), Book(seed=1, cash_usd=D(1000))
    book.hold(call("85"), Holding(D(3), D(900)))
    book.hold(call("105"), Holding(D(-3), D(-600)))
    split = Split("ABC", EX, D(2), D(1))

    def price(symbol: str) -> Decimal:
        return last(market, symbol, BEFORE) * UNIT_USD

    postings = split_options(book, split, price, MORNING, lambda symbol: board.contract(symbol, EX) is not None)
    assert {symbol: held.quantity for symbol, held in book.holdings.items()} == {call("42.5"): D(6), call("52.5"): D(-6)}
    assert sum(posting.net_amount for posting in postings) == 0


@given(new=st.integers(1, 20), old=st.integers(1, 20), bid=st.integers(0, 5000), wide=st.integers(1, 500))
def test_split_quotes_stay_on_cents_and_in_order(new: int, old: int, bid: int, wide: int) -> None:
    ratio = Splits(CorporateActions((Split("ABC", EX, D(new), D(old)),))).ratio("ABC", EVE, EX)
    quote = split_quote(Quote(bid * 100, (bid + wide) * 100, bid * 100 + 50), ratio)
    assert quote.bid % 100 == quote.ask % 100 == 0
    assert quote.bid <= quote.last <= quote.ask and quote.bid < quote.ask


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(1, 9)), max_size=4, unique_by=lambda row: row[0]))
def test_ratio_of_a_span_is_the_product_of_the_ratios_of_its_parts(rows: list[tuple[int, int, int]]) -> None:
    days = [EVE + timedelta(days=place) for place in range(32)]
    splits = Splits(CorporateActions(tuple(Split("ABC", days[row], D(new), D(old)) for row, new, old in sorted(rows))))
    whole = splits.ratio("ABC", days[0], days[-1])
    assert splits.ratio("ABC", days[0], days[15]) * splits.ratio("ABC", days[15], days[-1]) == whole
    assert splits.ratio("XYZ", days[0], days[-1]) == 1
