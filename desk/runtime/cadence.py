"""How often a strategy is asked: the person's sleeptime, and the strategy's own."""

from __future__ import annotations

SECONDS_OF = {"S": 1, "M": 60, "H": 3600, "D": 86_400}


def period_seconds(sleeptime: str) -> int:
    """Seconds of a Lumibot sleeptime such as 1H, 30M or 1D."""
    return int(sleeptime[:-1]) * SECONDS_OF[sleeptime[-1].upper()]


def sleeptime_for(setting: str, strategy_class: type) -> str:
    """The person's sleeptime; the strategy's own where its bars come more often than the person wants to look."""
    if getattr(strategy_class, "bar_seconds", None) is None:
        return setting
    own: str = strategy_class.sleeptime_setting  # type: ignore[attr-defined]  # a DeskStrategy, since it has bars
    return min(setting, own, key=period_seconds)
