"""Orders of a backtest that knows quotes and trades: they meet these as they come, at the other side's price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from desk.data.calendars import NEW_YORK
from desk.data.intraday_feed import IntradayFeed
from desk.data.source import Source
from desk.runtime.backtest import Costs, run_backtest
from tests.intraday_days import TUESDAY, Act, Ran, Scripted, bracket, minutes, ran, source_of, submit

pytestmark = pytest.mark.slow

FLAT = ("09:30", 100.0)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def ticks(*points: tuple[str, float]) -> pd.DataFrame:
    """Times of Tuesday in New York and last prices; bid and offer are a cent away from these."""
    index = pd.DatetimeIndex([pd.Timestamp(f"{TUESDAY} {at}", tz=NEW_YORK) for at, _ in points]).tz_convert("UTC")
    last = pd.Series([price for _, price in points], index=index)
    return pd.DataFrame({"last": last, "bid": last - 0.01, "ask": last + 0.01})


def source(*points: tuple[str, float]) -> Source:
    return replace(source_of(AAA=minutes()), ticks={"AAA": ticks(*points)})


def fills(script: Mapping[str, Act], points: Sequence[tuple[str, float]], **more: Any) -> list[tuple[str, str, float]]:
    outcome = run_backtest(
        Scripted, source(*points), ["AAA"], TUESDAY, TUESDAY, parameters={"script": script}, bar_seconds=60, **more
    )
    made: Ran = ran(outcome.strategy)
    return made.fills


def test_an_order_meets_the_quote_that_holds_when_it_is_decided():
    points = [FLAT, ("10:29:30", 101.0), ("10:40", 103.0)]
    assert fills({"10:31": submit(10, "buy")}, points) == [("02 10:31", "buy", 101.01)]
    assert fills({"10:40": submit(10, "buy")}, points) == [("02 10:40", "buy", 103.01)]


def test_a_stop_is_set_off_by_the_last_trade_and_sells_at_the_bid_of_that_moment():
    points = [FLAT, ("11:00:20", 95.01), ("11:05:40", 94.2), ("11:07", 99.0)]
    script = {"10:30": bracket(stop=95, target=115)}
    assert fills(script, points)[1:] == [("02 11:05", "sell", 94.19)]


def test_a_limit_is_reached_by_the_bid_and_not_by_the_last_trade():
    points = [FLAT, ("11:00", 115.0), ("11:10", 115.3), ("11:20", 100.0)]
    assert fills({"10:30": bracket(stop=95, target=115)}, points)[1:] == [("02 11:10", "sell", 115.29)]


def test_a_tick_at_a_stamp_meets_resting_orders_before_the_decision_and_new_ones_after_it():
    held: list[float] = []

    def look(strategy: Scripted) -> None:
        position = strategy.get_position("AAA")
        held.append(0.0 if position is None else float(position.quantity))
        submit(5, "buy")(strategy)

    points = [FLAT, ("11:00", 94.0), ("12:00", 95.5)]
    assert fills({"10:30": bracket(stop=95, target=115), "11:00": look}, points)[1:] == [
        ("02 11:00", "sell", 93.99),
        ("02 11:00", "buy", 94.01),
    ]
    assert held == [0.0]


def test_the_tick_of_the_close_is_the_last_that_an_order_meets():
    points = [FLAT, ("15:30", 99.0), ("16:00", 90.0)]
    assert fills({"10:30": bracket(stop=95, target=115)}, points)[1:] == [("02 16:00", "sell", 89.99)]


def test_a_trailing_stop_follows_the_ticks():
    points = [FLAT, ("11:00", 110.0), ("11:10", 105.5), ("11:20", 104.5), ("11:30", 120.0)]
    script = {"09:31": submit(10, "buy"), "10:00": submit(10, "sell", trail_price=5.0)}
    assert fills(script, points)[1:] == [("02 11:20", "sell", 104.49)]


def test_the_prescreen_changes_no_fill_on_ticks():
    points = [("09:30", 100.0), *((f"{10 + n // 60}:{n % 60:02}", 100 + (n * 7919 % 41) / 4 - 5) for n in range(0, 300, 3))]
    script = {
        "10:00": bracket(stop=93, target=103, limit_price=99.5),
        "11:03": bracket(stop=93, target=104),
        "13:10": submit(3, "buy", stop_price=101.0),
    }
    costs = Costs(1.0, 2.0)
    fast, slow = fills(script, points, costs=costs), fills(script, points, costs=costs, prescreen=False)
    assert fast == slow and len(fast) >= 5


def test_a_quote_holds_until_the_next_and_ends_with_the_session():
    feed = IntradayFeed(source(FLAT, ("10:29:30", 101.0), ("16:00", 102.0)), ["AAA"], 60, TUESDAY, TUESDAY)

    def quoted(at: str) -> tuple[float, float, float] | None:
        feed._update_datetime(pd.Timestamp(f"{TUESDAY} {at}", tz=NEW_YORK).to_pydatetime())
        quote = feed.quote("AAA")
        return None if quote is None else (quote.last, quote.bid, quote.ask)

    assert quoted("09:29") is None and feed.quote("ZZZ") is None
    assert quoted("10:29") == (100.0, 99.99, 100.01)
    assert quoted("10:30") == quoted("15:59") == (101.0, 100.99, 101.01)
    assert quoted("16:01") is None
    assert feed.last_close("AAA") == 102.0
