"""Margin of option positions by the universal spread rule: the worst that exercise can cost, whatever the underlying does.

Source: https://docs.alpaca.markets/docs/options-level-3-trading. Premiums are ignored; every option is a piecewise-linear payoff
of the underlying's price; the worst sum is the requirement; it is found for each expiration, and the largest counts. What the
source leaves open is whether a later option may cover an earlier one. Here it may, as in a calendar spread, as far as everything
that expires later is worth more than nothing together; a later loss has its own expiration's margin. Whole hundreds of shares
cover like calls that never expire and cost nothing to exercise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from itertools import pairwise

from desk.exchange.machine.book import Book, is_option
from desk.exchange.machine.orders import CONTRACT_SHARES, ZERO, Order
from desk.exchange.words import Side
from options.occ import Occ, parse

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Position:
    """Contracts of one option, signed: negative when they are sold. Strike in dollars a share."""

    expiration: date
    is_call: bool
    strike: Decimal
    quantity: Decimal

    def payoff(self, price: Decimal) -> Decimal:
        """Dollars a share of one unit's underlying that exercise at `price` brings, times contracts."""
        worth = price - self.strike if self.is_call else self.strike - price
        return self.quantity * max(ZERO, worth)


@lru_cache(maxsize=4096)
def contract_of(symbol: str) -> Occ:
    """What an option symbol says. Raises ValueError for one that is none."""
    return parse(symbol)


def positions_by_root(quantities: Mapping[str, Decimal]) -> dict[str, list[Position]]:
    """The options among `quantities` (signed, by symbol), by the root of their symbols."""
    found: dict[str, list[Position]] = {}
    for symbol, quantity in quantities.items():
        if is_option(symbol):
            said = contract_of(symbol)
            position = Position(said.expiration, said.type == "call", said.strike, quantity)
            found.setdefault(said.root, []).append(position)
    return found


@dataclass(frozen=True, slots=True)
class SpreadMargin:
    """`required_usd` for all options of one underlying; `uncovered` counts sold contracts without any bound on their loss."""

    required_usd: Decimal = ZERO
    uncovered: Decimal = ZERO


