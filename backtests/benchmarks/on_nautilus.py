"""The rules written plainly in Python on NautilusTrader (`pip install nautilus-trader==1.221.0`, the `bench` extra).

A bar comes to the strategy at its close, and the simulated venue's only price is then that close: a limit above it, and a sale at
the market, fill there at once, where the others fill at the next open. So the night between counts for the position from the
first day on, and no entry is left unfilled. An entry is known by the bar after the one it filled at, as with the others.
The cash account refuses what it cannot pay for; brackets are its own contingent orders (the entry triggers both exits, either
exit cancels the other).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from math import floor
from time import perf_counter
from typing import Any

import pandas as pd
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.indicators import MovingAverageType, RelativeStrengthIndex
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, OrderType, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

from benchmarks import minute_market, rules
from benchmarks.minute_market import moment_of
from benchmarks.rules import Outcome, Task

VENUE = Venue("SIM")


class PlainRsi(Strategy):
    """What a user of NautilusTrader writes; it decides when the last symbol's bar of a moment has come."""

    def __init__(self, bar_types: list[BarType], index: pd.DatetimeIndex, first: int) -> None:
        super().__init__()
        self.bar_types = bar_types
        self.index = index
        self.first = first
        self.number = 0
        self.rsi = {each.instrument_id: RelativeStrengthIndex(rules.RSI_LENGTH, MovingAverageType.WILDER) for each in bar_types}
        self.closes: dict[InstrumentId, float] = {}
        self.entered_in: dict[InstrumentId, int] = {}
        self.entries: set[tuple[str, date]] = set()

    def on_start(self) -> None:
        for bar_type in self.bar_types:
            self.register_indicator_for_bars(bar_type, self.rsi[bar_type.instrument_id])
            self.subscribe_bars(bar_type)

    def on_bar(self, bar: Bar) -> None:
        self.closes[bar.bar_type.instrument_id] = float(bar.close)
        if bar.bar_type != self.bar_types[-1]:
            return
        self.number += 1
        if self.number >= self.first:
            self.decide()

    def decide(self) -> None:
        low = []
        for instrument_id, rsi in self.rsi.items():
            if self.portfolio.is_net_long(instrument_id):
                self.leave_if_overdue(instrument_id)
            elif rsi.value * 100 <= rules.OVERSOLD_RSI and not self.cache.orders_inflight(instrument_id=instrument_id):
                low.append((rsi.value, instrument_id))
        if low:
            self.enter(sorted(low))

    def leave_if_overdue(self, instrument_id: InstrumentId) -> None:
        if self.number - self.entered_in[instrument_id] >= rules.TIME_BARRIER_SESSIONS:
            self.cancel_all_orders(instrument_id)
            self.close_all_positions(instrument_id)

    def enter(self, low: list[tuple[float, InstrumentId]]) -> None:
        cash, worth = self.portfolio.account(VENUE).balance_free(USD).as_double(), self.worth_usd()
        for _, instrument_id in low:
            prices = rules.bracket_at(self.closes[instrument_id])
            shares = floor(rules.MAX_POSITION_FRACTION * worth / prices.limit)
            if shares == 0 or shares * prices.limit > cash:
                continue
            cash -= shares * prices.limit
            bracket = self.order_factory.bracket(
                instrument_id,
                OrderSide.BUY,
                Quantity.from_int(shares),
                entry_order_type=OrderType.LIMIT,
                entry_price=Price(prices.limit, 2),
                time_in_force=TimeInForce.GTC,
                tp_price=Price(prices.target, 2),
                sl_trigger_price=Price(prices.stop, 2),
            )
            self.submit_order_list(bracket)

    def on_order_filled(self, event: Any) -> None:
        if event.order_side == OrderSide.BUY:
            self.entered_in[event.instrument_id] = self.number
            following = self.index[min(self.number, len(self.index) - 1)]
            self.entries.add((event.instrument_id.symbol.value, moment_of(following)))

    def worth_usd(self) -> float:
        """Cash, and what is held at its last close."""
        held = sum(float(each.quantity) * self.closes[each.instrument_id] for each in self.cache.positions_open())
        return float(self.portfolio.account(VENUE).balance_total(USD).as_double()) + held


def simulate(frames: Mapping[str, pd.DataFrame], first: int) -> Outcome:
    """Trade all frames together from bar number `first` on."""
    index = next(iter(frames.values())).index
    is_daily = index[0] == index[0].normalize()
    began = perf_counter()
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True))
    )
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.CASH, [Money(rules.BUDGET_USD, USD)], base_currency=USD, use_random_ids=False
    )
    bar_types = [_add(engine, symbol, frame, is_daily, symbol == [*frames][-1]) for symbol, frame in frames.items()]
    strategy = PlainRsi(bar_types, index, first)
    engine.add_strategy(strategy)
    engine.run()
    final_usd = strategy.worth_usd()
    seconds = perf_counter() - began
    engine.dispose()
    return Outcome(seconds, frozenset(strategy.entries), final_usd)


def _add(engine: BacktestEngine, symbol: str, frame: pd.DataFrame, is_daily: bool, is_last: bool) -> BarType:
    instrument = _equity(symbol)
    engine.add_instrument(instrument)
    bar_type = BarType.from_str(f"{instrument.id}-1-{'DAY' if is_daily else 'MINUTE'}-LAST-EXTERNAL")
    # A bar is stamped when it is complete.
    closes_at = frame.index.tz_localize("UTC") + (pd.Timedelta(hours=21) if is_daily else pd.Timedelta(minutes=1))
    engine.add_data(BarDataWrangler(bar_type, instrument).process(frame.set_axis(closes_at)), sort=is_last)
    return bar_type


def _equity(symbol: str) -> Equity:
    fee = Decimal(str(rules.FEE_BPS)) / 10_000
    return Equity(
        instrument_id=InstrumentId(Symbol(symbol), VENUE),
        raw_symbol=Symbol(symbol),
        currency=USD,
        price_precision=2,
        price_increment=Price.from_str("0.01"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        maker_fee=fee,
        taker_fee=fee,
    )


def run(task: Task) -> Outcome:
    return simulate(rules.frames(task), rules.WARM_UP_SESSIONS)


def run_minutes(task: Task) -> Outcome:
    return simulate(minute_market.frames(task), minute_market.WARM_UP_BARS)
