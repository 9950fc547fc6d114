"""VWAP: buy when the price takes back the session's volume-weighted average on volume, leave below it, end the day flat.

The average begins anew with each session and says little at first, so nothing is bought in the opening minutes, nor late in the
day. Every entry carries its stop and its target to the broker, at multiples of the average true range of daily bars; a position
that could not be sold before the close leaves in the next session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar

from desk.core.intraday import current_bars, may_enter, may_leave
from desk.data import calendars
from desk.domain.decisions import AtrExit, Direction, Shares, Signal, Target, Weight
from desk.domain.errors import ConfigurationError
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.indicators.carried import Bar, Carried
from desk.indicators.volume import RelativeVolumeState
from desk.indicators.vwap import VwapState
from desk.runtime.strategy import DeskStrategy

BAR_SECONDS = 60
# Minutes without a trade are common on one venue's tape; after ten of them the price of now is not known.
MINUTES_MISSED = 10
# Out after the session of the entry, should the sale before its close have failed.
SESSIONS_HELD = 1


@dataclass(frozen=True)
class VwapParameters:
    """Settings of the same names fill these, those of the block `vwap` first; see docs/settings.md."""

    settle_minutes: int = field(default=30, metadata={"doc": "minutes after the opening without entries"})
    last_entry_minutes: int = field(default=60, metadata={"doc": "minutes before the close from which nothing is bought"})
    flat_minutes: int = field(default=10, metadata={"doc": "minutes before the close at which everything is sold"})
    reclaim_minutes: int = field(default=5, metadata={"doc": "minutes for which a close above the average counts as new"})
    volume_minutes: int = field(default=20, metadata={"doc": "minutes before the reclaim whose mean volume is usual"})
    volume_multiple: float = field(default=1.5, metadata={"doc": "volume of the reclaim as a multiple of the usual one"})
    lost_fraction: float = field(default=0.003, metadata={"doc": "distance below the average at which a position is left"})
    stop_atr_multiple: float = field(default=0.5, metadata={"doc": "distance of the stop in average true ranges of a day"})
    target_atr_multiple: float = field(default=1.0, metadata={"doc": "distance of the target in average true ranges of a day"})
    atr_length: int = field(default=14, metadata={"doc": "daily bars in the average true range"})
    max_position_fraction: float = field(default=0.15, metadata={"doc": "share of the portfolio in one position"})

    def __post_init__(self) -> None:
        if self.volume_minutes < 1:
            raise ConfigurationError(f"volume_minutes {self.volume_minutes}: give a whole number, 1 or more")
        if not 0 < self.flat_minutes <= self.last_entry_minutes:
            raise ConfigurationError(
                f"flat_minutes {self.flat_minutes} and last_entry_minutes {self.last_entry_minutes}: "
                "entries have to end no later than positions, and both before the close"
            )

    def exit_rule(self) -> AtrExit:
        return AtrExit(self.stop_atr_multiple, self.target_atr_multiple, self.atr_length, time_barrier_sessions=SESSIONS_HELD)


class Vwap(DeskStrategy):
    """Buys stocks that take back the session's VWAP on volume; leaves when it is lost, and ends every session flat."""

    Parameters: ClassVar[type] = VwapParameters
    settings_block: ClassVar[str | None] = "vwap"
    bar_seconds: ClassVar[int | None] = BAR_SECONDS
    sleeptime_setting: ClassVar[str] = "1M"

    def prepare(self) -> None:
        self.rules: VwapParameters = self.settings if isinstance(self.settings, VwapParameters) else VwapParameters()
        self.watched = Carried(Reclaim.of(self.rules), pushed)

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        phase = phase_of(market, self.rules)
        # Without bars a position still has to be sold before the close, hence the daily bars' symbols.
        found = (self._signal(symbol, market, book, phase) for symbol in market.bars)
        return [signal for signal in found if signal is not None]

    def _signal(self, symbol: str, market: Market, book: Book, phase: Phase) -> Signal | None:
        bars = current_bars(market, symbol, BAR_SECONDS, MINUTES_MISSED)
        seen = Reclaim.of(self.rules) if bars is None else self.watched.state(symbol, bars)
        if may_leave(book, symbol):
            why = why_to_leave(seen, market.session, phase, self.rules)
            return None if why is None else Signal(symbol, Direction.FLAT, why)
        if not phase.allows_entries or not is_reclaimed(seen, market.session, self.rules):
            return None
        is_wanted = may_enter(book, symbol, market.session)
        return Signal(symbol, Direction.LONG, seen.text) if is_wanted else None

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [target_for(signal, self.rules) for signal in signals]


