"""The market of a backtest: the past up to yesterday, whatever else is in the file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.data.history_feed import HistoryFeed, before
from desk.domain.market import DailyBars

NEW_YORK = ZoneInfo("America/New_York")
FIRST = date(2024, 1, 1)
days = st.integers(0, 60).map(lambda number: FIRST + timedelta(days=number))


def bars_of(sessions: list[date]) -> DailyBars:
    close = np.arange(1.0, len(sessions) + 1)
    return DailyBars(tuple(sessions), close - 0.5, close + 1, close - 1, close, close * 100)


histories = st.sets(days, max_size=40).map(lambda chosen: bars_of(sorted(chosen)))


@given(histories, days)
def test_the_past_ends_before_the_session(bars: DailyBars, session: date) -> None:
    past = before(bars, session)
    assert past.sessions == tuple(day for day in bars.sessions if day < session)
    for name in ("open", "high", "low", "close", "volume"):
        assert list(getattr(past, name)) == list(getattr(bars, name)[: len(past)])


@given(st.dictionaries(st.sampled_from(["AAA", "BBB", "CCC"]), histories), days)
def test_every_symbol_asked_for_is_shown_or_named_as_unusable(known: dict[str, DailyBars], session: date) -> None:
    now = datetime(session.year, session.month, session.day, 9, 30, tzinfo=NEW_YORK)
    market = HistoryFeed(known, lambda: now).observe(["AAA", "BBB"])
    assert set(market.bars) | set(market.unusable) == {"AAA", "BBB"}
    assert not set(market.bars) & set(market.unusable)
    assert all(bars.sessions[-1] < session for bars in market.bars.values())
    assert (market.session, market.now) == (session, now.astimezone(UTC))
    assert not market.quotes


def test_bars_are_shown_without_copying_them() -> None:
    history = bars_of([FIRST + timedelta(days=number) for number in range(10)])
    assert np.shares_memory(before(history, FIRST + timedelta(days=5)).close, history.close)


def test_the_feed_follows_the_clock() -> None:
    history = bars_of([FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=2)])
    clock = [datetime(2024, 1, 2, 9, 30, tzinfo=NEW_YORK)]
    feed = HistoryFeed({"AAA": history}, lambda: clock[0])
    assert feed.observe(["AAA"]).last_price("AAA") == 1.0
    clock[0] += timedelta(days=1)
    assert feed.observe(["AAA"]).last_price("AAA") == 2.0
