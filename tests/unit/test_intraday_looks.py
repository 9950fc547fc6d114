"""What a strategy on minutes or hours sees, and when; and that nothing of it is the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lumibot.entities import Asset
from lumibot.strategies import Strategy

from desk.data.calendars import NEW_YORK
from desk.data.intraday_feed import IntradayFeed
from desk.data.source import Source
from desk.domain.decisions import Denied, Direction, FixedExit, Reason, Shares, Signal, Target
from desk.domain.errors import ConfigurationError
from desk.domain.market import Market
from desk.domain.steps import Submit
from desk.domain.trades import Book
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from tests.intraday_days import FRIDAY, HALF_DAY, TUESDAY, bracket, frame, minutes, on_desk, source_of, stamps, submit

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# ---- where the strategy stands --------------------------------------------------------------------------------------------


def looks_on(bars: pd.DataFrame, bar_seconds: int, sleeptime: str) -> list[str]:
    looks = on_desk({}, bars, bar_seconds, parameters={"sleeptime": sleeptime}).strategy.looks
    return [f"{look:%H:%M}" for look in looks]


def test_a_strategy_looks_at_the_opening_and_when_a_bar_has_ended():
    clock_hours = frame(stamps(TUESDAY, "1h", first="09:00"))
    counted = frame(stamps(TUESDAY, "1h"))
    assert looks_on(clock_hours, 3600, "1H") == ["09:30", *(f"{hour}:00" for hour in range(10, 16))]
    assert looks_on(counted, 3600, "1H") == ["09:30", *(f"{hour}:30" for hour in range(10, 16))]
    assert looks_on(counted, 3600, "5M") == looks_on(counted, 3600, "1H")
    assert looks_on(counted, 3600, "2H") == looks_on(counted, 3600, "90M")
    assert looks_on(minutes(), 3600, "1H") == looks_on(counted, 3600, "1H")
    assert looks_on(minutes(), 60, "1H") == looks_on(clock_hours, 3600, "1H")
    assert looks_on(minutes(), 60, "1D") == ["09:30"]
    assert len(looks_on(minutes(), 60, "1M")) == 390


def test_hours_made_of_minutes_count_from_the_opening_and_orders_meet_the_minutes():
    bars = minutes({"02 10:29": (100, 104, 99, 103), "02 11:03": (100, 100, 94, 96)})
    feed = IntradayFeed(source_of(AAA=bars), ["AAA"], 3600, TUESDAY, TUESDAY)
    shown = feed.intraday["AAA"]
    begins = [f"{pd.Timestamp(int(start), unit='s', tz='UTC').tz_convert(NEW_YORK):%H:%M}" for start in shown.starts]
    assert begins == [f"{hour:02}:30" for hour in range(9, 16)]
    assert (shown.close[0], shown.high[0], shown.volume[0], shown.volume[-1]) == (103, 104, 60_000, 30_000)
    ours = on_desk({"10:30": bracket(stop=95, target=115)}, bars, 3600, parameters={"sleeptime": "1H"})
    assert ours.fills[1:] == [("02 11:04", "sell", 95.0)]


def test_an_hour_of_the_clock_that_straddles_the_opening_opens_with_the_session():
    days = pd.concat([frame(stamps(day, "1h", first="09:00"), {"03 09:00": (103, 104, 102, 103)}) for day in (TUESDAY, HALF_DAY)])
    assert on_desk({"03 09:30": submit(10, "buy")}, days, 3600).fills == [("03 09:30", "buy", 103.0)]
    tape = IntradayFeed(source_of(AAA=days), ["AAA"], 3600, TUESDAY, TUESDAY).tape("AAA")
    assert tape is not None
    opens, closes = (datetime.fromtimestamp(at, NEW_YORK).time() for at in tape.bar(0)[:2])
    assert (opens, closes) == (time(9, 30), time(10, 0))


def test_bars_that_do_not_make_up_the_wanted_length_are_refused():
    hours, days = frame(stamps(TUESDAY, "1h")), (TUESDAY, TUESDAY)
    with pytest.raises(ConfigurationError, match="bars of AAA are 3600 seconds apart and the strategy wants bars of 60"):
        IntradayFeed(source_of(AAA=hours), ["AAA"], 60, *days)
    with pytest.raises(ConfigurationError, match="AAA are 420 seconds apart"):
        IntradayFeed(source_of(AAA=frame(stamps(TUESDAY, "7min"))), ["AAA"], 3600, *days)
    with pytest.raises(ConfigurationError, match="bar_seconds 7200"):
        IntradayFeed(source_of(AAA=hours), ["AAA"], 7200, *days)
    with pytest.raises(ConfigurationError, match="no intraday bars of ZZZ in test; it has those of AAA"):
        IntradayFeed(source_of(AAA=hours), ["AAA", "ZZZ"], 3600, *days)
    with pytest.raises(ConfigurationError, match="no intraday bar between 2024-07-05"):
        IntradayFeed(source_of(AAA=hours), ["AAA"], 3600, FRIDAY, FRIDAY)


def test_a_plain_strategy_is_given_complete_bars_alone():
    seen: dict[str, list[str]] = {}

    def look(strategy: Strategy) -> None:
        for step in ("minute", "day"):
            bars = strategy.get_historical_prices("AAA", 3, step)
            seen[step] = [] if bars is None else [f"{stamp:%d %H:%M}" for stamp in bars.df.index]
        with pytest.raises(ValueError, match="not complete yet"):
            strategy.broker.data_source.get_historical_prices(Asset("AAA"), 1, "", timedelta(minutes=-1))
        with pytest.raises(ValueError, match="days and bars of 60 seconds"):
            strategy.broker.data_source.get_historical_prices(Asset("AAA"), 1, "hour")

    on_desk({"03 10:30": look}, minutes(missing=["03 10:28"], days=(TUESDAY, HALF_DAY)))
    assert seen == {"minute": ["03 10:26", "03 10:27", "03 10:29"], "day": ["02 00:00"]}


# ---- a desk strategy ---------------------------------------------------------------------------------------------------------


class Always(DeskStrategy):
    """Wants ten shares at all times, for one session at most."""

    bar_seconds = 60

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "always") for symbol in market.intraday]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        rule = FixedExit(0.05, 0.15, time_barrier_sessions=1)
        return [Target(signal.symbol, Shares(10), rule, signal.reason) for signal in signals]


def desk_run(strategy: type[DeskStrategy], source: Source, first: date, last: date, **more: Any) -> DeskBacktest:
    behaviour = Behaviour(hedging=False, confidence_gate="report", **more)
    return backtest_desk(strategy, behaviour, source, tuple(source.intraday), first, last, name="test")


def test_a_market_shows_what_is_complete_and_a_quote_of_the_last_bar_of_the_session():
    bars = minutes({"03 09:34": (101, 103, 100, 102)}, ["03 09:36"], days=(TUESDAY, HALF_DAY))

    seen: list[Market] = []

    class Noting(DeskStrategy):
        bar_seconds = 60

        def signals(self, market: Market, book: Book) -> Sequence[Signal]:
            seen.append(market)
            return []

        def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
            return []

    desk_run(Noting, source_of(AAA=bars), TUESDAY, HALF_DAY)
    shown = {f"{market.now.astimezone(NEW_YORK):%d %H:%M}": market for market in seen}
    assert len(shown) == 390 + 210
    for market in seen:
        complete = bars.loc[bars.index + pd.Timedelta(minutes=1) <= market.now]
        assert len(market.intraday["AAA"] if complete.size else ()) == len(complete)
        assert not market.bars or market.bars["AAA"].sessions == (TUESDAY,)
    assert not shown["02 09:30"].intraday and shown["02 09:30"].unusable
    assert shown["03 09:30"].last_price("AAA") == 100 and not shown["03 09:30"].quotes
    quote = shown["03 09:37"].quotes["AAA"]
    assert (quote.bid, quote.ask, quote.last) == (99.99, 100.01, 100)
    assert f"{quote.at.astimezone(NEW_YORK):%H:%M}" == "09:36"
    assert shown["03 09:35"].last_price("AAA") == 102


def test_a_position_that_was_stopped_out_is_not_bought_back_in_its_session_and_leaves_after_its_sessions():
    dip = minutes({"02 10:31": (100, 100, 90, 92)}, days=(TUESDAY, HALF_DAY, FRIDAY))
    done = desk_run(Always, source_of(AAA=dip), TUESDAY, FRIDAY, fee_bps=2.0, slippage_bps=0.0)
    fills = done.outcome.trade_events[done.outcome.trade_events["status"] == "fill"]
    told = [(f"{row.time:%d %H:%M}", str(row.side).split("_")[0], float(row.price)) for row in fills.itertuples()]
    assert told == [
        ("02 09:31", "buy", 100.0),
        ("02 10:32", "sell", 95.2),  # 5 % below the limit of the entry, which is a little above the offer
        ("03 09:30", "buy", 100.0),
        ("05 09:30", "sell", 100.0),
    ]
    assert Reason.EXITED_TODAY in {row.value.reason for row in done.journal.rows() if isinstance(row.value, Denied)}
    assert done.record.costs_usd == pytest.approx(sum(price * 10 * 2e-4 for *_, price in told))
    assert done.record.sessions == 3


# ---- foresight -----------------------------------------------------------------------------------------------------------------


HOURS = [stamp for day in (TUESDAY, HALF_DAY, FRIDAY) for stamp in stamps(day, "1h")]
DAYS_OF = [stamp.tz_convert(NEW_YORK).date() for stamp in HOURS]
moves = st.lists(st.tuples(*(st.integers(-6, 6) for _ in range(4)), st.integers(0, 9)), min_size=len(HOURS), max_size=len(HOURS))


def walk(steps: Sequence[tuple[int, ...]]) -> pd.DataFrame:
    """Hours that wander by whole dollars; of the later ones one in ten has no trade."""
    rows, price = {}, 100.0
    for stamp, (*path, traded) in zip(HOURS, steps, strict=True):
        points = [max(price + each, 20.0) for each in path]
        if traded or stamp in HOURS[:2]:
            rows[stamp] = (points[0], max(points), min(points), points[-1], 1000.0)
            price = points[-1]
    columns = ["open", "high", "low", "close", "volume"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("start")


class Contrary(DeskStrategy):
    """Buys after an hour that fell and leaves after one that rose; exits near by."""

    bar_seconds = 3600

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        fell = {symbol: bars.close[-1] < bars.open[-1] for symbol, bars in market.intraday.items()}
        return [Signal(symbol, Direction.LONG if down else Direction.FLAT, "hour") for symbol, down in fell.items()]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        rule = FixedExit(0.04, 0.05, time_barrier_sessions=1)
        return [Target(each.symbol, Shares(10 if each.direction is Direction.LONG else 0), rule, "hour") for each in signals]


def decided_until(done: DeskBacktest, moment: datetime) -> list[str]:
    return [repr(row) for row in done.journal.rows() if row.at <= moment]


@settings(max_examples=12, deadline=None)
@given(moves, moves, st.integers(2, len(HOURS) - 1))
def test_another_future_changes_nothing_that_was_decided_before_it(steps: Any, others: Any, place: int):
    """Everything journaled up to the open of the hour at `place`: from there on the bars are others, or there are none."""
    moment = HOURS[place].to_pydatetime()
    known = walk(steps)
    past = known.loc[known.index < HOURS[place]]
    other = walk([*steps[:place], *others[place:]])
    last = DAYS_OF[place]
    whole = desk_run(Contrary, source_of(AAA=known), TUESDAY, last)
    until = moment - timedelta(seconds=1)
    for future in (past, other):
        done = desk_run(Contrary, source_of(AAA=future), TUESDAY, last)
        assert decided_until(done, until) == decided_until(whole, until)
        assert submitted_at(done, moment) == submitted_at(whole, moment)


def submitted_at(done: DeskBacktest, moment: datetime) -> list[str]:
    """Orders decided at `moment`, before the bar that opens then was seen."""
    return [repr(row.value) for row in done.journal.rows() if row.at == moment and isinstance(row.value, Submit)]
