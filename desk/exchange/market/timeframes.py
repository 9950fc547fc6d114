"""Timeframes of bars: how long one bar is, and in which one an instant or a day falls.

https://docs.alpaca.markets/reference/stockbars: 1 to 59 minutes, 1 to 23 hours, a day, a week, 1, 2, 3, 4, 6 or 12 months.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from desk.exchange.market.path import IntArray

Days = NDArray[np.datetime64]
TEXT = re.compile(r"^(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)$")
SECONDS_A_DAY = 86_400
MONDAY = 3  # 1970-01-01 was a Thursday


class Unit(StrEnum):
    MINUTE = "T"
    HOUR = "H"
    DAY = "D"
    WEEK = "W"
    MONTH = "M"


UNITS = {
    **{unit.value: unit for unit in Unit},
    "Min": Unit.MINUTE,
    "Hour": Unit.HOUR,
    "Day": Unit.DAY,
    "Week": Unit.WEEK,
    "Month": Unit.MONTH,
}
STEPS = {
    Unit.MINUTE: frozenset(range(1, 60)),
    Unit.HOUR: frozenset(range(1, 24)),
    Unit.DAY: frozenset({1}),
    Unit.WEEK: frozenset({1}),
    Unit.MONTH: frozenset({1, 2, 3, 4, 6, 12}),
}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """`step` of `unit` make one bar."""

    step: int
    unit: Unit

    @property
    def is_intraday(self) -> bool:
        return self.unit in (Unit.MINUTE, Unit.HOUR)

    @property
    def seconds(self) -> int:
        """Length of an intraday bar."""
        return self.step * (60 if self.unit is Unit.MINUTE else 3600)

    def start_of(self, at: IntArray) -> IntArray:
        """The openings (epoch seconds) of the intraday bars that epoch seconds `at` fall in.

        Bars of 4 hours start at 00:00, 04:00, 08:00 and so on, UTC, and those of other lengths alike, afresh every day
        (https://forum.alpaca.markets/t/14632).
        """
        of_day = at % SECONDS_A_DAY
        return at - of_day % self.seconds

    def first_day(self, days: Days) -> Days:
        """The first days of the daily, weekly or monthly bars that `days` fall in: Mondays, first days of months."""
        if self.unit is Unit.WEEK:
            since = days.astype("datetime64[D]").astype(np.int64)
            return (since - (since + MONDAY) % 7).astype("datetime64[D]")
        if self.unit is Unit.MONTH:
            months = days.astype("datetime64[M]").astype(np.int64)
            return (months - months % self.step).astype("datetime64[M]").astype("datetime64[D]")
        return days.astype("datetime64[D]")


MINUTE = Timeframe(1, Unit.MINUTE)
DAY = Timeframe(1, Unit.DAY)


def parse_timeframe(text: str) -> Timeframe | None:
    """The timeframe that `text` names, such as 15Min, 1H, 1Day, 3Month; None when it names none."""
    found = TEXT.match(text)
    if found is None:
        return None
    step, unit = int(found[1]), UNITS[found[2]]
    return Timeframe(step, unit) if step in STEPS[unit] else None
