"""How often a strategy is asked: the person's sleeptime, and the strategy's own."""

from __future__ import annotations

from desk.runtime.strategy import DeskStrategy

SECONDS_OF = {"S": 1, "M": 60, "H": 3600, "D": 86_400}


def period_seconds(sleeptime: str) -> int:
    """Seconds of a Lumibot sleeptime such as 1H, 30M or 1D."""
    return int(sleeptime[:-1]) * SECONDS_OF[sleeptime[-1].upper()]


def sleeptime_for(setting: str, strategy_class: type) -> str:
    """The person's sleeptime; the strategy's own where its bars come more often than the person wants to look."""
    if not issubclass(strategy_class, DeskStrategy) or strategy_class.bar_seconds is None:
        return setting
    return min(setting, strategy_class.sleeptime_setting, key=period_seconds)
