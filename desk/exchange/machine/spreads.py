"""Multi-leg orders: one net price, signed (a debit is positive, a credit negative), and executions in whole units."""

from __future__ import annotations

from decimal import Decimal

from desk.exchange.machine import execution, groups
from desk.exchange.machine.book import Book
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.orders import CONTRACT_SHARES, UNIT_USD, LegFill, Order, Quote
from desk.exchange.words import AT_VENUE, EventKind, Side, Status


def net_units(legs: list[Order], quotes: dict[str, Quote]) -> int | None:
    """What one unit costs now, in units of price: asks of what is bought less bids of what is sold. None without all quotes."""
    total = 0
    for leg in legs:
        quote = quotes.get(leg.symbol)
        if quote is None or leg.side is None or leg.ratio is None or not quote.far_side(leg.side):
            return None
        total += leg.side.sign * leg.ratio * quote.far_side(leg.side)
    return total


def match(book: Book, parent: Order, tick: Tick) -> None:
    """Execute a multi-leg order when its net price is met; all legs together or none."""
    legs = book.legs(parent.id)
    if parent.status not in AT_VENUE or not tick.is_regular or any(leg.symbol in book.halted for leg in legs):
        return
    if parent.due_at is not None and tick.at < parent.due_at and not tick.is_close:
        return
    net = net_units(legs, dict(tick.quotes))
    if net is None or (parent.limit_price is not None and net * UNIT_USD > parent.limit_price):
        return
    units = parent.remaining if tick.is_close else execution.part_now(book, parent)
    cost = net * UNIT_USD * units * CONTRACT_SHARES
    if not all(execution.fits(book, leg, units * (leg.ratio or 0)) for leg in legs) or not execution.can_pay(book, cost):
        groups.reject(book, parent, tick.at)
        return
    _execute(book, parent, legs, units, net * UNIT_USD, tick)


def _execute(book: Book, parent: Order, legs: list[Order], units: Decimal, net: Decimal, tick: Tick) -> None:
    is_whole = units == parent.remaining
    status = Status.FILLED if is_whole else execution.after_part(parent)
    book.forced_parts.pop(parent.id, None)
    fills = tuple(_fill_leg(book, leg, units, status, tick) for leg in legs)
    parent = book.change(
        parent,
        tick.at,
        filled_quantity=parent.filled_quantity + units,
        filled_usd=parent.filled_usd + net * units,
        filled_at=tick.at if is_whole else parent.filled_at,
        status=status,
        due_at=None if is_whole else tick.at + execution.REST_AFTER,
    )
    book.emit(EventKind.FILL if is_whole else EventKind.PARTIAL_FILL, parent, tick.at, net, units, fills)


def _fill_leg(book: Book, leg: Order, units: Decimal, status: Status, tick: Tick) -> LegFill:
    assert leg.side is not None and leg.ratio is not None
    quantity = units * leg.ratio
    price = tick.quotes[leg.symbol].far_side(leg.side) * UNIT_USD
    book.trade(leg.symbol, Side(leg.side), quantity, price)
    leg = book.change(
        leg,
        tick.at,
        filled_quantity=leg.filled_quantity + quantity,
        filled_usd=leg.filled_usd + price * quantity,
        filled_at=tick.at if status is Status.FILLED else leg.filled_at,
        status=status,
    )
    return LegFill(leg, book.mint_execution(), price, quantity, book.shares(leg.symbol))
