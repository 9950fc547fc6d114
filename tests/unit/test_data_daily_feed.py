from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from lumibot.backtesting import PandasDataBacktesting
from lumibot.strategies import Strategy

from desk.data.bundled import load_bundled
from desk.data.calendars import session_dates
from desk.data.daily_feed import DailyFeed, lumibot_data
from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.runtime.backtest import run_backtest

DAYS = session_dates(date(2024, 6, 24), date(2024, 7, 12))  # 3 July is a half day


def ramp(first_open: float = 100.0, days: tuple[date, ...] = DAYS) -> pd.DataFrame:
    """Every price of every day differs from every other, so a test can tell which one it was shown."""
    opens = first_open + np.arange(len(days)) * 10.0
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in days])
    columns = {"open": opens, "high": opens + 5, "low": opens - 1, "close": opens + 4, "volume": 1000.0 + np.arange(len(days))}
    return pd.DataFrame(columns, index=index)


def source_of(**frames: pd.DataFrame) -> Source:
    return Source("test", "test", frames, {})


class Diary(Strategy):
    def initialize(self) -> None:
        self.sleeptime = "1D"
        self.seen: list[dict[str, object]] = []

    def _note(self, hook: str) -> None:
        feed: DailyFeed = self.broker.data_source
        history = self.get_historical_prices("AAA", 3, "day")
        self.seen.append(
            {
                "hook": hook,
                "now": self.get_datetime(),
                "last": self.get_last_price("AAA"),
                "history": None if history is None else [stamp.date() for stamp in history.df.index],
                "completed": feed.completed_bars("AAA", 3).sessions,
            }
        )

    def before_market_opens(self) -> None:
        self._note("before")

    def on_trading_iteration(self) -> None:
        self._note("iteration")

    def after_market_closes(self) -> None:
        self._note("after")


def notes(**frames: pd.DataFrame) -> list[dict[str, object]]:
    return run_backtest(Diary, source_of(**frames), frames, DAYS[4], DAYS[-1]).strategy.seen


def test_before_the_close_a_strategy_sees_yesterday_and_after_it_today():
    for note in notes(AAA=ramp()):
        today = DAYS.index(note["now"].date())
        newest = today if note["hook"] == "after" else today - 1
        assert note["last"] == ramp()["close"].iloc[newest]
        assert note["history"] == list(DAYS[newest - 2 : newest + 1])
        assert note["completed"] == DAYS[newest - 2 : newest + 1]


def test_iterations_stand_at_the_opening_and_half_days_close_early():
    seen = notes(AAA=ramp())
    assert {str(note["now"].time()) for note in seen if note["hook"] == "iteration"} == {"09:30:00"}
    closes = {note["now"].date(): str(note["now"].time()) for note in seen if note["hook"] == "after"}
    assert closes[date(2024, 7, 3)] == "13:00:00"
    assert closes[date(2024, 7, 5)] == "16:00:00"


def test_every_session_from_start_to_end_is_visited_once():
    visited = [note["now"].date() for note in notes(AAA=ramp()) if note["hook"] == "iteration"]
    assert visited == list(DAYS[4:])


def test_lumibots_own_feed_peeks():
    class Peek(Strategy):
        def initialize(self) -> None:
            self.sleeptime = "1D"
            self.seen: list[tuple[date, float]] = []

        def on_trading_iteration(self) -> None:
            self.seen.append((self.get_datetime().date(), self.get_last_price("AAA")))

    shown = run_backtest(Peek, source_of(AAA=ramp()), ["AAA"], DAYS[4], DAYS[-1], feed=PandasDataBacktesting).strategy.seen
    assert all(price == ramp()["close"].iloc[DAYS.index(day)] for day, price in shown)


def test_history_from_the_future_is_refused():
    class Ahead(Strategy):
        def on_trading_iteration(self) -> None:
            self.broker.data_source.get_historical_prices(self.create_asset("AAA"), 2, "day", timeshift=self.parameters["shift"])

    for shift in (-1, timedelta(days=-1)):
        with pytest.raises(ValueError, match="not closed yet"):
            run_backtest(Ahead, source_of(AAA=ramp()), ["AAA"], DAYS[4], DAYS[-1], parameters={"shift": shift})


