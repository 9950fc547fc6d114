"""Which option orders the rules allow: kinds, hours, contracts, intents, trading levels, and what covers what is sold.

Texts and codes: the error tables of https://docs.alpaca.markets/docs/options-trading-overview; levels and hours:
https://docs.alpaca.markets/docs/options-trading; multi-leg orders: https://docs.alpaca.markets/docs/options-level-3-trading.
What they do not settle is decided here for the side that is safer to test on, and said where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import uuid5

from desk.exchange.machine.book import NAMESPACE, Book
from desk.exchange.machine.orders import CONTRACT_SHARES, ZERO, Leg, Ticket
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.expiring import entry_is_shut, has_expired
from desk.exchange.rules.order_costs import Contracts
from desk.exchange.rules.rejections import Rejection, forbidden, insufficient_shares, plain, unprocessable
from desk.exchange.rules.reservations import available, reserved
from desk.exchange.rules.situation import Situation
from desk.exchange.rules.spread_margin import locked_shares, open_contracts, positions_by_root, uncovered_contracts
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, TimeInForce
from options.occ import OptionType

CENT = Decimal("0.01")
LIFETIMES = (TimeInForce.DAY, TimeInForce.GTC)
SINGLE_TYPES = (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT)
SPREAD_TYPES = (OrderType.MARKET, OrderType.LIMIT)
LONG_LEVEL, SPREAD_LEVEL = 2, 3
NOT_LONG = "account not eligible to trade long option contracts"
NOT_SPREADS = "account not eligible to trade spreads or uncovered contracts"
NOT_UNCOVERED = "account not eligible to trade uncovered option contracts"


Rule = Callable[[Ticket, Situation], Rejection | None]


def objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Why an order for options is refused, or None; None for any other order. What it costs is `Power.objection`'s affair."""
    if ticket.order_class is OrderClass.MLEG:
        rules = SPREAD_RULES
    elif ticket.asset_class is AssetClass.OPTION:
        rules = SINGLE_RULES
    else:
        return None
    return next((found for rule in rules if (found := rule(ticket, situation)) is not None), None)


def inferred_intent(book: Book, symbol: str, side: Side) -> PositionIntent:
    """What an order of `side` does to the position: it closes one that is on the other side, and else opens."""
    closes = book.shares(symbol) * side.sign < 0
    if side is Side.BUY:
        return PositionIntent.BUY_TO_CLOSE if closes else PositionIntent.BUY_TO_OPEN
    return PositionIntent.SELL_TO_CLOSE if closes else PositionIntent.SELL_TO_OPEN


# what both kinds obey


def _level_zero(ticket: Ticket, situation: Situation) -> Rejection | None:
    return None if situation.options_level > 0 else forbidden("account not authorized to trade options")


def _extended_hours(ticket: Ticket, situation: Situation) -> Rejection | None:
    return unprocessable("extended hours is not supported for options trading") if ticket.extended_hours else None


def _quantity(ticket: Ticket, situation: Situation) -> Rejection | None:
    if ticket.notional is not None:
        return unprocessable("notional orders are not supported for options trading")
    if ticket.quantity is None or ticket.quantity != ticket.quantity.to_integral_value():
        return unprocessable("qty must be integer for options trading")
    return None


def _market_hours(ticket: Ticket, situation: Situation) -> Rejection | None:
    if ticket.type is OrderType.MARKET and situation.phase is not Phase.REGULAR:
        return unprocessable("options market orders are only allowed during market hours")
    return None


def _contract(symbol: str, situation: Situation, missing: str) -> Rejection | None:
    contract = situation.contracts.get(symbol)
    if contract is None:
        return unprocessable(missing)
    if has_expired(contract.expiration, situation.now):
        return unprocessable(f'contract "{symbol}" is expired')
    return None


def _intent(book: Book, symbol: str, side: Side, specified: PositionIntent | None) -> Rejection | None:
    inferred = inferred_intent(book, symbol, side)
    if specified in (None, inferred):
        return None
    return unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {specified}")


def _closable(book: Book, symbol: str, wanted: Decimal) -> Rejection | None:
    """Closing takes no more contracts than are free of other orders."""
    if wanted <= abs(available(book, symbol)):
        return None
    return insufficient_shares(symbol, wanted, book.shares(symbol), reserved(book, symbol))


