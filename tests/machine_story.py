"""A book with a clock and a market, so that a test of the matching reads as a story. Found beside tests/conftest.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from desk.exchange.machine.book import Book, Holding, multiplier
from desk.exchange.machine.commands import Cancel, Replace, Submit, Tick
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import Amendment, Event, Exit, Leg, Order, Quote, Ticket
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, TimeInForce

OPEN = datetime(2008, 9, 2, 13, 30, tzinfo=UTC)
CLOSE = datetime(2008, 9, 2, 20, 0, tzinfo=UTC)
UNITS_PER_CENT = 100
BUY, SELL = Side.BUY, Side.SELL
# Two puts and a call on ABC that expire a week later.
PUT_95, PUT_90, CALL_105 = "ABC080909P00095000", "ABC080909P00090000", "ABC080909C00105000"


def quote(cents: int, spread: int = 2) -> Quote:
    """A market around the last trade; a cent on either side of it unless told otherwise."""
    half = spread * UNITS_PER_CENT // 2
    return Quote(cents * UNITS_PER_CENT - half, cents * UNITS_PER_CENT + half, cents * UNITS_PER_CENT)


class Desk:
    """One account. `tick` moves time and prices together, in cents; everything else happens at the present instant."""

    def __init__(self, partial: float = 0.0, seed: int = 1, is_cash_account: bool = False, **settings: Any) -> None:
        self.book = Book(seed, Decimal(100_000), partial, is_cash_account=is_cash_account, **settings)
        self.at = OPEN

    # asking

    def send(self, works_now: bool = True, **fields: Any) -> Order:
        defaults = {"symbol": "ABC", "side": BUY, "type": OrderType.MARKET, "order_class": OrderClass.SIMPLE}
        given = {**defaults, "time_in_force": TimeInForce.GTC, "quantity": 10, **fields}
        for name in ("quantity", "notional", "limit_price", "stop_price", "trail_price", "trail_percent", "collar_price"):
            if given.get(name) is not None:
                given[name] = Decimal(str(given[name]))
        ends = CLOSE if given["time_in_force"] is not TimeInForce.GTC else OPEN + timedelta(days=90)
        ends = given.pop("expires_at", ends)
        known = len(self.book.orders)
        apply(self.book, Submit(Ticket(**given), self.at, works_now, ends))
        return list(self.book.orders.values())[known]

    def limit(self, price: object, **fields: Any) -> Order:
        return self.send(type=OrderType.LIMIT, limit_price=price, **fields)

    def stop(self, price: object, **fields: Any) -> Order:
        return self.send(type=OrderType.STOP, stop_price=price, **fields)

    def own(self, shares: int = 10, cents: int = 10_000, symbol: str = "ABC") -> None:
        """Start with a position, long or short, as if it had been there yesterday."""
        self.book.hold(symbol, Holding(Decimal(shares), Decimal(shares * cents * multiplier(symbol)) / 100))

    def bracket(self, target: object = "110", stop: object = "95", stop_limit: object = None, **fields: Any) -> list[Order]:
        """Entry, take-profit and stop-loss."""
        exits = {"take_profit": exit_at(limit=target), "stop_loss": exit_at(limit=stop_limit, stop=stop)}
        return self.group(self.send(**{"order_class": OrderClass.BRACKET, **exits, **fields}))

    def oco(self, target: object = "110", stop: object = "95", stop_limit: object = None, **fields: Any) -> list[Order]:
        """Take-profit and stop-loss."""
        exits = {"take_profit": exit_at(limit=target), "stop_loss": exit_at(limit=stop_limit, stop=stop)}
        return self.group(self.send(**{"side": SELL, "type": OrderType.LIMIT, "order_class": OrderClass.OCO, **exits, **fields}))

    def oto(self, target: object = None, stop: object = None, **fields: Any) -> list[Order]:
        """Entry and its one exit."""
        given = {"take_profit": exit_at(limit=target)} if target is not None else {"stop_loss": exit_at(stop=stop)}
        return self.group(self.send(**{"order_class": OrderClass.OTO, **given, **fields}))

    def spread(self, net: object, units: int = 1, legs: Mapping[str, int] | None = None, **fields: Any) -> Order:
        """A multi-leg order at a net limit; `legs` are symbols with signed ratios."""
        given = legs or {PUT_95: -1, PUT_90: 1}
        parts = tuple(leg_of(symbol, ratio) for symbol, ratio in given.items())
        kind = OrderType.MARKET if net is None else OrderType.LIMIT
        shape = {"symbol": "", "side": None, "order_class": OrderClass.MLEG, "asset_class": AssetClass.OPTION}
        return self.send(**{**shape, "type": kind, "limit_price": net, "legs": parts, "quantity": units, **fields})

    def cancel(self, order: Order) -> list[Event]:
        return apply(self.book, Cancel(order.id, self.at))

    def replace(self, order: Order, **change: Any) -> tuple[Order, list[Event]]:
        """The successor, and what was told."""
        given = {name: Decimal(str(value)) if name != "time_in_force" else value for name, value in change.items()}
        known = len(self.book.orders)
        events = apply(self.book, Replace(order.id, Amendment(**given), self.at, order.expires_at))
        return list(self.book.orders.values())[known], events

    # time

    def tick(self, cents: int, minutes: float = 1, closing: bool = False, **moment: Any) -> list[Event]:
        at = max(CLOSE, self.at) if closing else self.at + timedelta(minutes=minutes)
        return self.see({"ABC": quote(cents)}, at, is_close=closing, **moment)

    def options(self, cents: Mapping[str, int], minutes: float = 1, **moment: Any) -> list[Event]:
        """Prices of options in cents, a spread of ten cents around each."""
        quotes = {symbol: quote(price, spread=10) for symbol, price in cents.items()}
        return self.see(quotes, self.at + timedelta(minutes=minutes), **moment)

    def see(self, quotes: Mapping[str, Quote], at: datetime | None = None, **moment: Any) -> list[Event]:
        self.at = at or self.at
        return apply(self.book, Tick(self.at, quotes, **moment))

    def wait(self, milliseconds: int) -> list[Event]:
        """Time without prices."""
        return self.see({}, self.at + timedelta(milliseconds=milliseconds))

    # looking

    def now(self, order: Order) -> Order:
        return self.book.orders[order.id]

    def statuses(self, orders: list[Order]) -> list[str]:
        return [self.now(order).status.value for order in orders]

    def group(self, order: Order) -> list[Order]:
        """Members of the group of `order` in the order of their making."""
        return self.book.members(order.group_id)


def exit_at(limit: object = None, stop: object = None) -> Exit:
    prices = [None if price is None else Decimal(str(price)) for price in (limit, stop)]
    return Exit(limit_price=prices[0], stop_price=prices[1])


def leg_of(symbol: str, ratio: int) -> Leg:
    side = BUY if ratio > 0 else SELL
    return Leg(symbol, side, abs(ratio), PositionIntent.BUY_TO_OPEN if side is BUY else PositionIntent.SELL_TO_OPEN)


def told(events: list[Event]) -> list[tuple[str, str | None]]:
    """Names of events with the role of the order that each is about."""
    return [(event.kind.value, event.order.group_role and event.order.group_role.value) for event in events]


def kinds(events: list[Event]) -> list[str]:
    return [event.kind.value for event in events]