def test_a_day_without_trading_has_no_bar_and_fills_nothing():
    class Buyer(Diary):
        def on_trading_iteration(self) -> None:
            super().on_trading_iteration()
            if self.get_datetime().date() == DAYS[6]:
                self.submit_order(self.create_order("AAA", 1, "buy"))

    missing = ramp().drop(pd.Timestamp(DAYS[6]))
    outcome = run_backtest(Buyer, source_of(AAA=missing, BBB=ramp()), ["AAA", "BBB"], DAYS[4], DAYS[-1])
    after = [note for note in outcome.strategy.seen if note["now"].date() == DAYS[7] and note["hook"] == "iteration"]
    assert DAYS[6] not in after[0]["history"]
    fills = outcome.trade_events[outcome.trade_events["status"] == "fill"]
    assert [t.date() for t in fills["time"]] == [DAYS[7]]


def test_a_symbol_has_no_price_before_its_first_day_and_a_week_after_its_last():
    class Watch(Strategy):
        def initialize(self) -> None:
            self.sleeptime = "1D"
            self.seen: dict[date, tuple[float | None, float | None]] = {}

        def on_trading_iteration(self) -> None:
            self.seen[self.get_datetime().date()] = (self.get_last_price("NEW"), self.get_last_price("OLD"))

    frames = {"NEW": ramp(days=DAYS[6:]), "OLD": ramp(days=DAYS[:5]), "ALL": ramp()}
    seen = run_backtest(Watch, source_of(**frames), frames, DAYS[4], DAYS[-1]).strategy.seen
    assert seen[DAYS[6]][0] is None and seen[DAYS[7]][0] == frames["NEW"]["close"].iloc[0]
    assert seen[DAYS[5]][1] == frames["OLD"]["close"].iloc[-1]
    assert seen[DAYS[-1]][1] is None


def test_a_run_leaves_the_source_as_it_was_and_can_be_repeated():
    frame = ramp()
    source = source_of(AAA=frame)
    first = run_backtest(Diary, source, ["AAA"], DAYS[4], DAYS[-1]).strategy.seen
    second = run_backtest(Diary, source, ["AAA"], DAYS[4], DAYS[-1]).strategy.seen
    assert first == second
    pd.testing.assert_frame_equal(frame, ramp())
    assert lumibot_data(source, ["AAA"], DAYS[0], DAYS[-1])[0] is not lumibot_data(source, ["AAA"], DAYS[0], DAYS[-1])[0]


def test_history_reaches_back_before_the_start():
    assert notes(AAA=ramp())[0]["history"] == list(DAYS[1:4])


def test_unknown_symbols_and_dates_without_history_are_refused_by_name():
    with pytest.raises(ConfigurationError, match="no history of ZZZ in test; it has AAA"):
        lumibot_data(source_of(AAA=ramp()), ["ZZZ"], DAYS[0], DAYS[-1])
    with pytest.raises(ConfigurationError, match="no bar between 2030-01-01 and 2030-02-01"):
        lumibot_data(source_of(AAA=ramp()), ["AAA"], date(2030, 1, 1), date(2030, 2, 1))
    with pytest.raises(ConfigurationError, match="no bar between 1990-01-01 and 1990-02-01"):
        lumibot_data(source_of(AAA=ramp()), ["AAA"], date(1990, 1, 1), date(1990, 2, 1))
    with pytest.raises(ConfigurationError, match="before it starts"):
        run_backtest(Diary, source_of(AAA=ramp()), ["AAA"], DAYS[-1], DAYS[0])


def test_the_bundled_market_runs_over_a_special_early_close():
    seen: list[date] = []

    class Count(Strategy):
        def initialize(self) -> None:
            self.sleeptime = "1D"

        def on_trading_iteration(self) -> None:
            seen.append(self.get_datetime().date())

    run_backtest(Count, load_bundled(), ["IBM"], date(2005, 5, 31), date(2005, 6, 3))
    assert seen == list(session_dates(date(2005, 5, 31), date(2005, 6, 3)))