def _late_entry(symbol: str, opens: bool, situation: Situation) -> Rejection | None:
    if opens and entry_is_shut(situation.contracts[symbol].expiration, situation.now):
        return unprocessable(f'contract "{symbol}" expires soon, unable to open new positions')
    return None


def _leaves_uncovered(situation: Situation, legs: Contracts, is_call: bool) -> bool:
    """Whether more sold contracts of a kind lose their cover with `legs`, all of one underlying, whichever orders execute."""
    book = situation.book
    held = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
    stock = max(ZERO, *(available(book, situation.contracts[symbol].underlying) for symbol in legs))
    groups, *orders = (positions_by_root(each) for each in (held, *open_contracts(book), legs))
    for root in orders[-1]:
        asked = [order.get(root, []) for order in orders]
        before, after = (
            uncovered_contracts(groups.get(root, ()), is_call=is_call, shares=stock, asked=each) for each in (asked[:-1], asked)
        )
        if after > before:
            return True
    return False


# single-leg orders


def _single_form(ticket: Ticket, situation: Situation) -> Rejection | None:
    if ticket.order_class is not OrderClass.SIMPLE:
        return unprocessable("complex orders not supported for options trading")
    if ticket.type not in SINGLE_TYPES:
        return unprocessable("invalid option order_type")
    return None if ticket.time_in_force in LIFETIMES else unprocessable("invalid option time_in_force")


def _single_contract(ticket: Ticket, situation: Situation) -> Rejection | None:
    return _contract(ticket.symbol, situation, f'contract "{ticket.symbol}" not found')


def _single_intent(ticket: Ticket, situation: Situation) -> Rejection | None:
    assert ticket.side is not None
    return _intent(situation.book, ticket.symbol, ticket.side, ticket.position_intent)


def _single_late_entry(ticket: Ticket, situation: Situation) -> Rejection | None:
    assert ticket.side is not None
    return _late_entry(ticket.symbol, inferred_intent(situation.book, ticket.symbol, ticket.side).opens, situation)


