"""Bull put spread: sell a put about 5 % below the market and buy one about 10 % below, on names that hold up; then manage it.

The strategy says where it sees an opportunity and how good it is. Which contracts, how many, at what credit, and everything
until the spread is gone, is the desk's: docs/options.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from desk.domain.decisions import Signal, Target
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book
from desk.indicators.rsi import RsiState
from desk.runtime.strategy import DeskStrategy
from options.gates import Opportunity

FAST_SESSIONS, SLOW_SESSIONS = 50, 200
NEAR_SESSIONS, FAR_SESSIONS = 21, 126
CALM_RATIO = 1.2
RSI_LENGTH = 14


@dataclass(frozen=True)
class BullPutSpreadParameters:
    """Settings of the block `spreads`; see docs/settings.md."""

    min_score: float = field(default=8.0, metadata={"doc": "smallest score, of ten, that is told to the desk"})


@dataclass(frozen=True, slots=True)
class Outlook:
    """How well a name holds up, in points of ten, and why."""

    points: float
    reason: str


class BullPutSpread(DeskStrategy):
    """Sells bull put spreads on names in a calm rise; the desk enters, manages and leaves them."""

    Parameters: ClassVar[type] = BullPutSpreadParameters
    settings_block: ClassVar[str | None] = "spreads"
    sleeptime_setting: ClassVar[str] = "1H"
    trades_options: ClassVar[bool] = True

    def prepare(self) -> None:
        given = self.settings
        self.rules = given if isinstance(given, BullPutSpreadParameters) else BullPutSpreadParameters()

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return ()

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        return opportunities(market, self.rules.min_score)


def opportunities(market: Market, min_score: float) -> list[Opportunity]:
    """Names whose outlook has at least so many points, the best first."""
    found: list[Opportunity] = []
    for symbol, bars in market.bars.items():
        seen = outlook(bars)
        if seen is not None and seen.points >= min_score:
            quote = market.quotes.get(symbol)
            price = None if quote is None else quote.last
            found.append(Opportunity(symbol, seen.points, seen.points / 10.0, price, seen.reason))
    return sorted(found, key=lambda each: (-(each.score or 0.0), each.underlying))


def outlook(bars: DailyBars) -> Outlook | None:
    """Points for a rise (4), an RSI that is neither stretched nor broken (3), and a calm market (3); None without history.

    A rise: the close above its average of 50 sessions, and that above the one of 200. Calm: the last month no wilder than 1.2
    times the last half-year, and no close of the last ten sessions more than 5 % below the one now.
    """
    close = bars.close
    if len(close) < SLOW_SESSIONS:
        return None
    # Wilder's smoothing has forgotten all but a millionth of what was before.
    rsi = RsiState.from_closes(close[-SLOW_SESSIONS:], RSI_LENGTH).value
    if rsi is None:
        return None
    fast, slow, last = float(close[-FAST_SESSIONS:].mean()), float(close[-SLOW_SESSIONS:].mean()), float(close[-1])
    near, far = _volatility(bars, NEAR_SESSIONS), _volatility(bars, FAR_SESSIONS)
    rise = 2.0 * (last > fast) + 2.0 * (fast > slow)
    balance = 3.0 if 45.0 <= rsi <= 65.0 else 1.5 if 35.0 <= rsi <= 75.0 else 0.0
    calm = 1.5 * (near <= far * CALM_RATIO) + 1.5 * (float(close[-10:].min()) >= last * 0.95)
    prices = f"close {last:.2f}, averages {fast:.2f} and {slow:.2f}"
    words = f"{prices}, RSI {rsi:.0f}, volatility {near:.0%} of late, {far:.0%} before"
    return Outlook(rise + balance + calm, words)


def _volatility(bars: DailyBars, sessions: int) -> float:
    """Of daily log returns, a fraction a year."""
    moves = np.diff(np.log(bars.close[-sessions - 1 :]))
    return float(moves.std() * np.sqrt(252.0))
