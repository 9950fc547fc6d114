"""Whether a well-formed request may go ahead, given the account and the market: rules in order, the first objection counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from desk.exchange.machine.orders import Ticket
from desk.exchange.rules import option_rules
from desk.exchange.rules.position_rules import (
    fraction_objection,
    group_objection,
    inferred_intent,
    intent_objection,
    notional_objection,
    own_stop_objection,
    share_objection,
    short_objection,
)
from desk.exchange.rules.price_rules import collared, exit_price_objection, far_limit_objection, plain_stop_objection
from desk.exchange.rules.rejections import Rejection, forbidden, invalid, unprocessable
from desk.exchange.rules.session_rules import auction_objection
from desk.exchange.rules.situation import Situation
from desk.exchange.rules.wash import opposite_opening_objection, wash_objection
from desk.exchange.words import AssetClass, OrderClass

Rule = Callable[[Ticket, Situation], Rejection | None]


def judge(ticket: Ticket, situation: Situation) -> Ticket | Rejection:
    """The ticket with its collar and its position intent, or why it is refused."""
    ticket = _completed(ticket, situation)
    rules = OPTION_RULES if ticket.asset_class is AssetClass.OPTION else STOCK_RULES
    found = first_objection(rules, ticket, situation)
    return found if found is not None else replace(ticket, position_intent=inferred_intent(ticket, situation))


def first_objection(rules: tuple[Rule, ...], ticket: Ticket, situation: Situation) -> Rejection | None:
    return next((found for rule in rules if (found := rule(ticket, situation)) is not None), None)


def _completed(ticket: Ticket, situation: Situation) -> Ticket:
    if ticket.order_class is OrderClass.OCO and not situation.switches.oco_refuses_top_level_stop:
        ticket = replace(ticket, stop_price=None)
    return collared(ticket, situation)


def _not_suspended(ticket: Ticket, situation: Situation) -> Rejection | None:
    return forbidden("new orders are rejected by user request") if situation.settings.suspend_trade else None


def _unique_client_id(ticket: Ticket, situation: Situation) -> Rejection | None:
    """For ever: what the account once sent, filled or cancelled long ago, is not sent again."""
    return invalid("client_order_id must be unique") if ticket.client_order_id in situation.book.client_ids else None


def _listed(ticket: Ticket, situation: Situation) -> Rejection | None:
    listing = situation.listings.get(ticket.symbol)
    if listing is None:
        return unprocessable(f'asset "{ticket.symbol}" not found')
    return None if listing.is_tradable else unprocessable(f'asset "{ticket.symbol}" is not tradable')


def _affordable(ticket: Ticket, situation: Situation) -> Rejection | None:
    return situation.power.objection(ticket, situation.book, situation.quotes)


FIRST: tuple[Rule, ...] = (_not_suspended, _unique_client_id)
STOCK_RULES: tuple[Rule, ...] = (
    *FIRST,
    _listed,
    own_stop_objection,
    auction_objection,
    group_objection,
    fraction_objection,
    intent_objection,
    short_objection,
    exit_price_objection,
    plain_stop_objection,
    far_limit_objection,
    wash_objection,
    opposite_opening_objection,
    notional_objection,
    share_objection,
    _affordable,
)
OPTION_RULES: tuple[Rule, ...] = (
    *FIRST,
    option_rules.objection,
    wash_objection,
    opposite_opening_objection,
    _affordable,
)
