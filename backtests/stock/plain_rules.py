"""The showcase's rules as a Lumibot strategy of one's own would have them, with three ways to leave a position.

Once an hour: buy 15 % of the portfolio of what the RSI calls oversold; out at -5 %, at +15 % and after ten sessions; sell what
has grown beyond 15 %.
"""

from __future__ import annotations

from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import numpy as np
from lumibot.strategies import Strategy

from desk.indicators.rsi import RsiState

UNIVERSE = ("AAPL", "MSFT", "IBM", "GOOG", "FB")
RSI_LENGTH, OVERSOLD_RSI = 14, 30.0
# Wilder's averages never forget; after this many bars what came before weighs less than a thousandth of a point.
HISTORY_BARS = 250
POSITION_FRACTION = 0.15
STOP_FRACTION, TARGET_FRACTION = 0.05, 0.15
HELD_SESSIONS = 10


class ChecksPrices(Strategy):
    """Buys at the market, keeps no order at the broker and looks at the price once an hour."""

    def initialize(self) -> None:
        self.sleeptime = "1H"
        self.sessions_seen = 0
        self.entered_in: dict[str, int] = {}
        self.rsi: dict[str, RsiState] = {}

    def before_market_opens(self) -> None:
        self.sessions_seen += 1
        self.rsi.clear()

    def on_trading_iteration(self) -> None:
        positions = {position.asset.symbol: position for position in self.get_positions()}
        for symbol in UNIVERSE:
            price = self.get_last_price(symbol)
            position = positions.get(symbol)
            if price is None:
                continue  # not listed yet
            if position is not None:
                self.look_after(symbol, float(position.quantity), float(position.avg_fill_price), float(price))
            elif self.is_oversold(symbol, float(price)):
                self.entered_in[symbol] = self.sessions_seen
                self.buy(symbol, int(self.portfolio_value * POSITION_FRACTION / float(price)), float(price))

    def is_oversold(self, symbol: str, price: float) -> bool:
        """By the RSI of the daily closes, with the price as today's."""
        if symbol not in self.rsi:
            closes = self.get_historical_prices(symbol, HISTORY_BARS, "day").df["close"]
            self.rsi[symbol] = RsiState.from_closes(closes.to_numpy(np.float64), RSI_LENGTH)
        return self.rsi[symbol].with_last(price) <= OVERSOLD_RSI

    def look_after(self, symbol: str, shares: float, paid: float, price: float) -> None:
        excess = int(shares - self.portfolio_value * POSITION_FRACTION / price)
        held = self.sessions_seen - self.entered_in.setdefault(symbol, self.sessions_seen)  # found in the account: from now on
        if held >= HELD_SESSIONS or self.is_exit(paid, price):
            self.leave(symbol, shares)
        elif excess > 0:
            self.sell(symbol, excess)

    def sell(self, symbol: str, shares: float) -> None:
        self.submit_order(self.create_order(symbol, shares, "sell"))

    # ---- what the ways differ in ---------------------------------------------------------------------------------------

    def buy(self, symbol: str, shares: int, price: float) -> None:
        self.submit_order(self.create_order(symbol, shares, "buy"))

    def is_exit(self, paid: float, price: float) -> bool:
        return not 1 - STOP_FRACTION < price / paid < 1 + TARGET_FRACTION

    def leave(self, symbol: str, shares: float) -> None:
        self.sell(symbol, shares)


class LeavesExitsAtTheBroker(ChecksPrices):
    """What those have in common that do not look at the price: the broker holds the exits, and they go before one sells."""

    def is_exit(self, paid: float, price: float) -> bool:
        return False

    def leave(self, symbol: str, shares: float) -> None:
        for order in self.get_orders():
            if order.asset.symbol == symbol and order.is_active():
                self.cancel_order(order)
        self.sell(symbol, shares)


class SendsBrackets(LeavesExitsAtTheBroker):
    """Buys with a bracket."""

    def buy(self, symbol: str, shares: int, price: float) -> None:
        order = self.create_order(
            symbol,
            shares,
            "buy",
            order_class="bracket",
            secondary_limit_price=round(price * (1 + TARGET_FRACTION), 2),
            secondary_stop_price=round(price * (1 - STOP_FRACTION), 2),
        )
        self.submit_order(order)


class SendsStopAndLimit(LeavesExitsAtTheBroker):
    """Buys at the market and, when that is filled, sends a stop and a limit."""

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        if not order.is_buy_order():
            return
        stop, limit = round(price * (1 - STOP_FRACTION), 2), round(price * (1 + TARGET_FRACTION), 2)
        self.submit_order(self.create_order(order.asset, order.quantity, "sell", stop_price=stop))
        self.submit_order(self.create_order(order.asset, order.quantity, "sell", limit_price=limit))