@dataclass(frozen=True, slots=True)
class Phase:
    """What the time of the session allows."""

    allows_entries: bool
    is_ending: bool


def phase_of(market: Market, rules: VwapParameters) -> Phase:
    """The phase at the market's `now`; half days end early. Outside of a session neither."""
    session = calendars.session_on(market.session)
    if session is None:
        return Phase(False, False)
    first = session.opens_at + timedelta(minutes=rules.settle_minutes)
    last = session.closes_at - timedelta(minutes=rules.last_entry_minutes)
    flat = session.closes_at - timedelta(minutes=rules.flat_minutes)
    return Phase(first <= market.now < last, flat <= market.now < session.closes_at)


@dataclass(frozen=True, slots=True)
class Reclaim:
    """The session's average, and how the closes lie to it.

    `minutes_above` counts the bars since the close came back above after it had been below, 0 while it is not; `volume` is that
    of the bar which brought it back, as a multiple of the usual one, None when that is not known.
    """

    vwap: VwapState
    usual: RelativeVolumeState
    close: float = 0.0
    was_below: bool = False
    minutes_above: int = 0
    volume: float | None = None

    @staticmethod
    def of(rules: VwapParameters) -> Reclaim:
        return Reclaim(VwapState(), RelativeVolumeState(rules.volume_minutes))

    @property
    def text(self) -> str:
        return (
            f"close {self.close:.2f} back above VWAP {self.vwap.value or 0:.2f} on {self.volume or 0:.1f} times the usual volume"
        )


def pushed(before: Reclaim, bar: Bar) -> Reclaim:
    """The state one minute later; a new session begins without a past."""
    vwap = before.vwap.pushed(bar.start, bar.high, bar.low, bar.close, bar.volume)
    is_new = vwap.day != before.vwap.day
    past = RelativeVolumeState(before.usual.length) if is_new else before.usual
    was_below, minutes = (False, 0) if is_new else (before.was_below, before.minutes_above)
    usual = past.pushed(bar.volume)
    if vwap.value is None or bar.close <= vwap.value:
        return Reclaim(vwap, usual, bar.close, was_below=vwap.value is not None)
    if minutes == 0 and was_below:
        return Reclaim(vwap, usual, bar.close, True, 1, past.of(bar.volume))
    return Reclaim(vwap, usual, bar.close, was_below, minutes + 1 if minutes else 0, before.volume if minutes else None)


def is_reclaimed(seen: Reclaim, session: date, rules: VwapParameters) -> bool:
    """Whether the price took the average back just now, on enough volume."""
    is_new = seen.vwap.day == session and 1 <= seen.minutes_above <= rules.reclaim_minutes
    return is_new and seen.volume is not None and seen.volume >= rules.volume_multiple


def why_to_leave(seen: Reclaim, session: date, phase: Phase, rules: VwapParameters) -> str | None:
    """Why what is held is to be sold now; None when it stays."""
    if phase.is_ending:
        return "the session ends"
    average = seen.vwap.value
    if average is None or seen.vwap.day != session or seen.close >= average * (1 - rules.lost_fraction):
        return None
    return f"close {seen.close:.2f} below VWAP {average:.2f}"


def target_for(signal: Signal, rules: VwapParameters) -> Target:
    """The position that a signal asks for: the largest allowed, or none."""
    amount = Shares(0) if signal.direction is Direction.FLAT else Weight(rules.max_position_fraction)
    return Target(signal.symbol, amount, rules.exit_rule(), signal.reason)
