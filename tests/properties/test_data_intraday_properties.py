from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.data.calendars import session_on
from desk.data.history_feed import HistoryFeed
from desk.data.intraday_feed import IntradayFeed, daily_from_intraday
from desk.data.source import Source
from desk.data.tape import Tape
from tests.intraday_days import HALF_DAY, TUESDAY, stamps

pytestmark = pytest.mark.slow

MINUTES = stamps(TUESDAY).append(stamps(HALF_DAY))
prices = st.integers(1, 30).map(float)


@given(st.lists(st.tuples(prices, prices), max_size=200), st.integers(0, 220), prices, prices)
def test_the_next_bar_that_touches_is_found_as_by_looking_at_one_after_the_other(
    ranges: list[tuple[float, float]], place: int, low_at_most: float, high_at_least: float
) -> None:
    low = np.array([min(pair) for pair in ranges])
    high = np.array([max(pair) for pair in ranges])
    opens = np.arange(len(ranges), dtype=float) * 60
    tape = Tape(opens, opens + 60, low, high, low, high)
    found = [i for i in range(place, len(ranges)) if low[i] <= low_at_most or high[i] >= high_at_least]
    assert tape.touching(min(place, len(tape)), low_at_most, high_at_least) == (found[0] if found else len(tape))


@given(st.integers(0, 10), st.floats(-50, 700))
def test_the_first_bar_to_close_after_a_moment(count: int, moment: float) -> None:
    opens = np.arange(count, dtype=float) * 60
    tape = Tape(opens, opens + 60, opens, opens, opens, opens)
    place = tape.place_after(moment)
    assert all(tape.bar(i).closes_at <= moment for i in range(place))
    assert place == count or tape.bar(place).closes_at > moment


def frame_of(traded: list[bool]) -> pd.DataFrame:
    """Every price tells its minute: closes are the place of the bar, plus one, in cents above 100."""
    close = 100 + np.arange(1, len(MINUTES) + 1) / 100
    columns = {
        "open": close - 0.01,
        "high": close + 0.5,
        "low": close - 0.5,
        "close": close,
        "volume": np.arange(len(MINUTES)) + 1.0,
    }
    return pd.DataFrame(columns, index=MINUTES).loc[[True, True, *traded[2:]]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.booleans(), min_size=len(MINUTES), max_size=len(MINUTES)),
    st.sampled_from([60, 300, 1800, 3600]),
    st.integers(0, 60 * 24 * 2),
)
def test_what_a_market_shows_comes_of_minutes_that_have_ended(traded: list[bool], bar_seconds: int, minute: int) -> None:
    frame = frame_of(traded)
    source = daily_from_intraday(Source("test", "test", {}, {}, {"AAA": frame}), ["AAA"])
    now = datetime(2024, 7, 2, 4, 0, tzinfo=UTC) + timedelta(minutes=minute)
    intraday = IntradayFeed(source, ["AAA"], bar_seconds, TUESDAY, HALF_DAY).intraday
    local = pd.Timestamp(now).tz_convert("America/New_York").to_pydatetime()
    market = HistoryFeed({"AAA": source.bars("AAA")}, lambda: local, intraday).observe(["AAA"])
    ended = frame.loc[frame.index + pd.Timedelta(minutes=1) <= now]
    bars = market.intraday.get("AAA")
    if bars is not None:
        assert len(bars) <= len(ended) and bars.volume.sum() <= ended["volume"].sum()
        assert set(bars.close) <= set(ended["close"])
    for quote in market.quotes.values():
        assert bars is not None and quote.at <= now and quote.last == bars.close[-1]
    last = market.bars["AAA"].sessions[-1] if "AAA" in market.bars else date.min
    assert last < market.session


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=len(MINUTES), max_size=len(MINUTES)), st.sampled_from([300, 3600]))
def test_bars_made_of_minutes_lose_and_invent_nothing(traded: list[bool], bar_seconds: int) -> None:
    frame = frame_of(traded)
    source = Source("test", "test", {}, {}, {"AAA": frame})
    bars = IntradayFeed(source, ["AAA"], bar_seconds, TUESDAY, HALF_DAY).intraday["AAA"]
    assert bars.volume.sum() == frame["volume"].sum()
    assert (bars.high.max(), bars.low.min()) == (frame["high"].max(), frame["low"].min())
    assert (bars.open[0], bars.close[-1]) == (frame["open"].iloc[0], frame["close"].iloc[-1])
    for start in bars.starts:
        session = session_on(datetime.fromtimestamp(int(start), UTC).date())
        assert session is not None and (int(start) - session.opens_at.timestamp()) % bar_seconds == 0
        inside = (frame.index >= pd.Timestamp(int(start), unit="s", tz="UTC")) & (
            frame.index < pd.Timestamp(int(start) + bar_seconds, unit="s", tz="UTC")
        )
        assert inside.any()
