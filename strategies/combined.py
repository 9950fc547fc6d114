"""Combined: buy what the RSI calls oversold and the meta-model trusts, with a stop and a target at the broker from the start.

What is bought leaves at the target, the stop or after a number of sessions; what grows too large is trimmed; a stretched market
is hedged with an inverse fund. The desk does the first two, `hedging/` says the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.market import DailyBars, FloatArray, Market
from desk.domain.trades import Book, Trade
from desk.indicators.rsi import RsiState, carried_rsi
from desk.model.gate import ConfidenceGate
from desk.model.health import HealthBounds
from desk.model.parameters import MetaParameters
from desk.model.store import ModelStore
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import ModelHealth
from desk.settings.spreads import SpreadSettings
from hedging.plan import HedgePlan, hedge
from options.gates import Opportunity
from strategies.bull_put_spread import opportunities


@dataclass(frozen=True)
class CombinedParameters:
    """Settings of the same names fill these; see docs/settings.md."""

    rsi_length: int = field(default=14, metadata={"doc": "daily bars in the RSI"})
    oversold_rsi: float = field(default=30.0, metadata={"doc": "RSI at or below which a name is bought"})
    stop_loss_fraction: float = field(default=0.05, metadata={"doc": "distance of the stop below the entry limit"})
    take_profit_fraction: float = field(default=0.15, metadata={"doc": "distance of the target above the entry limit"})
    time_barrier_sessions: int = field(default=10, metadata={"doc": "sessions after which a position is left at the market"})
    break_even_after_fraction: float | None = field(default=None, metadata={"doc": "gain that lifts the stop to the entry price"})
    trail_fraction: float | None = field(default=None, metadata={"doc": "distance at which the stop follows the market up"})
    max_position_fraction: float = field(default=0.15, metadata={"doc": "share of the portfolio in one position"})
    min_position_fraction: float = field(default=0.05, metadata={"doc": "the same for an entry at the threshold, when sized"})
    size_by_confidence: bool = field(default=False, metadata={"doc": "whether an entry grows with its confidence"})
    model_health: ModelHealth = field(default=ModelHealth(), metadata={"doc": "bounds beyond which a model is refused"})
    confidence_threshold: float = field(default=0.6, metadata={"doc": "smallest confidence that passes an entry"})
    spreads: SpreadSettings = field(default=SpreadSettings(), metadata={"doc": "bull put spreads beside the stocks"})
    fee_bps: float = field(default=1.0, metadata={"doc": "fees on each fill that the model's labels assume"})
    slippage_bps: float = field(default=5.0, metadata={"doc": "slippage on each fill that the model's labels assume"})

    def exit_rule(self) -> FixedExit:
        return FixedExit(
            self.stop_loss_fraction,
            self.take_profit_fraction,
            self.break_even_after_fraction,
            self.trail_fraction,
            self.time_barrier_sessions,
        )

    def meta(self) -> MetaParameters:
        """The trade that the meta-model judges: the very one that is placed."""
        return MetaParameters(
            oversold_rsi=self.oversold_rsi,
            rsi_length=self.rsi_length,
            stop_loss_fraction=self.stop_loss_fraction,
            take_profit_fraction=self.take_profit_fraction,
            time_barrier_sessions=self.time_barrier_sessions,
            cost_bps=2 * (self.fee_bps + self.slippage_bps),
            threshold=self.confidence_threshold,
        )


class Combined(DeskStrategy):
    """Buys oversold stocks that the meta-model trusts; target +15 %, stop -5 %, out after ten sessions."""

    Parameters: ClassVar[type] = CombinedParameters

    def prepare(self) -> None:
        self.rules: CombinedParameters = self.settings if isinstance(self.settings, CombinedParameters) else CombinedParameters()
        folder = self.surroundings.model_folder
        # Inverse funds would teach the model the mirror image of the market, so only the universe trains it.
        bounds = HealthBounds(**self.rules.model_health.model_dump())
        self.gate = ConfidenceGate(self.rules.meta(), ModelStore(folder) if folder else None, self.corridor.universe, bounds)
        self.rsi = RsiBySymbol(self.rules.rsi_length, self.surroundings.history)
        if self.surroundings.history is not None:
            self.gate.precompute(self.surroundings.history)

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        levels = self.rsi.levels(market)
        return [
            signal_of(symbol, level, self.gate.confidence(symbol, market), self.gate.silence(symbol))
            for symbol, level in oversold(levels, self.rules.oversold_rsi)
            if is_wanted(book.trades_of(symbol))
        ]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [target_for(signal, self.rules) for signal in signals]

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        return opportunities(market, self.rules.spreads.min_score) if self.rules.spreads.sleeve else ()

    def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
        rules = self.surroundings.hedge
        if rules is None or not (rules.is_on or any(rules.fund(trade.symbol) for trade in book.open.values())):
            return None
        return hedge(market, book, equity_usd, rules)


def is_wanted(trades: Sequence[Trade]) -> bool:
    """Whether a name may be bought: nothing of it is held, or no more than an entry that was cut short, whose rest is added."""
    # A trade that gave away lots holds less than it bought because it was trimmed.
    return all(not (trade.is_entry_working or trade.lots) and trade.entered * 2 < trade.spec.quantity for trade in trades)


def oversold(levels: Mapping[str, float], threshold: float) -> list[tuple[str, float]]:
    """Symbols whose RSI is at or below `threshold`, the lowest first: cash may not suffice for all."""
    low = [(symbol, level) for symbol, level in levels.items() if level <= threshold]
    return sorted(low, key=lambda pair: (pair[1], pair[0]))


def signal_of(symbol: str, level: float, confidence: float | None, silence: str) -> Signal:
    """An entry by the RSI with the model's word, or with the reason why the RSI decides alone."""
    words = f"RSI {level:.1f} alone, {silence}" if silence else f"RSI {level:.1f}"
    return Signal(symbol, Direction.LONG, words, confidence)


