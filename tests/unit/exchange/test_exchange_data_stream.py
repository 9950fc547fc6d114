"""Subscriptions and messages of the data stream, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.exchange.conftest import Client

from desk.exchange.api.data_subscription import FEEDS, Code, Subscriptions
from desk.exchange.api.data_ticker import MOST_A_MOVE, Ticker, Told, fake_told
from desk.exchange.market.bars import BarBook

OPEN = datetime(2008, 9, 2, 13, 30, tzinfo=UTC)
BOOK = BarBook(Client().exchange.market)
CHANNELS = ("bars", "dailyBars", "quotes", "trades")
instants = st.integers(-60, 3 * 24 * 60).map(lambda minutes: OPEN + timedelta(minutes=minutes, seconds=7 * (minutes % 9)))


@given(channel=st.sampled_from(CHANNELS), moves=st.lists(instants, min_size=2, max_size=8))
def test_many_small_moves_tell_what_one_large_move_tells(channel: str, moves: list[datetime]) -> None:
    moves = sorted(moves)
    ticker = Ticker(BOOK)
    pieces = [told for before, after in pairwise(moves) for told in ticker.told(channel, "ABC", before, after)]
    whole = ticker.told(channel, "ABC", moves[0], moves[-1])
    assert pieces[-MOST_A_MOVE:] == whole
    assert all(moves[0] < at_of(told) <= moves[-1] for told in whole)
    assert [told.at for told in whole] == sorted(told.at for told in whole)


def at_of(told: Told) -> datetime:
    return datetime.fromtimestamp(told.at // 1_000_000_000, UTC)


@pytest.mark.parametrize("channel", [*CHANNELS, "statuses", "lulds", "corrections"])
def test_a_move_over_years_tells_the_newest_only(channel: str) -> None:
    told = Ticker(BOOK).told(channel, "ABC", OPEN - timedelta(days=900), OPEN + timedelta(days=900))
    assert len(told) == (MOST_A_MOVE if channel in CHANNELS else 0)
    assert not told or at_of(told[-1]) == datetime(2008, 9, 8, 20, 0, tzinfo=UTC)
    assert len(fake_told(channel, OPEN - timedelta(days=900), OPEN)) <= MOST_A_MOVE


@given(st.integers(0, 10_000), st.integers(0, 100))
def test_the_test_stream_is_the_same_in_pieces(first: int, length: int) -> None:
    start, middle = OPEN + timedelta(minutes=first), OPEN + timedelta(minutes=first + length // 2)
    end = OPEN + timedelta(minutes=first + length)
    for channel in ("quotes", "trades", "bars"):
        pieces = fake_told(channel, start, middle) + fake_told(channel, middle, end)
        assert pieces[-MOST_A_MOVE:] == fake_told(channel, start, end)


def subscriptions(path: str = "/v2/iex", has_sip: bool = False) -> Subscriptions:
    return Subscriptions(FEEDS[path], has_sip)


def test_subscriptions_add_up_and_refusals_change_nothing() -> None:
    mine = subscriptions()
    assert mine.change({"action": "subscribe", "trades": ["A"], "bars": ["*"]}, adds=True) is None
    assert mine.change({"action": "subscribe", "trades": ["B"], "quotes": ["b"]}, adds=True) is Code.INVALID_SYNTAX
    assert (
        mine.change({"action": "subscribe", "trades": ["B"], "quotes": [f"S{n}" for n in range(29)]}, adds=True)
        is Code.SYMBOL_LIMIT
    )
    assert mine.change({"action": "subscribe", "imbalances": ["A"]}, adds=True) is None
    assert (mine.symbols("trades"), mine.symbols("quotes"), mine.wants("bars", "X")) == ({"A"}, set(), True)
    assert mine.wants("corrections", "A") and not mine.wants("corrections", "B")
    assert mine.acknowledgement()["imbalances"] == ["A"]


@pytest.mark.parametrize(("has_sip", "limit"), [(False, 200), (True, 1000)])
def test_option_quotes_are_limited_by_the_subscription(has_sip: bool, limit: int) -> None:
    mine = subscriptions("/v1beta1/indicative", has_sip)
    names = [f"ABC080920C{strike:08d}" for strike in range(limit + 1)]
    assert mine.change({"action": "subscribe", "quotes": names[:limit]}, adds=True) is None
    assert mine.change({"action": "subscribe", "quotes": names[limit:]}, adds=True) is Code.SYMBOL_LIMIT
    assert mine.change({"action": "subscribe", "trades": names}, adds=True) is None


def test_symbols_of_the_source_may_look_like_none() -> None:
    odd = Subscriptions(FEEDS["/v2/iex"], False, is_symbol=lambda symbol: symbol == "^GSPC")
    assert odd.change({"bars": ["^GSPC"]}, adds=True) is None
    assert odd.change({"bars": ["^OTHER"]}, adds=True) is Code.INVALID_SYNTAX
