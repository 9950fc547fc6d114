"""How often a strategy is asked: the person's sleeptime, and the strategy's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from desk.runtime.strategy import DeskStrategy

SECONDS_OF = {"S": 1, "M": 60, "T": 60, "H": 3600, "D": 86_400}
# A strategy is due a little early rather than an iteration late: iterations jitter by a second or two.
EARLY = timedelta(seconds=5)


def period_seconds(sleeptime: str | int) -> int:
    """Seconds of a Lumibot sleeptime such as 1H, 30M or 1D; a number alone is minutes."""
    if isinstance(sleeptime, int):
        return sleeptime * SECONDS_OF["M"]
    return int(sleeptime[:-1]) * SECONDS_OF[sleeptime[-1].upper()]


def bar_seconds_of(strategy_class: type) -> int | None:
    """Length of the shortest bars that a strategy looks at; None for days alone, and for a plain Lumibot strategy."""
    return strategy_class.bar_seconds if issubclass(strategy_class, DeskStrategy) else None


def sleeptime_for(setting: str, strategy_class: type) -> str:
    """The person's sleeptime; the strategy's own where its bars come more often than the person wants to look."""
    if not issubclass(strategy_class, DeskStrategy) or strategy_class.bar_seconds is None:
        return setting
    return min(setting, strategy_class.sleeptime_setting, key=period_seconds)


@dataclass(frozen=True, slots=True)
class Look:
    """When a strategy was asked: `at` (aware), in a session."""

    at: datetime
    session: date

    def is_followed_by(self, now: Look, sleeptime: str | int) -> bool:
        """Whether a strategy of this `sleeptime` that was asked here is to be asked again `now`; days count by their date."""
        seconds = period_seconds(sleeptime)
        if seconds >= SECONDS_OF["D"]:
            return (now.session - self.session).days * SECONDS_OF["D"] >= seconds
        return now.at - self.at >= timedelta(seconds=seconds) - EARLY