def spread_margin(positions: Iterable[Position], shares: Decimal = ZERO) -> SpreadMargin:
    """The requirement for `positions` in options of one underlying. `shares` of it are held; below zero they cover nothing."""
    held = [position for position in positions if position.quantity]
    if not any(position.quantity < 0 for position in held):
        return SpreadMargin()
    cover = max(ZERO, shares // CONTRACT_SHARES)
    by_date = [_at_expiration(held, day, cover) for day in sorted({position.expiration for position in held})]
    return SpreadMargin(max(each.required_usd for each in by_date), max(each.uncovered for each in by_date))


def _at_expiration(held: Sequence[Position], day: date, cover: Decimal) -> SpreadMargin:
    """The requirement of what expires on `day`, helped by what lives on."""
    dying = [position for position in held if position.expiration == day]
    later = [position for position in held if position.expiration > day]
    prices = _prices(held, later, cover)
    worst = min(_value(dying, price) + max(ZERO, _value(later, price, cover)) for price in prices)
    # Far up both are straight lines, and what lives on helps only when it gains there.
    uncovered = max(ZERO, -_slope(dying) - max(ZERO, _slope(later) + cover))
    # The loss of an uncovered call has no end: its strike stands for it.
    endless = uncovered * max(position.strike for position in held)
    required = (max(ZERO, -worst) + endless) * CONTRACT_SHARES
    return SpreadMargin(required.quantize(CENT, ROUND_CEILING), uncovered)


def _value(positions: Iterable[Position], price: Decimal, cover: Decimal = ZERO) -> Decimal:
    return sum((position.payoff(price) for position in positions), cover * price)


def _slope(positions: Iterable[Position]) -> Decimal:
    """Contracts that gain with every dollar above the highest strike."""
    return sum((position.quantity for position in positions if position.is_call), ZERO)


def _prices(held: Sequence[Position], later: Sequence[Position], cover: Decimal) -> list[Decimal]:
    """Where the sum can be lowest: at zero, at the strikes, and where what lives on starts or ends to be worth something."""
    strikes = [ZERO, *sorted({position.strike for position in held})]
    values = [_value(later, price, cover) for price in strikes]
    kinks = []
    for place, (low, high) in enumerate(pairwise(strikes)):
        left, right = values[place], values[place + 1]
        if left * right < 0:
            kinks.append(low + (high - low) * left / (left - right))
    slope = _slope(later) + cover
    if slope * values[-1] < 0:
        kinks.append(strikes[-1] - values[-1] / slope)
    return [*strikes, *kinks]


def uncovered_contracts(
    positions: Iterable[Position], *, is_call: bool, shares: Decimal = ZERO, asked: Iterable[Sequence[Position]] = ()
) -> Decimal:
    """Sold calls, or sold puts, that no bought one of the same kind covers: a cover lives at least as long as what it covers.

    Shares cover calls alone. A put that only cash covers counts as uncovered here. `asked` is what each open order would bring:
    whichever of them execute, so an order counts as far as it takes cover away, and not as far as it brings some.
    """
    kind, *orders = ([each for each in group if each.is_call is is_call] for group in (tuple(positions), *asked))
    cover = max(ZERO, shares // CONTRACT_SHARES) if is_call else ZERO
    days = {position.expiration for group in (kind, *orders) for position in group}
    short_from = (_short(kind, day) + sum((max(ZERO, _short(order, day)) for order in orders), ZERO) for day in days)
    return max(ZERO, *(short - cover for short in short_from), ZERO)


def _short(positions: Iterable[Position], day: date) -> Decimal:
    """Contracts sold, less those bought, that live on `day`."""
    return -sum((each.quantity for each in positions if each.expiration >= day), ZERO)


def standing_orders(book: Book, orders: Iterable[Order]) -> Iterator[tuple[Order, ...]]:
    """Those of live `orders` that are no legs, in turn, each with the one that asks to take its place.

    One whose order is done already will be rejected, and is left out.
    """
    alone = [order for order in orders if order.parent_id is None and not order.is_exit_leg]
    asking = {old.id: order for order in alone if order.replaces is not None and (old := book.predecessor(order)) is not None}
    for order in alone:
        if order.id in asking:
            yield order, asking[order.id]
        elif order.replaces is None or book.predecessor(order) is None:
            yield (order,)


def contracts_asked(book: Book, order: Order, units: Decimal) -> dict[str, Decimal]:
    """Signed contracts by symbol that `units` of an option order bring."""
    if order.is_spread:
        return {leg.symbol: leg.side.sign * (leg.ratio or 0) * units for leg in book.legs(order.id) if leg.side is not None}
    return {order.symbol: (order.side or Side.BUY).sign * units}


def units_left(order: Order, *asking: Order) -> Decimal:
    """What is still to execute of an order, or of the one that asks to take its place: the larger of the two."""
    return max((each.quantity or ZERO) - order.filled_quantity for each in (order, *asking))


def open_contracts(book: Book) -> list[dict[str, Decimal]]:
    """What each live option order would bring when it executes: signed contracts by symbol, the oldest order first."""
    orders = standing_orders(book, book.live_options())
    return [contracts_asked(book, order, units_left(order, *asking)) for order, *asking in orders]


def locked_shares(book: Book, underlying: str, more: Mapping[str, Decimal] | None = None, *, calls_cover: bool = True) -> Decimal:
    """Shares of `underlying` that must stay because sold calls, or open orders to sell calls, have no other cover.

    `more` are signed contracts that are asked for too. Without `calls_cover` bought calls are no cover, as for those who may not
    trade spreads. Source: Alpaca's OpenAPI document, whose qty_available leaves out what is "locked for options covered call".
    """
    held = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
    asked = open_contracts(book) + ([dict(more)] if more else [])
    if not calls_cover:
        held, asked = _sold_alone(held, asked), []
    calls, *orders = (positions_by_root(quantities).get(underlying, []) for quantities in (held, *asked))
    return CONTRACT_SHARES * uncovered_contracts(calls, is_call=True, asked=orders)


def _sold_alone(held: Mapping[str, Decimal], asked: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Contracts that are short, or would be when every order to sell executes."""
    left = dict(held)
    for contracts in asked:
        for symbol, count in contracts.items():
            left[symbol] = left.get(symbol, ZERO) + min(ZERO, count)
    return {symbol: count for symbol, count in left.items() if count < 0}
