"""A Lumibot order in a daily backtest: how long it has worked, and how the fill rules see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lumibot.entities import Order

from desk.brokers.daily_fills import Kind, Outcome, Resting

KINDS = {
    Order.OrderType.MARKET: Kind.MARKET,
    Order.OrderType.LIMIT: Kind.LIMIT,
    Order.OrderType.STOP: Kind.STOP,
    Order.OrderType.STOP_LIMIT: Kind.STOP_LIMIT,
    Order.OrderType.TRAIL: Kind.STOP,
}


@dataclass(slots=True)
class Working:
    """Life of a working order; times are POSIX seconds."""

    order: Any
    since: float
    part_day: date | None = None  # the day of which it saw only an unknown part
    ranged_on: date | None = None  # the last day whose range it has met
    extreme: float | None = None  # best price since it works, for a trailing stop
    triggered: bool = False  # a stop limit whose stop was passed
    resting: Resting | None = None  # the order as the fill rules see it, while that does not change


def tie(order: Any) -> None:
    """Exits live as long as their entry says (Alpaca, "Bracket Orders"), and two of them cancel each other."""
    for child in order.child_orders:
        child.time_in_force = order.time_in_force
    if len(order.child_orders) == 2:
        first, second = order.child_orders
        first.dependent_order, second.dependent_order = second, first


def priority(working: Working) -> tuple[bool, bool]:
    """Sales first, their proceeds may pay for purchases; stops before limits, so a bar that touches both hits the stop."""
    return working.order.is_buy_order(), working.order.order_type is Order.OrderType.LIMIT


def resting_view(working: Working) -> Resting | None:
    """The order as the fill rules see it; None for a trailing stop that has not seen a price yet."""
    order = working.order
    if order.order_type is Order.OrderType.TRAIL:
        level = _trail_level(working)
        order._trail_stop_price = level
        return None if level is None else Resting(Kind.STOP, order.is_buy_order(), stop=level)
    if working.resting is None:
        stop = None if order.stop_price is None else float(order.stop_price)
        working.resting = Resting(KINDS[order.order_type], order.is_buy_order(), limit_of(order), stop, working.triggered)
    return working.resting


def trigger(working: Working, outcome: Outcome) -> None:
    if outcome.triggered and not working.triggered:
        working.triggered, working.resting = True, None


def limit_of(order: Any) -> float | None:
    """Limit of a limit or stop-limit order; Lumibot keeps the latter's in either of two fields, and its broker reads one."""
    if order.order_type is Order.OrderType.LIMIT:
        return float(order.limit_price)
    if order.order_type is not Order.OrderType.STOP_LIMIT:
        return None
    return float(order.limit_price if order.stop_limit_price is None else order.stop_limit_price)


def _trail_level(working: Working) -> float | None:
    """Stop of a trailing order: the trail behind the best price, never looser than a first stop price given with it."""
    order, best = working.order, working.extreme
    first = None if order.stop_price is None else float(order.stop_price)
    if best is None:
        return first
    gap = best * float(order.trail_percent) if order.trail_percent is not None else float(order.trail_price)
    if order.is_buy_order():
        return best + gap if first is None else min(first, best + gap)
    return best - gap if first is None else max(first, best - gap)


def ratchet(working: Working, price: float) -> None:
    if working.extreme is None:
        working.extreme = price
    else:
        working.extreme = min(working.extreme, price) if working.order.is_buy_order() else max(working.extreme, price)


def taker_fee(fee: Any, notional: Decimal, order: Any) -> Decimal:
    return Decimal(fee.flat_fee + notional * fee.percent_fee + Decimal(str(order.quantity)) * fee.per_contract_fee)
