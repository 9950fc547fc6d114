"""Bars of several lengths at once: at any instant each strategy is shown what a feed of its length alone would show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.data.calendars import NEW_YORK
from desk.data.history_feed import HistoryFeed
from desk.data.intraday_feed import IntradayFeed, daily_from_intraday
from desk.data.source import Source
from desk.domain.market import IntradayBars, Market
from tests.intraday_days import FRIDAY, HALF_DAY, TUESDAY, stamps

pytestmark = pytest.mark.slow

MINUTES = stamps(TUESDAY).append(stamps(HALF_DAY)).append(stamps(FRIDAY))
MIDNIGHT = datetime(2024, 7, 2, 4, 0, tzinfo=UTC)
LENGTHS = (60, 300, 900, 1800, 3600)
NAMES = ("AAA", "BBB")
Traded = list[bool]


def frame_of(traded: Traded) -> pd.DataFrame:
    """Every price and volume is of its minute alone."""
    place = np.arange(len(MINUTES), dtype=float)
    close = 100 + place / 100
    columns = {"open": close - 0.01, "high": close + 0.5, "low": close - 0.5, "close": close, "volume": place + 1}
    return pd.DataFrame(columns, index=MINUTES).loc[traded]


def source_of(*traded: Traded) -> Source:
    frames = {name: frame_of([True, True, *one[2:]]) for name, one in zip(NAMES, traded, strict=True)}
    return daily_from_intraday(Source("test", "test", {}, {}, frames), NAMES)


def market_at(source: Source, now: datetime, first: int | None, *longer: int) -> Market:
    histories, local = {name: source.bars(name) for name in NAMES}, now.astimezone(NEW_YORK)
    if first is None:
        return HistoryFeed(histories, lambda: local).observe(NAMES)
    feed = IntradayFeed(source, NAMES, first, TUESDAY, FRIDAY, longer)
    return HistoryFeed(histories, lambda: local, feed.intraday, feed.longer).observe(NAMES)


def columns(bars: IntradayBars) -> tuple[object, ...]:
    listed = (bars.starts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return bars.seconds, *(column.tolist() for column in listed)


def told(market: Market) -> dict[str, object]:
    """All but prices of now, of which shorter bars know more."""
    return {
        "now": (market.now, market.session),
        "daily": {name: (bars.sessions, bars.close.tolist(), bars.volume.tolist()) for name, bars in market.bars.items()},
        "intraday": {name: columns(bars) for name, bars in market.intraday.items()},
        "longer": dict(market.longer),
        "unusable": dict(market.unusable),
    }


# One minute of so many has no trade, and there are pauses, among them whole hours and openings. Most bars are a minute apart, by
# which the feed knows their length.
traded = st.tuples(
    st.integers(3, 40), st.integers(0, 39), st.lists(st.tuples(st.integers(0, len(MINUTES)), st.integers(1, 500)), max_size=3)
).map(
    lambda drawn: [
        place % drawn[0] != drawn[1] and not any(first <= place < first + count for first, count in drawn[2])
        for place in range(len(MINUTES))
    ]
)


@settings(max_examples=60, deadline=None)
@given(traded, traded, st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=4, unique=True), st.integers(0, 60 * 24 * 4 * 2))
def test_each_length_is_shown_as_by_a_feed_of_its_own(one: Traded, other: Traded, lengths: list[int], half_minute: int) -> None:
    source, now = source_of(one, other), MIDNIGHT + timedelta(seconds=30 * half_minute)
    first, *longer = sorted(lengths)
    together = market_at(source, now, first, *longer)
    for seconds in (first, *longer, None):
        assert told(together.with_bars_of(seconds)) == told(market_at(source, now, seconds))
    for shown in (together.intraday, *together.longer.values()):
        for bars in shown.values():
            assert int(bars.starts[-1]) + bars.seconds <= now.timestamp()


@settings(max_examples=30, deadline=None)
@given(traded, traded, st.sampled_from((TUESDAY, HALF_DAY, FRIDAY)))
def test_at_the_opening_a_strategy_on_days_sees_no_price_more(one: Traded, other: Traded, day: object) -> None:
    source, now = source_of(one, other), pd.Timestamp(f"{day} 09:30", tz=NEW_YORK).to_pydatetime().astimezone(UTC)
    seen, alone = market_at(source, now, 60, 3600).with_bars_of(None), market_at(source, now, None)
    assert told(seen) == told(alone)
    assert dict(seen.quotes) == dict(alone.quotes) == {}


@settings(max_examples=30, deadline=None)
@given(traded, traded, st.integers(0, 60 * 24 * 4))
def test_fewer_symbols_are_fewer_bars_of_every_length(one: Traded, other: Traded, minute: int) -> None:
    market = market_at(source_of(one, other), MIDNIGHT + timedelta(minutes=minute), 60, 3600)
    for name in NAMES:
        seen = market.within([name])
        assert set(seen.intraday) <= {name} and set(seen.longer) == {3600}
        assert told(seen.with_bars_of(3600)) == told(market.with_bars_of(3600).within([name]))


def test_of_one_length_nothing_is_made_anew() -> None:
    now = MIDNIGHT + timedelta(hours=14)
    all_traded = [True] * len(MINUTES)
    source = source_of(all_traded, all_traded)
    on_hours, on_days = market_at(source, now, 3600), market_at(source, now, None)
    assert on_hours.with_bars_of(3600) is on_hours and on_days.with_bars_of(None) is on_days
