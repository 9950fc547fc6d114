from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.domain.market import DailyBars, Market, Quote
from desk.indicators.rsi import RsiState, wilder_rsi
from desk.model.features import FEATURES, LOOKBACK, RSI, market_state, own_features
from desk.model.rows import LiveRows

FIRST = date(2020, 1, 1)
RSI_LENGTH = 14
seeds = st.integers(0, 2**32 - 10)
# Around every length at which a feature or the RSI begins, and beyond the longest window.
lengths = st.one_of(st.integers(1, 25), st.integers(45, 65), st.integers(LOOKBACK - 3, LOOKBACK + 60))


def walk(seed, n, ends_before):
    """`n` sessions up to the day before; some prices stand still, so that RSI is undefined for a while."""
    generator = np.random.default_rng(seed)
    moves = generator.normal(0, 0.03, n) * (np.arange(n) >= generator.integers(0, 20))
    close = 100 * np.exp(np.cumsum(moves))
    sessions = tuple(ends_before - timedelta(days=n - day) for day in range(n))
    return DailyBars(sessions, close, close, close, close, generator.integers(0, 10**7, n).astype(float))


@st.composite
def markets(draw):
    """Symbols of different ages, some behind by days, each with a quote or without."""
    session = FIRST + timedelta(days=400)
    bars, quotes = {}, {}
    now = datetime.combine(session, time(15), UTC)
    is_live = draw(st.booleans())
    for number in range(draw(st.integers(1, 7))):
        one = walk(draw(seeds), draw(lengths), session - timedelta(days=draw(st.sampled_from([0, 0, 0, 1, 4]))))
        bars[f"S{number}"] = one
        if is_live and draw(st.booleans()):
            last = float(one.close[-1]) * draw(st.sampled_from([1.0, 0.7, 0.98, 1.2]))
            quotes[f"S{number}"] = Quote(now, last, last, last)
    return Market(now, session, bars, quotes)


def own_now(bars, last=None):
    """Own features of one symbol by `own_features`, its whole past computed anew; `last` is a provisional close."""
    rsi = wilder_rsi(bars.close, RSI_LENGTH)
    if last is None:
        return own_features(bars.close, bars.volume, rsi)[-1]
    now = RsiState.from_closes(bars.close, RSI_LENGTH).with_last(last)
    return own_features(np.append(bars.close, last), np.append(bars.volume, bars.volume[-1]), np.append(rsi, now))[-1]


def one_by_one(market):
    """The rows of the present, symbol by symbol."""
    if market.quotes:
        own = {symbol: own_now(market.bars[symbol], quote.last) for symbol, quote in sorted(market.quotes.items())}
    else:
        latest = max(one.sessions[-1] for one in market.bars.values())
        own = {symbol: own_now(one) for symbol, one in sorted(market.bars.items()) if one.sessions[-1] == latest}
    state = market_state(np.stack(list(own.values())))
    return {symbol: np.concatenate([row, state]) for symbol, row in own.items()}


def assert_rows(rows, market):
    expected = one_by_one(market)
    for symbol in [*market.bars, "NONE"]:
        row = rows.row(symbol, market, market.bars)
        assert (row is None) == (symbol not in expected)
        if row is not None:
            assert row.shape == (len(FEATURES),)
            np.testing.assert_allclose(row, expected[symbol], rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(markets())
def test_rows_of_all_symbols_at_once_equal_those_computed_one_by_one(market):
    assert_rows(LiveRows(RSI_LENGTH), market)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.8, 1.2))
def test_the_rsi_of_every_age_is_that_of_its_state_bit_for_bit(seed, factor):
    session, moved = FIRST + timedelta(days=400), np.random.default_rng(seed).lognormal(4, 0.03, 40)
    now = datetime.combine(session, time(15), UTC)
    bars, quotes = {}, {}
    for age in range(1, 41):
        sessions = tuple(session - timedelta(days=age - day) for day in range(age))
        for name, close in ((f"MOVED{age}", moved[:age]), (f"STILL{age}", np.full(age, 50.0))):
            bars[name] = DailyBars(sessions, close, close, close, close, np.ones(age))
            quotes[name] = Quote(now, 50.0, 50.0, 50.0 * (factor if name.startswith("MOVED") else 1.0))
    market, rows = Market(now, session, bars, quotes), LiveRows(RSI_LENGTH)
    for name, one in bars.items():
        expected = RsiState.from_closes(one.close, RSI_LENGTH).with_last(quotes[name].last)
        np.testing.assert_array_equal(rows.row(name, market, bars)[RSI], expected)


@settings(max_examples=25, deadline=None)
@given(markets(), st.lists(st.floats(0.5, 1.5), min_size=2, max_size=4), st.booleans())
def test_rows_follow_quotes_that_come_go_and_change_within_a_session(market, factors, is_followed):
    rows = LiveRows(RSI_LENGTH)
    if is_followed:
        rows.follow(market.bars)
    for number, factor in enumerate(factors):
        quotes = {s: replace(quote, last=quote.last * factor) for s, quote in list(market.quotes.items())[number % 2 :]}
        assert_rows(rows, replace(market, quotes=quotes))
    assert_rows(rows, replace(market, quotes={}))
    assert_rows(rows, market)


@settings(max_examples=25, deadline=None)
@given(markets(), seeds, st.integers(1, 3), st.sampled_from(["nothing", "price", "volume", "symbol"]))
def test_rows_follow_new_sessions_and_corrections_of_the_past(market, seed, days, corrected):
    rows, generator = LiveRows(RSI_LENGTH), np.random.default_rng(seed)
    assert_rows(rows, market)
    bars = {symbol: longer(one, days, generator) for symbol, one in market.bars.items()}
    first = bars["S0"]
    if corrected == "price":
        bars["S0"] = replace(first, close=np.concatenate([first.close[:1] / 2, first.close[1:]]))
    if corrected == "volume":
        bars["S0"] = replace(first, volume=first.volume[::-1].copy())
    if corrected == "symbol":
        bars["S9"] = bars.pop("S0")
    quotes = {symbol: quote for symbol, quote in market.quotes.items() if symbol in bars}
    assert_rows(rows, replace(market, bars=bars, quotes=quotes, session=market.session + timedelta(days=days)))


def longer(bars, days, generator):
    close = np.append(bars.close, bars.close[-1] * np.exp(np.cumsum(generator.normal(0, 0.03, days))))
    sessions = bars.sessions + tuple(bars.sessions[-1] + timedelta(days=day + 1) for day in range(days))
    volume = np.append(bars.volume, generator.integers(0, 10**7, days))
    return DailyBars(sessions, close, close, close, close, volume)