def entry_fraction(confidence: float | None, rules: CombinedParameters) -> float:
    """Share of the portfolio in an entry: the largest, or by its confidence between the smallest and the largest.

    The line runs from the threshold to a confidence of 1. Without a word of the model, or below the threshold (where the gate
    only reports), it is the smallest.
    """
    if not rules.size_by_confidence:
        return rules.max_position_fraction
    least = min(rules.min_position_fraction, rules.max_position_fraction)
    room = 1.0 - rules.confidence_threshold
    if confidence is None or room <= 0.0:
        return least
    share = min(max((confidence - rules.confidence_threshold) / room, 0.0), 1.0)
    return least + share * (rules.max_position_fraction - least)


def target_for(signal: Signal, rules: CombinedParameters) -> Target:
    """The position that a signal asks for, or none."""
    if signal.direction is Direction.FLAT:
        return Target(signal.symbol, Shares(0), rules.exit_rule(), signal.reason)
    amount = Weight(entry_fraction(signal.confidence, rules))
    return Target(signal.symbol, amount, rules.exit_rule(), signal.reason, signal.confidence)


NOTHING_KNOWN: tuple[FloatArray, Sequence[float | None]] = (np.empty(0), ())


class RsiBySymbol:
    """RSI of each symbol's daily closes with the current price, where there is one, as the last value.

    Wilder's smoothing is carried from session to session, so a look costs one step a symbol however long the history is. Of a
    backtest's whole `history` every step is taken once, before the first look.
    """

    def __init__(self, length: int, history: Mapping[str, DailyBars] | None = None) -> None:
        self._length = length
        self._states: dict[str, tuple[int, RsiState]] = {}
        self._known = {symbol: (bars.close, carried_rsi(bars.close, length)) for symbol, bars in (history or {}).items()}

    def levels(self, market: Market) -> dict[str, float]:
        """RSI by symbol; symbols with too little history are left out."""
        found: dict[str, float] = {}
        for symbol, bars in market.bars.items():
            quote = market.quotes.get(symbol)
            level = self._at_close(symbol, bars, market) if quote is None else self._at(quote.last, symbol, market)
            if level is not None:
                found[symbol] = level
        return found

    def _at_close(self, symbol: str, bars: DailyBars, market: Market) -> float | None:
        close, levels = self._known.get(symbol, NOTHING_KNOWN)
        place = len(bars) - 1
        if 0 <= place < len(levels) and bars.close[place] == close[place]:
            return levels[place]
        return self._state(symbol, market).value

    def _at(self, price: float, symbol: str, market: Market) -> float | None:
        state = self._state(symbol, market)
        return None if state.value is None else state.with_last(price)

    def _state(self, symbol: str, market: Market) -> RsiState:
        close = market.bars[symbol].close
        count, state = self._states.get(symbol, (0, None))
        # A last close other than the one carried means that the past was rescaled (a split): begin again.
        if state is None or len(close) < count or state.last_close != close[count - 1]:
            state = RsiState.from_closes(close, self._length)
        else:
            for price in close[count:]:
                state = state.pushed(float(price))
        self._states[symbol] = (len(close), state)
        return state
