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
from desk.exchange.rules.spread_margin import positions_by_root, spread_margin
from desk.exchange.words import OrderClass, Side, Status

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
    return cost_basis(book, legs, _net_price(ticket, legs, dollars, quantity))


def cost_basis(book: Book, legs: Contracts, net_usd: Decimal) -> Decimal:
    """Margin that `legs` (signed contracts by symbol) add to what is held, and the net price of all of them."""
    held = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
    after = dict(held)
    for symbol, count in legs.items():
        after[symbol] = after.get(symbol, ZERO) + count
    return _cents(_margin(after, legs) - _margin(held, legs) + net_usd)


def _margin(quantities: Contracts, touched: Iterable[str]) -> Decimal:
    """Spread margin of the roots that `touched` symbols belong to."""
    roots = set(positions_by_root(dict.fromkeys(touched, ZERO)))
    groups = positions_by_root(quantities)
    margins = (spread_margin(groups.get(root, ()), quantities.get(root, ZERO)).required_usd for root in roots)
    return sum(margins, ZERO)


def reserves(book: Book, prices: Prices) -> Reserves:
    """What all open orders reserve. An order and the one that is about to replace it reserve the larger of the two, once."""
    stocks = _Openings(book, prices)
    by_order: dict[str, tuple[Decimal, bool]] = {}
    for order in book.live_orders():
        if order.is_exit_leg or order.parent_id is not None:
            continue
        about_options = order.is_spread or is_option(order.symbol)
        cost = max(ZERO, _open_option_cost(book, order, prices)) if about_options else stocks.cost(order)
        first = order.replaces if order.replaces in by_order and _awaits(book, order.replaces) else order.id
        by_order[first] = (max(cost, by_order.get(first, (ZERO, False))[0]), about_options)
    of_options = sum((cost for cost, about_options in by_order.values() if about_options), ZERO)
    return Reserves(sum((cost for cost, _ in by_order.values()), ZERO) - of_options, of_options)


def _awaits(book: Book, order_id: str | None) -> bool:
    return book.orders[order_id or ""].status is Status.PENDING_REPLACE


class _Openings:
    """Goes through open stock orders, oldest first, and takes what closes a position off what they cost."""

    def __init__(self, book: Book, prices: Prices) -> None:
        self._left = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
        self._prices = prices

    def cost(self, order: Order) -> Decimal:
        if order.notional is not None:
            return max(ZERO, order.notional - order.filled_usd) if order.side is Side.BUY else ZERO
        sign, held = _sign(order.side), self._left.get(order.symbol, ZERO)
        closing = min(order.remaining, abs(held)) if held * sign < 0 else ZERO
        if closing:
            self._left[order.symbol] = held + sign * closing
        return (order.remaining - closing) * self._price(order)

    def _price(self, order: Order) -> Decimal:
        if order.side is Side.BUY:
            return order.reserve_price
        return max(order.reserve_price, self._prices.get(order.symbol, ZERO) * ABOVE_ASK)


def _open_option_cost(book: Book, order: Order, prices: Prices) -> Decimal:
    if order.is_spread:
        legs = {leg.symbol: _sign(leg.side) * (leg.ratio or 0) * order.remaining for leg in book.legs(order.id)}
    else:
        legs = {order.symbol: _sign(order.side) * order.remaining}
    dollars = {symbol: prices.get(symbol, ZERO) for symbol in legs}
    return cost_basis(book, legs, _net_price(order, legs, dollars, order.remaining))


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
