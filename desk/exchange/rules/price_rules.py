"""Prices against the market: the collar of a buy without a limit, exits against their base price, limits far away.

Base prices are those of https://docs.alpaca.markets/docs/orders-at-alpaca: an OCO's target, a bracket's or OTO's own limit, and
for every exit the market. All of it holds the other way round for exits that buy a short position back.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from desk.exchange.machine.orders import UNIT_USD, Quote, Ticket
from desk.exchange.machine.triggers import collar_above
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.fields import CENT
from desk.exchange.rules.rejections import Rejection, base_price, unprocessable
from desk.exchange.rules.shape import GROUPS, HAS_LIMIT
from desk.exchange.rules.situation import Situation
from desk.exchange.words import OrderClass, OrderType, Side

FAR = Decimal("0.5")


def collared(ticket: Ticket, situation: Situation) -> Ticket:
    """The ticket with the price a share at which a buy without a limit, or a sale by dollars, is valued."""
    if ticket.notional is not None and ticket.side is Side.SELL:
        return replace(ticket, collar_price=situation.last(ticket.symbol))
    if ticket.side is not Side.BUY or ticket.limit_price is not None:
        return ticket
    price = _trigger(ticket, situation)
    if price is None:
        return ticket
    return replace(ticket, collar_price=collar_above(price))


def reference_price(quote: Quote, side: Side, phase: Phase) -> Decimal:
    """What an order at the market is valued at: the far side in regular hours, midpoint around them, the last trade at night."""
    if phase is Phase.REGULAR and quote.far_side(side):
        return quote.far_side(side) * UNIT_USD
    if phase in (Phase.PRE, Phase.AFTER) and quote.bid and quote.ask:
        return (quote.bid + quote.ask) * UNIT_USD / 2
    return quote.last * UNIT_USD


def exit_price_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Exits have to lie on their sides of each other and of the base price."""
    if ticket.order_class not in GROUPS or ticket.side is None:
        return None
    exit_side = ticket.side if ticket.order_class is OrderClass.OCO else ticket.side.opposite
    target = ticket.take_profit.limit_price if ticket.take_profit else None
    stop = ticket.stop_loss.stop_price if ticket.stop_loss else None
    return (
        exits_crossed(target, stop, exit_side)
        or target_beyond(target, _target_base(ticket, situation), exit_side)
        or stop_beyond("stop_loss.stop_price", stop, _stop_bases(ticket, target, situation), exit_side)
    )


def plain_stop_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """A stop of its own has to lie beyond the market too, else it would be no stop."""
    is_asked = situation.switches.refuse_stops_through_market and ticket.order_class is OrderClass.SIMPLE
    if not is_asked or ticket.side is None:
        return None
    return stop_beyond("stop_price", ticket.stop_price, [situation.last(ticket.symbol)], ticket.side)


def far_limit_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Alpaca names a sanity check of limits far from the market and not its bounds, so it is off unless switched on."""
    last = situation.last(ticket.symbol)
    if not situation.switches.refuse_far_limits or ticket.limit_price is None or last is None:
        return None
    if abs(ticket.limit_price - last) <= last * FAR:
        return None
    return base_price("limit_price is too far away from the market price", last)


def exits_crossed(target: Decimal | None, stop: Decimal | None, exit_side: Side) -> Rejection | None:
    if target is None or stop is None or (target - stop) * exit_side.sign < 0:
        return None
    return unprocessable(f"take_profit.limit_price must be {'>' if exit_side is Side.SELL else '<'} stop_loss.stop_price")


def stop_beyond(name: str, stop: Decimal | None, bases: list[Decimal | None], exit_side: Side) -> Rejection | None:
    """A stop that sells lies at least a cent below every base price, one that buys above."""
    known = [base for base in bases if base is not None]
    if stop is None or not known:
        return None
    if exit_side is Side.SELL:
        return base_price(f"{name} must be <= base_price - 0.01", min(known)) if stop > min(known) - CENT else None
    return base_price(f"{name} must be >= base_price + 0.01", max(known)) if stop < max(known) + CENT else None


def target_beyond(target: Decimal | None, base: Decimal | None, exit_side: Side) -> Rejection | None:
    if target is None or base is None:
        return None
    if exit_side is Side.SELL:
        return base_price("take_profit.limit_price must be >= base_price + 0.01", base) if target < base + CENT else None
    return base_price("take_profit.limit_price must be <= base_price - 0.01", base) if target > base - CENT else None


def _target_base(ticket: Ticket, situation: Situation) -> Decimal | None:
    """The entry's limit, else the market; an OCO's target has none, it may be marketable."""
    if ticket.order_class is OrderClass.OCO:
        return None
    return ticket.limit_price if ticket.type in HAS_LIMIT else situation.last(ticket.symbol)


def _stop_bases(ticket: Ticket, target: Decimal | None, situation: Situation) -> list[Decimal | None]:
    own = target if ticket.order_class is OrderClass.OCO else ticket.limit_price
    return [own, situation.last(ticket.symbol)]


def _trigger(ticket: Ticket, situation: Situation) -> Decimal | None:
    """Where a buy without a limit starts: its stop, a trailing stop's first stop, else the market."""
    quote = situation.quotes.get(ticket.symbol)
    if ticket.stop_price is not None:
        return ticket.stop_price
    if quote is None:
        return None
    if ticket.type is OrderType.TRAILING_STOP:
        last = quote.last * UNIT_USD
        return last + (ticket.trail_price or last * (ticket.trail_percent or Decimal(0)) / 100)
    return reference_price(quote, Side.BUY, situation.phase)
