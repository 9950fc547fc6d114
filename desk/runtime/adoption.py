"""After a restart: the orders of the recovered book are found at the broker again, and what happened meanwhile is booked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.lumibot_orders import lumibot_order
from desk.brokers.resync import LOST_AFTER
from desk.domain.orders import GroupRole, OrderStatus
from desk.domain.steps import Submit
from desk.domain.trades import Trade
from desk.runtime.desk import Desk

# An order that arrives later than this after it was given up is no order of this world.
BACK = timedelta(days=1)


def adopt(desk: Desk, broker: DeskAlpaca, strategy: Any, lost_after: timedelta = LOST_AFTER) -> None:
    """Follow every order group of the open trades, and what strategies sent past the corridor, each under its own client order
    id, and bring the book to the broker's truth.

    A message of the process before this one may still be on its way, so an order that is not there counts as lost only
    when it was decided longer than `lost_after` ago; a later look settles it.
    """
    book = desk.book
    for trade in book.open.values():
        for key in (trade.key, *trade.covers):
            step = desk.step(key)
            if isinstance(step, Submit) and not desk.is_over(key):
                broker.follow(step.spec, lumibot_order(step.spec, strategy), trade.decided_at, _statuses(trade, key))
    spreads = desk.spreads
    for spread in spreads.open.values():
        for each in spread.working:
            broker.follow(each.spec, lumibot_order(each.spec, strategy), each.sent_at, dict(each.statuses))
    filled = {**book.filled, **spreads.filled}
    for order in desk.living_foreign():
        filled |= order.filled
        broker.follow(order.spec, lumibot_order(order.spec, strategy), order.since, order.statuses)
    last = desk.past.last_at
    broker.catch_up(filled, lost_after, None if last is None else last - BACK)
    desk.drain()
    desk.cover_bare_shares()


def _statuses(trade: Trade, key: str) -> dict[GroupRole, OrderStatus]:
    """What the journal knows of the members of one of a trade's groups; of exits that a newer group replaced, nothing."""
    known = {GroupRole.ENTRY: trade.entry_status} if key == trade.key else {}
    if key != trade.exits_key:
        return known
    # A plain sale is the entry of its own group, and stands where the stop would.
    if trade.is_being_sold:
        return {GroupRole.ENTRY: trade.stop_status}
    return {**known, GroupRole.TAKE_PROFIT: trade.target_status, GroupRole.STOP_LOSS: trade.stop_status}
