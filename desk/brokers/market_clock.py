"""Lumibot's questions about the time, answered by the desk's clock and calendar instead of the machine's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from lumibot.brokers import Alpaca

from desk.core.ports import Clock

NEW_YORK = ZoneInfo("America/New_York")
MarketHours = Callable[[datetime], tuple[datetime, datetime] | None]


class ClockedAlpaca(Alpaca):
    """Set `_desk_clock` and `_market_hours` before Lumibot's constructor runs."""

    _desk_clock: Clock
    _market_hours: MarketHours
    _schedules: dict[tuple[date, str, bool, bool], Any]

    def is_market_open(self) -> bool:
        return self._market_hours(self._desk_clock.now()) is not None

    def get_timestamp(self) -> float:
        return self._desk_clock.now().timestamp()

    def market_hours(self, market: str = "NASDAQ", close: bool = True, next: bool = False, date: Any = None) -> Any:
        """Opening or closing time of the session of now or the one after.

        Lumibot's loop asks three times a second and makes a schedule each time, a third of a processor all day; one a day does.
        """
        day = (date or self._desk_clock.now()).astimezone(NEW_YORK).date()
        asked = (day, market, close, next)
        if asked not in self._schedules:
            self._schedules = {key: value for key, value in self._schedules.items() if key[0] == day}
            self._schedules[asked] = super().market_hours(market, close, next, pd.Timestamp(day))
        return self._schedules[asked]
