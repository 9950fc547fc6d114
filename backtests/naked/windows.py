"""What the exchange's own books say of shares that stood without an exit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Window:
    """Shares of one symbol that stood bare without a break."""

    symbol: str
    since: datetime
    until: datetime
    most_shares: float
    share_seconds: float

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


def windows_of(report: Mapping[str, Any], now: datetime) -> list[Window]:
    """All windows of a report, in order of their beginnings; one that still goes on ends `now`.

    Raises RuntimeError when the exchange kept only the newest.
    """
    said = report["unprotected_windows"]
    if len(said) < report["unprotected_window_count"]:
        raise RuntimeError(f"{report['unprotected_window_count']} windows, {len(said)} of them kept: measure less at once")
    return [
        Window(
            each["symbol"],
            moment(each["from"]),
            now if each["to"] is None else moment(each["to"]),
            each["most_shares"],
            each["share_seconds"],
        )
        for each in said
    ]


def moment(text: str) -> datetime:
    """An instant as the exchange writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
