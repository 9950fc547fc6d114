"""What orders cost in buying power: new ones by their ticket, open ones by what they reserve. All in dollars.

Sources: https://docs.alpaca.markets/docs/orders-at-alpaca (a buy at its limit or its collar, a short at the larger of its limit
and 3 % above the ask; open orders that open or add to a position reserve, those that close one do not) and
https://docs.alpaca.markets/docs/options-level-3-trading (cost basis of options: margin of the combined positions plus net price).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from desk.exchange.machine.book import Book, is_option
from desk.exchange.machine.orders import CONTRACT_SHARES, UNIT_USD, ZERO, Order, Quote, Ticket
from desk.exchange.rules.reservations import available
from desk.exchange.rules.spread_margin import (
    contracts_asked,
    open_contracts,
    positions_by_root,
    spread_margin,
    standing_orders,
    units_left,
)
from desk.exchange.words import OrderClass, Side

CENT = Decimal("0.01")
ABOVE_ASK = Decimal("1.03")
Prices = Mapping[str, Decimal]
Contracts = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Reserves:
    """Dollars that open orders keep from new ones: of stock orders (their value) and of option orders (their cost basis)."""

    stocks: Decimal = ZERO
    options: Decimal = ZERO


def stock_cost(ticket: Ticket, book: Book, quotes: Mapping[str, Quote]) -> Decimal:
    """What a ticket for a stock adds: nothing as far as it closes a position."""
    assert ticket.side is not None
    price = _ticket_price(ticket, quotes.get(ticket.symbol))
    wanted = ticket.quantity if ticket.notional is None else ticket.notional / price if price else ZERO
    opening = max(ZERO, (wanted or ZERO) - _closable(book, ticket))
    if ticket.notional is not None and opening == wanted:
        return ticket.notional
    return _cents(opening * price)


def option_ticket_cost(ticket: Ticket, book: Book, quotes: Mapping[str, Quote]) -> Decimal:
    """Cost basis of a ticket for options; negative when it frees more than it costs."""
    quantity = ticket.quantity or ZERO
    if ticket.order_class is OrderClass.MLEG:
        legs = {leg.symbol: leg.side.sign * leg.ratio * quantity for leg in ticket.legs}
    else:
        legs = {ticket.symbol: _sign(ticket.side) * quantity}
    dollars = {symbol: _far_side(quotes.get(symbol), count) for symbol, count in legs.items()}
    held = _quantities(book)
    for contracts in open_contracts(book):
        held = _taken(held, contracts)
    return cost_basis(held, legs, _net_price(ticket, legs, dollars, quantity))


def cost_basis(held: Contracts, legs: Contracts, net_usd: Decimal) -> Decimal:
    """Margin that `legs` (signed contracts by symbol) add to what is held, and the net price of all of them."""
    return _cents(_margin(_sum(held, legs), legs) - _margin(held, legs) + net_usd)


def _quantities(book: Book) -> Contracts:
    return {symbol: holding.quantity for symbol, holding in book.holdings.items()}


def _sum(held: Contracts, legs: Contracts) -> Contracts:
    return {**held, **{symbol: held.get(symbol, ZERO) + count for symbol, count in legs.items()}}


def _taken(held: Contracts, contracts: Contracts) -> Contracts:
    """What a new order finds when an open one asks for `contracts`: cover that this one takes is gone, and cover that it brings
    is not there before it executes."""
    takes = any(spread_margin(positions).required_usd for positions in positions_by_root(contracts).values())
    return _sum(held, contracts) if takes else held


def _margin(quantities: Contracts, touched: Iterable[str]) -> Decimal:
    """Spread margin of the roots that `touched` symbols belong to."""
    roots = set(positions_by_root(dict.fromkeys(touched, ZERO)))
    groups = positions_by_root(quantities)
    margins = (spread_margin(groups.get(root, ()), quantities.get(root, ZERO)).required_usd for root in roots)
    return sum(margins, ZERO)


def reserves(book: Book, prices: Prices) -> Reserves:
    """What all open orders reserve, the oldest first: what one takes of a position or of its cover, the next one does not find.

    An order and the one that is about to replace it reserve the larger of the two, once.
    """
    stocks = (symbol for symbol in book.live_symbols() if not is_option(symbol))
    return Reserves(
        sum((_stock_reserve(book, symbol, prices.get(symbol, ZERO)) for symbol in stocks), ZERO), _option_reserve(book, prices)
    )


@dataclass(slots=True)
class _Walk:
    """Open orders for a stock as they were walked last time, from a position at a price; after each of them what was left of the
    position to close, and the dollars so far."""

    start: tuple[Decimal, Decimal]
    orders: list[Order]
    states: list[tuple[Decimal, Decimal]]

    def cut(self, orders: list[Order]) -> None:
        """Forget what follows the first of `orders` that is another than last time: orders are values, a changed one is new."""
        pairs = enumerate(zip(self.orders, orders, strict=False))
        same = next((place for place, (old, new) in pairs if old is not new), min(len(self.orders), len(orders)))
        del self.states[same:]
        self.orders = orders


def _stock_reserve(book: Book, symbol: str, price: Decimal) -> Decimal:
    """Dollars that open orders for a stock at `price` keep. What closes costs nothing, as long as there is something to close."""
    orders, start = book.live_orders(symbol), (book.shares(symbol), price)
    walk: _Walk | None = book.worked_out.get(symbol)
    if walk is None or walk.start != start:
        walk = book.worked_out[symbol] = _Walk(start, [], [])
    walk.cut(orders)
    # The order that another asks to replace changes with it, so both are walked anew, or neither.
    fresh = orders[len(walk.states) :]
    standing = {each[0].id: each for each in standing_orders(book, fresh)}
    held, total = walk.states[-1] if walk.states else (start[0], ZERO)
    for order in fresh:
        if order.id in standing:
            held, cost = _stock_step(held, price, *standing[order.id])
            total += cost
        walk.states.append((held, total))
    return total


def _stock_step(held: Decimal, price: Decimal, order: Order, *asking: Order) -> tuple[Decimal, Decimal]:
    """(what the order leaves of a position to close, dollars that it keeps)."""
    if order.notional is not None:
        return held, max(ZERO, order.notional - order.filled_usd) if order.side is Side.BUY else ZERO
    units, sign = units_left(order, *asking), _sign(order.side)
    closing = min(units, abs(held)) if held * sign < 0 else ZERO
    opening = (units - closing) * max(_opening_price(each, price) for each in (order, *asking))
    return held + sign * closing, opening


def _opening_price(order: Order, price: Decimal) -> Decimal:
    return order.reserve_price if order.side is Side.BUY else max(order.reserve_price, price * ABOVE_ASK)


def _option_reserve(book: Book, prices: Prices) -> Decimal:
    """Cost basis of each open option order, never below zero: a credit is there when it has come."""
    held, total = _quantities(book), ZERO
    for order, *asking in standing_orders(book, book.live_options()):
        total += max(ZERO, *(_option_cost(book, held, each, order.filled_quantity, prices) for each in (order, *asking)))
        held = _taken(held, contracts_asked(book, order, units_left(order, *asking)))
    return total


def _option_cost(book: Book, held: Contracts, order: Order, filled: Decimal, prices: Prices) -> Decimal:
    units = (order.quantity or ZERO) - filled
    legs = contracts_asked(book, order, units)
    dollars = {symbol: prices.get(symbol, ZERO) for symbol in legs}
    return cost_basis(held, legs, _net_price(order, legs, dollars, units))


def _net_price(asked: Ticket | Order, legs: Contracts, dollars: Prices, units: Decimal) -> Decimal:
    """Net price of an option order in dollars, a credit below zero. `dollars` a share are for what has no price of its own."""
    own = (asked.limit_price, asked.collar_price, asked.stop_price)
    price = next((price for price in own if price is not None), None)
    if price is None:
        return CONTRACT_SHARES * sum((count * dollars[symbol] for symbol, count in legs.items()), ZERO)
    sign = 1 if asked.side is None else asked.side.sign  # the price of a multi-leg order has a sign of its own
    return CONTRACT_SHARES * units * price * sign


def _ticket_price(ticket: Ticket, quote: Quote | None) -> Decimal:
    """Dollars a share at which a ticket for a stock is valued."""
    ask = _far_side(quote, Decimal(1))
    if ticket.side is Side.SELL:
        return max(ticket.limit_price or ZERO, (ask * ABOVE_ASK).quantize(CENT, ROUND_CEILING))
    own = (ticket.limit_price, ticket.collar_price)
    return next((price for price in own if price is not None), ask)


def _closable(book: Book, ticket: Ticket) -> Decimal:
    free = available(book, ticket.symbol)
    return abs(free) if free * _sign(ticket.side) < 0 else ZERO


def _far_side(quote: Quote | None, count: Decimal) -> Decimal:
    return ZERO if quote is None else quote.far_side(Side.BUY if count > 0 else Side.SELL) * UNIT_USD


def _sign(side: Side | None) -> int:
    return 1 if side is None else side.sign


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_CEILING)
