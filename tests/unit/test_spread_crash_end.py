"""The end of a schedule of option spreads: while the market is open a desk lives, so that exits that rest there are never news
to nobody."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from desk.data import calendars

BACKTESTS = Path(__file__).parents[2] / "backtests"
DAY = datetime(2021, 3, 29, tzinfo=UTC)  # the session is from 13:30 to 20:00
TOLD = datetime(2021, 3, 30, 10, 0, tzinfo=UTC)
EASTER_FRIDAY = datetime(2021, 4, 2, 17, 0, tzinfo=UTC)
HALF_DAY = datetime(2021, 11, 26, 20, 45, tzinfo=UTC)  # closed at 18:00


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BACKTESTS))
    return importlib.import_module


class Exchange:
    """A clock that goes where it is told."""

    def __init__(self, now: datetime) -> None:
        self.time = now
        self.admin = self

    def status(self) -> dict[str, str]:
        return {"now": self.time.isoformat()}

    def advance(self, to: datetime) -> Any:
        self.time = to
        return SimpleNamespace(reached=True)

    # As the stage and the clock of a life.
    move_to = advance

    def now(self) -> datetime:
        return self.time

    def settle(self) -> None:
        pass


def judged_at(crash: Any, last_life_ended: datetime, folder: Path) -> datetime:
    exchange = Exchange(last_life_ended)
    schedule = SimpleNamespace(seed=1, assignments=())
    crash("crash.spread_worker").SpreadPlaying(schedule, None, folder, exchange, 1.0)._judge()
    return exchange.time


@pytest.mark.parametrize("ended", [DAY + timedelta(minutes=each) for each in range(0, 24 * 60, 120)] + [EASTER_FRIDAY, HALF_DAY])
def test_no_market_is_open_between_the_last_life_and_the_judge(crash: Any, ended: datetime, tmp_path: Path) -> None:
    judged = judged_at(crash, ended, tmp_path)
    sessions = calendars.sessions(ended.date(), judged.date())
    assert all(judged <= each.opens_at or ended >= each.closes_at or judged == ended for each in sessions)


@pytest.mark.parametrize("minutes", [0, 1, 240])
def test_fees_that_a_close_took_are_told_when_the_judge_asks(crash: Any, minutes: int, tmp_path: Path) -> None:
    assert judged_at(crash, DAY + timedelta(hours=20, minutes=minutes), tmp_path) == TOLD


@pytest.mark.parametrize("hour", [14, 17])
def test_the_last_life_goes_on_until_the_market_is_shut(crash: Any, hour: int, tmp_path: Path) -> None:
    exchange = Exchange(DAY + timedelta(hours=hour))
    schedule = SimpleNamespace(moments=(), assignments=(), ends_flat=False)
    life: Any = crash("crash.spread_life").SpreadLife(schedule, None, tmp_path)
    life.clock = life.stage = exchange
    life.strategy, life.executor = SimpleNamespace(), SimpleNamespace(iterate=lambda: None)
    life.desk = SimpleNamespace(spreads=SimpleNamespace(open={}, every_contract=set))
    life._settle(SimpleNamespace(rows=lambda *kinds: ()))
    closed = [each.closes_at for each in calendars.sessions(DAY.date(), exchange.time.date())][-1]
    assert closed < exchange.time < closed + timedelta(minutes=5)
