"""A request against the position: what opens, what closes, what goes short, and whether the shares are there."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from desk.exchange.machine.orders import UNIT_USD, ZERO, Ticket
from desk.exchange.rules.rejections import Rejection, forbidden, insufficient_shares, unprocessable
from desk.exchange.rules.reservations import available, closing_side, reserved
from desk.exchange.rules.shape import is_fractional
from desk.exchange.rules.situation import Situation
from desk.exchange.words import OrderClass, PositionIntent, TimeInForce

SMALLEST_SHARE = Decimal("0.000000001")


def inferred_intent(ticket: Ticket, situation: Situation) -> PositionIntent | None:
    """What the order does to the position as it is now; None for a multi-leg order, whose legs say it."""
    if ticket.side is None:
        return None
    closes = is_closing(ticket, situation)
    return PositionIntent(f"{ticket.side}_to_{'close' if closes else 'open'}")


def is_closing(ticket: Ticket, situation: Situation) -> bool:
    return ticket.side is not None and ticket.side is closing_side(situation.book, ticket.symbol)


def intent_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    inferred, said = inferred_intent(ticket, situation), ticket.position_intent
    if inferred is None or said in (None, inferred):
        return None
    return unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {said}")


def group_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """A bracket opens a position, from flat unless switched otherwise; an OTO opens or adds; an OCO closes."""
    closes, kind = is_closing(ticket, situation), ticket.order_class
    if kind is OrderClass.OCO:
        return None if closes else unprocessable("oco orders must be exit orders")
    if kind not in (OrderClass.BRACKET, OrderClass.OTO):
        return None
    is_flat = not situation.book.shares(ticket.symbol) and not situation.book.live_orders(ticket.symbol)
    if closes or (kind is OrderClass.BRACKET and situation.switches.brackets_only_from_flat and not is_flat):
        return unprocessable(f"{kind} orders must be entry orders")
    return None


def own_stop_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """An OCO's stop is its stop-loss's; one beside it is refused, or overlooked when so switched."""
    if ticket.order_class is not OrderClass.OCO or ticket.stop_price is None:
        return None
    return unprocessable("limit orders must not have stop_price") if situation.switches.oco_refuses_top_level_stop else None


def short_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Who may sell short, and what."""
    if inferred_intent(ticket, situation) is not PositionIntent.SELL_TO_OPEN:
        return None
    listing = situation.listings[ticket.symbol]
    if is_fractional(ticket):
        return unprocessable("fractional orders cannot be sold short")
    if not situation.can_short:
        return forbidden("account is not allowed to short")
    if not listing.is_shortable:
        return unprocessable(f'asset "{ticket.symbol}" cannot be sold short')
    if not listing.is_easy_to_borrow and ticket.time_in_force is not TimeInForce.DAY:
        return unprocessable(f'only day orders are allowed for hard-to-borrow asset "{ticket.symbol}"')
    return None


def fraction_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    if not is_fractional(ticket):
        return None
    if not situation.settings.fractional_trading:
        return forbidden("account is not allowed to trade fractional shares")
    if not situation.listings[ticket.symbol].is_fractionable:
        return forbidden(f'asset "{ticket.symbol}" is not fractionable')
    return None


def notional_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """How many shares dollars will be worth is not known before they trade, so nothing else may close beside them."""
    if not is_closing(ticket, situation):
        return None
    orders = [order for order in situation.book.live_orders(ticket.symbol) if order.side is ticket.side]
    if orders and (ticket.notional is not None or any(order.notional is not None for order in orders)):
        return unprocessable("unable to open new notional orders while having open closing position orders")
    return None


def share_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """A closing order needs shares that no other order holds."""
    if not is_closing(ticket, situation):
        return None
    book, symbol = situation.book, ticket.symbol
    wanted = shares_wanted(ticket, situation)
    if wanted <= abs(available(book, symbol)):
        return None
    return insufficient_shares(symbol, wanted, book.shares(symbol), reserved(book, symbol))


def shares_wanted(ticket: Ticket, situation: Situation) -> Decimal:
    """Shares of the order; of one by dollars what they buy or sell at the quote of now."""
    if ticket.quantity is not None or ticket.side is None:
        return ticket.quantity or ZERO
    quote = situation.quotes.get(ticket.symbol)
    price = (quote.far_side(ticket.side) or quote.last) * UNIT_USD if quote else ZERO
    return ((ticket.notional or ZERO) / price).quantize(SMALLEST_SHARE, ROUND_DOWN) if price else ZERO
