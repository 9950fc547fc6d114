"""Volume breakout: buy a close above the highest high of the hours before it, when much more than usual was traded.

What is usual is the mean volume of the same hour in the sessions before: the first and the last hour of a session always trade
most, and a mean of the hours before would find a breakout there every day. Every entry carries its stop and its target to the
broker, at multiples of the average true range of daily bars; there is no other way out but time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from types import MappingProxyType
from typing import ClassVar
from zoneinfo import ZoneInfo

from desk.core.intraday import current_bars, may_enter
from desk.domain.decisions import AtrExit, Direction, Shares, Signal, Target, Weight
from desk.domain.errors import ConfigurationError
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.indicators.carried import Bar, Carried
from desk.indicators.volume import HighestHighState, RelativeVolumeState
from desk.runtime.strategy import DeskStrategy

NEW_YORK = ZoneInfo("America/New_York")
BAR_SECONDS = 3600


@dataclass(frozen=True)
class VolumeBreakoutParameters:
    """Settings of the same names fill these, those of the block `volume_breakout` first; see docs/settings.md."""

    channel_bars: int = field(default=20, metadata={"doc": "hourly bars whose highest high a close has to exceed"})
    volume_sessions: int = field(default=10, metadata={"doc": "sessions whose same hour says what volume is usual"})
    volume_multiple: float = field(default=1.5, metadata={"doc": "volume of the breakout as a multiple of the usual one"})
    stop_atr_multiple: float = field(default=2.0, metadata={"doc": "distance of the stop in average true ranges of a day"})
    target_atr_multiple: float = field(default=4.0, metadata={"doc": "distance of the target in average true ranges of a day"})
    trail_atr_multiple: float | None = field(default=None, metadata={"doc": "average true ranges at which the stop follows up"})
    atr_length: int = field(default=14, metadata={"doc": "daily bars in the average true range"})
    time_barrier_sessions: int = field(default=10, metadata={"doc": "sessions after which a position is left at the market"})
    max_position_fraction: float = field(default=0.15, metadata={"doc": "share of the portfolio in one position"})

    def __post_init__(self) -> None:
        for name in ("channel_bars", "volume_sessions"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} {getattr(self, name)}: give a whole number, 1 or more")

    def exit_rule(self) -> AtrExit:
        return AtrExit(
            self.stop_atr_multiple,
            self.target_atr_multiple,
            self.atr_length,
            trail_multiple=self.trail_atr_multiple,
            time_barrier_sessions=self.time_barrier_sessions,
        )


class VolumeBreakout(DeskStrategy):
    """Buys hourly closes above the channel of highs on unusual volume; stop and target at multiples of the daily range."""

    Parameters: ClassVar[type] = VolumeBreakoutParameters
    settings_block: ClassVar[str | None] = "volume_breakout"
    bar_seconds: ClassVar[int | None] = BAR_SECONDS
    sleeptime_setting: ClassVar[str] = "5M"  # Lumibot counts from whenever it begins, so a bar is seen minutes after its end

    def prepare(self) -> None:
        self.rules: VolumeBreakoutParameters = (
            self.settings if isinstance(self.settings, VolumeBreakoutParameters) else VolumeBreakoutParameters()
        )
        self.channels = Carried(Channel.of(self.rules), pushed)

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        found = (self._signal(symbol, market, book) for symbol in market.intraday)
        return [signal for signal in found if signal is not None]

    def _signal(self, symbol: str, market: Market, book: Book) -> Signal | None:
        bars = current_bars(market, symbol, BAR_SECONDS)
        if bars is None:
            return None
        last = self.channels.state(symbol, bars).last
        if not is_breakout(last, self.rules) or not may_enter(book, symbol, market.session):
            return None
        return Signal(symbol, Direction.LONG, last.text)

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [target_for(signal, self.rules) for signal in signals]


@dataclass(frozen=True, slots=True)
class LastBar:
    """The last bar's close in dollars beside the highest high before it, and its volume as a multiple of the usual one; None
    where there is not enough history."""

    close: float = 0.0
    highest: float | None = None
    volume: float | None = None

    @property
    def text(self) -> str:
        return f"close {self.close:.2f} above {self.highest or 0:.2f} on {self.volume or 0:.1f} times the usual volume"


@dataclass(frozen=True, slots=True)
class Channel:
    """What the next bar is compared with: the highs before it, and the volumes of each time of the day."""

    highs: HighestHighState
    no_volumes: RelativeVolumeState
    volumes: Mapping[time, RelativeVolumeState] = field(default_factory=lambda: MappingProxyType({}))
    last: LastBar = LastBar()

    @staticmethod
    def of(rules: VolumeBreakoutParameters) -> Channel:
        return Channel(HighestHighState(rules.channel_bars), RelativeVolumeState(rules.volume_sessions))


def pushed(before: Channel, bar: Bar) -> Channel:
    """The channel one bar later."""
    at = datetime.fromtimestamp(bar.start, NEW_YORK).time()
    usual = before.volumes.get(at, before.no_volumes)
    return Channel(
        before.highs.pushed(bar.high),
        before.no_volumes,
        MappingProxyType({**before.volumes, at: usual.pushed(bar.volume)}),
        LastBar(bar.close, before.highs.value, usual.of(bar.volume)),
    )


def is_breakout(last: LastBar, rules: VolumeBreakoutParameters) -> bool:
    """Whether the bar closed above the channel on enough volume; no without enough history to say."""
    if last.highest is None or last.volume is None:
        return False
    return last.close > last.highest and last.volume >= rules.volume_multiple


def target_for(signal: Signal, rules: VolumeBreakoutParameters) -> Target:
    """The position that a signal asks for: the largest allowed, or none."""
    amount = Shares(0) if signal.direction is Direction.FLAT else Weight(rules.max_position_fraction)
    return Target(signal.symbol, amount, rules.exit_rule(), signal.reason)
