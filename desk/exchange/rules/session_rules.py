"""When an order may arrive: the auctions close their books early (https://docs.alpaca.markets/docs/orders-at-alpaca)."""

from __future__ import annotations

from datetime import timedelta

from desk.data.calendars import NEW_YORK
from desk.exchange.machine.orders import Ticket
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.rejections import Rejection, unprocessable
from desk.exchange.rules.situation import Situation
from desk.exchange.words import AssetClass, TimeInForce

OPENING_ENDS = timedelta(minutes=2)  # 09:28 for an open at 09:30
CLOSING_ENDS = timedelta(minutes=10)  # 15:50 for a close at 16:00
EVENING_HOUR = 19


def auction_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Orders for an auction are taken until shortly before it, and from 19:00 New York for the next day's."""
    lifetime = ticket.time_in_force
    if ticket.asset_class is AssetClass.OPTION or lifetime not in (TimeInForce.OPG, TimeInForce.CLS):
        return None
    is_evening = situation.now.astimezone(NEW_YORK).hour >= EVENING_HOUR
    if is_evening or not _is_too_late(lifetime, situation):
        return None
    return unprocessable(f"{lifetime} orders are not accepted from shortly before the auction until {EVENING_HOUR}:00 ET")


def _is_too_late(lifetime: TimeInForce, situation: Situation) -> bool:
    session = situation.session
    if situation.phase is Phase.AFTER or session is None:
        return situation.phase is Phase.AFTER
    is_opening = lifetime is TimeInForce.OPG
    return situation.now >= (session.opens_at - OPENING_ENDS if is_opening else session.closes_at - CLOSING_ENDS)
