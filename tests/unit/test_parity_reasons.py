"""Each difference between backtest and live path gets the cause that the runs prove, and none without proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from desk.data.source import Source
from desk.domain.orders import GroupRole, Side
from desk.research.parity import Line, Pair, Refused, Told
from desk.research.parity_reasons import Cause, Evidence
from desk.research.parity_runs import BarEnds, Setting
from desk.runtime.strategy import DeskStrategy
from desk.settings.load import load_settings

AT = datetime(2024, 1, 3, 15, 30, tzinfo=UTC)  # 10:30 in New York
BUY = Line(AT, AT.date(), "A", Side.BUY, 100, 100.0, GroupRole.ENTRY, 100.2, 100)
STOP = Line(AT + timedelta(minutes=30), AT.date(), "A", Side.SELL, 100, 95.0, GroupRole.STOP_LOSS, 100.2, 100, 95.0)
NOTHING = Told((), (), (), {})


def bars(lows: float = 94.5, highs: float = 100.5) -> pd.DataFrame:
    index = pd.date_range("2024-01-03T14:30Z", periods=390, freq="min")
    return pd.DataFrame({"low": np.full(390, lows), "high": np.full(390, highs)}, index=index)


def cause(pair: Pair, backtest: Told = NOTHING, live: Told = NOTHING, frame: pd.DataFrame | None = None) -> Cause:
    return Evidence(backtest, live, {"A": bars() if frame is None else frame}, 3600).explained(pair).cause


def account(equity_usd: float) -> Told:
    return replace(NOTHING, equity_usd={AT: equity_usd})


def test_one_share_more_of_an_account_that_is_worth_as_much_more_is_a_size() -> None:
    assert cause(Pair(BUY, replace(BUY, quantity=101)), account(100_000), account(101_000)) is Cause.SIZE


def test_shares_that_the_account_does_not_explain_are_unexplained() -> None:
    assert cause(Pair(BUY, replace(BUY, quantity=150)), account(100_000), account(101_000)) is Cause.UNEXPLAINED


def test_a_sale_of_all_that_was_bought_follows_the_size_of_its_entry() -> None:
    other = replace(STOP, quantity=101, entered=101)
    assert cause(Pair(STOP, other)) is Cause.SIZE
    assert cause(Pair(STOP, replace(other, entered=150))) is Cause.UNEXPLAINED


def test_a_stop_at_another_price_inside_the_minute_is_the_fill_model_and_outside_of_it_unexplained() -> None:
    assert cause(Pair(STOP, replace(STOP, price=94.6))) is Cause.FILL_MODEL
    assert cause(Pair(STOP, replace(STOP, price=93.0))) is Cause.UNEXPLAINED


def test_a_stop_a_cent_lower_that_the_market_met_later_is_the_fill_model() -> None:
    frame = bars(lows=94.995)
    late = replace(STOP, at=STOP.at + timedelta(minutes=5), level=94.99, price=94.99)
    assert cause(Pair(STOP, late), frame=frame) is Cause.FILL_MODEL


def test_a_stop_that_the_market_had_met_long_before_it_sold_is_unexplained() -> None:
    late = replace(STOP, at=STOP.at + timedelta(hours=2))
    assert cause(Pair(STOP, late)) is Cause.UNEXPLAINED


def test_the_same_order_at_the_next_stamp_is_timing_and_two_stamps_on_unexplained() -> None:
    assert cause(Pair(BUY, replace(BUY, at=AT + timedelta(hours=1)))) is Cause.TIMING
    assert cause(Pair(BUY, replace(BUY, at=AT + timedelta(hours=2)))) is Cause.UNEXPLAINED


def test_a_missing_fill_is_a_rejection_where_the_other_side_refused() -> None:
    refused = replace(NOTHING, refusals=(Refused(AT.date(), "A", "insufficient buying power"),))
    assert cause(Pair(BUY, None), live=refused) is Cause.REJECTION
    assert cause(Pair(BUY, None), backtest=refused) is Cause.UNEXPLAINED


def test_a_missing_entry_is_a_rejection_where_the_other_side_left_in_the_same_session() -> None:
    before = AT - timedelta(minutes=20)
    left = replace(NOTHING, fills=(replace(BUY, at=AT - timedelta(days=1), session=(AT - timedelta(days=1)).date()),))
    left = replace(left, fills=(*left.fills, replace(STOP, at=before)))
    assert cause(Pair(BUY, None), live=left) is Cause.REJECTION


def test_a_missing_fill_is_the_fill_model_where_the_other_side_sent_the_order_too() -> None:
    assert cause(Pair(BUY, None), live=replace(NOTHING, orders=(BUY,))) is Cause.FILL_MODEL


def test_a_missing_stop_is_the_fill_model_where_the_other_one_rests_a_cent_lower_and_was_not_reached() -> None:
    bought = replace(BUY, at=AT - timedelta(minutes=1), limit=100.19)
    held = replace(NOTHING, fills=(bought,))
    assert cause(Pair(STOP, None), held, held, bars(lows=94.995)) is Cause.FILL_MODEL
    assert cause(Pair(STOP, None), held, held, bars(lows=94.0)) is Cause.UNEXPLAINED


def test_a_missing_sale_is_a_consequence_where_the_other_side_holds_nothing() -> None:
    assert cause(Pair(STOP, None), backtest=replace(NOTHING, fills=(BUY,))) is Cause.CONSEQUENCE


def test_a_fill_without_a_counterpart_and_without_a_reason_is_unexplained() -> None:
    assert cause(Pair(None, BUY)) is Cause.UNEXPLAINED


@pytest.mark.parametrize(
    ("now", "fires"),
    [
        ("2024-01-03T14:30Z", "2024-01-03T15:30Z"),
        ("2024-01-03T15:30Z", "2024-01-03T15:30Z"),
        ("2024-01-03T15:31Z", "2024-01-03T16:30Z"),
        ("2024-01-03T20:30Z", "2024-01-03T20:30Z"),
        ("2024-01-03T20:31Z", "2024-01-04T15:30Z"),
        ("2024-01-06T12:00Z", "2024-01-08T15:30Z"),
        ("2023-11-24T17:31Z", "2023-11-27T15:30Z"),  # a half day ends at 13:00
    ],
)
def test_stamps_are_the_ends_of_bars_inside_a_session(now: str, fires: str) -> None:
    moment = datetime.fromisoformat(now)
    assert BarEnds(3600, 3600).get_next_fire_time(None, moment) == datetime.fromisoformat(fires)


@pytest.mark.parametrize(
    ("now", "fires"),
    [
        ("2024-01-03T14:30Z", "2024-01-03T15:00Z"),
        ("2024-01-03T15:00Z", "2024-01-03T15:00Z"),
        ("2024-01-03T15:01Z", "2024-01-03T16:00Z"),
        ("2024-01-03T20:01Z", "2024-01-04T15:00Z"),
    ],
)
def test_stamps_follow_data_that_counts_its_hours_by_the_clock(now: str, fires: str) -> None:
    assert BarEnds(3600, 1800).get_next_fire_time(None, datetime.fromisoformat(now)) == datetime.fromisoformat(fires)


@pytest.mark.parametrize(
    ("first", "step", "bar_seconds", "ends"),
    [("09:00", "1h", 3600, 1800), ("09:30", "1h", 3600, 3600), ("09:30", "1min", 3600, 3600), ("09:30", "1min", 60, 60)],
)
def test_the_first_bar_of_a_session_ends_where_the_data_says(first: str, step: str, bar_seconds: int, ends: int) -> None:
    days = [pd.date_range(f"2024-01-0{day} {first}", periods=7, freq=step, tz="America/New_York") for day in (3, 4)]
    frame = pd.DataFrame(index=days[0].append(days[1]).tz_convert("UTC"))
    source = Source("test", "test", {}, {}, {"A": frame})
    wanted = type("Wanted", (DeskStrategy,), {"bar_seconds": bar_seconds})
    settings = load_settings(config=None, environ={}, dotenv=None)
    assert Setting("wanted", wanted, settings, source, None, 1).first_end_seconds == ends