def _single_cover(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Buying needs level 2, selling a cover: shares, or at level 3 what was bought; a sold put may be covered by cash alone."""
    assert ticket.side is not None and ticket.quantity is not None
    book, level = situation.book, situation.options_level
    intent = inferred_intent(book, ticket.symbol, ticket.side)
    if not intent.opens:
        return _closable(book, ticket.symbol, ticket.quantity) or _bares(ticket, situation)
    if intent is PositionIntent.BUY_TO_OPEN:
        return None if level >= LONG_LEVEL else forbidden(NOT_LONG)
    return _call_cover(ticket, situation) if situation.contracts[ticket.symbol].type == "call" else None


def _bares(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Selling the bought leg of a spread would leave the sold one bare, even if cash could cover it."""
    if ticket.side is not Side.SELL:
        return None
    is_call = situation.contracts[ticket.symbol].type == "call"
    legs = {ticket.symbol: -(ticket.quantity or ZERO)}
    return forbidden(NOT_UNCOVERED) if _leaves_uncovered(situation, legs, is_call) else None


def _call_cover(ticket: Ticket, situation: Situation) -> Rejection | None:
    """A sold call needs a hundred free shares each; at level 3 a bought call that lives as long will do."""
    assert ticket.quantity is not None
    book, underlying = situation.book, situation.contracts[ticket.symbol].underlying
    may_spread = situation.options_level >= SPREAD_LEVEL
    held, locked = available(book, underlying), locked_shares(book, underlying, calls_cover=may_spread)
    required, free = ticket.quantity * CONTRACT_SHARES, max(ZERO, held - locked)
    if required <= free:
        return None
    if may_spread:
        together = locked_shares(book, underlying, {ticket.symbol: -ticket.quantity})
        if together <= max(held, locked):
            return None
    shown = f"(required: {plain(required)}, available: {plain(free)})"
    message = f"insufficient underlying qty available for covered call {shown}"
    amounts = {"available_qty": plain(free), "required_qty": plain(required)}
    asset_id = str(uuid5(NAMESPACE, f"asset/{underlying}"))  # the same as every other asset's id (api.wire.asset_id)
    return forbidden(message, **amounts, symbol=ticket.symbol, underlying_asset_id=asset_id)


# multi-leg orders


def _spread_form(ticket: Ticket, situation: Situation) -> Rejection | None:
    if ticket.type not in SPREAD_TYPES:
        return unprocessable("invalid order type for options trading")
    if ticket.time_in_force not in LIFETIMES:
        return unprocessable("invalid time in force")
    if ticket.type is OrderType.LIMIT and ticket.limit_price is None:
        return unprocessable("limit price is required for limit orders")
    if ticket.type is OrderType.MARKET and ticket.limit_price is not None:
        return unprocessable("limit price is only valid for limit orders")
    return unprocessable("invalid limit price") if (ticket.limit_price or ZERO) % CENT else None


def _spread_level(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Below level 3 several legs may close what is there, and open nothing."""
    opens = any(leg.position_intent.opens for leg in ticket.legs)
    return forbidden(NOT_SPREADS) if opens and situation.options_level < SPREAD_LEVEL else None


def _spread_contracts(ticket: Ticket, situation: Situation) -> Rejection | None:
    for leg in ticket.legs:
        found = _contract(leg.symbol, situation, f"asset not found for {leg.symbol}")
        if found is not None:
            return found
    first, *others = (situation.contracts[leg.symbol].underlying for leg in ticket.legs)
    other = next((name for name in others if name != first), None)
    return None if other is None else unprocessable(f"underlying asset mismatch: {first} != {other}")


def _spread_intents(ticket: Ticket, situation: Situation) -> Rejection | None:
    for leg in ticket.legs:
        wanted = leg.ratio * (ticket.quantity or ZERO)
        found = (
            _intent(situation.book, leg.symbol, leg.side, leg.position_intent)
            or _late_entry(leg.symbol, leg.position_intent.opens, situation)
            or (None if leg.position_intent.opens else _closable(situation.book, leg.symbol, wanted))
        )
        if found is not None:
            return found
    return None


def _rolling(ticket: Ticket, situation: Situation) -> Rejection | None:
    """A roll closes and opens the same numbers of a kind, so that it can be told what takes the place of what.

    Alpaca documents the refusal and not its predicate; this is the narrowest reading of its words.
    """
    opening, closing = _by_kind(ticket, situation, True), _by_kind(ticket, situation, False)
    if not opening or not closing or opening == closing:
        return None
    return unprocessable("rolling contracts ambiguity")


def _by_kind(ticket: Ticket, situation: Situation, opens: bool) -> dict[tuple[OptionType, bool], int]:
    """Contracts a unit by (call or put, is a short position) of the legs that open, or that close."""
    found: dict[tuple[OptionType, bool], int] = {}
    for leg in ticket.legs:
        if leg.position_intent.opens is opens:
            kind = situation.contracts[leg.symbol].type, (leg.side is Side.SELL) is opens
            found[kind] = found.get(kind, 0) + leg.ratio
    return found


def _spread_cover(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Sold legs are covered inside the order; when it closes something too, by what is held as well."""
    opens_only = all(leg.position_intent.opens for leg in ticket.legs)
    legs = {leg.symbol: leg.side.sign * leg.ratio * (ticket.quantity or ZERO) for leg in ticket.legs}
    for is_call in (True, False):
        is_bare = _uncovered_inside(ticket.legs, is_call) > 0 if opens_only else _leaves_uncovered(situation, legs, is_call)
        if is_bare:
            return forbidden(NOT_UNCOVERED)
    return None


def _uncovered_inside(legs: tuple[Leg, ...], is_call: bool) -> Decimal:
    groups = positions_by_root({leg.symbol: Decimal(leg.side.sign * leg.ratio) for leg in legs})
    return sum((uncovered_contracts(group, is_call=is_call) for group in groups.values()), ZERO)


SINGLE_RULES: tuple[Rule, ...] = (
    _single_form,
    _quantity,
    _extended_hours,
    _level_zero,
    _single_contract,
    _market_hours,
    _single_intent,
    _single_late_entry,
    _single_cover,
)
SPREAD_RULES: tuple[Rule, ...] = (
    _spread_form,
    _quantity,
    _extended_hours,
    _level_zero,
    _spread_level,
    _spread_contracts,
    _market_hours,
    _spread_intents,
    _rolling,
    _spread_cover,
)
