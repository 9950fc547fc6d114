"""Bookkeeping: what the desk sent and what the broker said about it, folded into the Book."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from desk.core.lifecycle import next_status
from desk.domain.orders import TERMINAL, Fill, GroupRole, OrderClass, OrderEvent, OrderStatus
from desk.domain.steps import Cancel, Replace, Submit, TradeStep
from desk.domain.trades import ZERO, Book, Filled, Trade, member_name

NEW_YORK = ZoneInfo("America/New_York")
# Exits that rest so long at the broker were taken.
STOOD_AFTER = timedelta(seconds=60)


def with_step(book: Book, step: TradeStep, at: datetime) -> Book:
    """The book after a step was journaled: a new trade, or a trade that has been asked to leave."""
    if isinstance(step, Submit):
        book = _with_lot(book, step) if step.splits is not None else book
        return _with_trade(book, _submitted(book, step, at))
    trade = book.owner(step.of_key)
    if trade is None:
        return book
    return _with_trade(book, _canceling(trade, step, at) if isinstance(step, Cancel) else _moved(trade, step))


def _canceling(trade: Trade, step: Cancel, at: datetime) -> Trade:
    if trade.is_entry_working:
        return replace(trade, cancel_asked_at=trade.cancel_asked_at or at, asked_again_at=at, cancel_requested=True)
    if trade.is_renewing:
        return replace(trade, asked_again_at=at)
    stop = trade.stop_price if step.stop_price is None else step.stop_price
    renewing = replace(trade, is_renewing=True, keep=step.keep, stop_price=stop, stop_before=trade.stop_price)
    renewing = replace(renewing, cancel_asked_at=at, asked_again_at=at)
    # Exits that stood are no end of the broker's: those that it ended before them were not in a row with what comes.
    stood = trade.exits_at is not None and at - trade.exits_at >= STOOD_AFTER
    renewals = max(trade.renewals, len(trade.covers) if stood else 0) + 1
    return replace(renewing, renewals=renewals, next_sale_limit=step.sale_limit)


def _moved(trade: Trade, step: Replace) -> Trade:
    if step.role is GroupRole.STOP_LOSS:
        return replace(trade, stop_price=step.limit_price, stop_before=trade.stop_price)
    return replace(trade, target_price=step.limit_price, target_before=trade.target_price, exit_requested=step.reason)


def _submitted(book: Book, step: Submit, at: datetime) -> Trade:
    covered = book.open.get(step.covers) if step.covers else None
    if covered is not None:
        return _covered(covered, step, at)
    has_exits = step.spec.order_class is not OrderClass.SIMPLE
    asleep = OrderStatus.JOURNALED if has_exits else OrderStatus.CANCELED
    return Trade(
        spec=step.spec,
        decided_at=at,
        decided_price=step.intent.reference_price or step.intent.price,
        reason=step.intent.reason,
        confidence=step.intent.confidence,
        target_status=asleep,
        stop_status=asleep,
        target_price=step.spec.take_profit if step.exits is None else step.exits.take_profit,
        stop_price=step.spec.stop_loss if step.exits is None else step.exits.stop_loss,
        first_target=step.spec.take_profit if step.exits is None else step.exits.take_profit,
        rule=step.intent.exit_rule,
        exits_at=at,
    )


def _covered(trade: Trade, step: Submit, at: datetime) -> Trade:
    # A plain sale has no target; it stands where the stop would.
    is_sale = step.spec.order_class is not OrderClass.OCO
    target = OrderStatus.CANCELED if is_sale else OrderStatus.SENT
    covered = replace(trade, covers=(*trade.covers, step.key), target_status=target, stop_status=OrderStatus.SENT, exits_at=at)
    sold_as = step.intent.kind if is_sale else None
    limit = step.spec.limit_price if step.spec.extended_hours else None
    covered = replace(covered, is_being_sold=is_sale, sold_as=sold_as, sale_limit=limit, exits_for=step.spec.quantity)
    covered = replace(covered, is_renewing=False, keep=None, next_sale_limit=None, cancel_asked_at=None, asked_again_at=None)
    # Where the stop was while these exits were asked for: the broker may find the new one too high.
    return replace(covered, stop_before=trade.stop_before if trade.is_renewing else None)


def _with_lot(book: Book, step: Submit) -> Book:
    """The book after a trade gave some of its shares to a new one, at the price that it paid on average."""
    trade = book.open.get(step.splits or "")
    if trade is None or trade.entry_price is None or step.covers is None or step.covers in book.open:
        return book
    shares, value = step.spec.quantity, trade.entry_price * step.spec.quantity
    left = replace(trade, entered=trade.entered - shares, entry_value=trade.entry_value - value, lots=trade.lots + 1)
    lot = replace(
        trade,
        spec=replace(trade.spec, key=step.covers, quantity=shares),
        entered=shares,
        entry_value=value,
        exited=0,
        exit_value=ZERO,
        exited_at=None,
        exit_role=None,
        covers=(),
        lots=0,
        renewals=0,
    )
    return _with_trade(_with_trade(book, left), lot)


def with_refusal(book: Book, step: TradeStep, message: str = "", *, unsent: bool = False, http_status: int | None = None) -> Book:
    """The book after the broker refused `step`: the trade never was, or stands as before and may be asked again.

    `unsent` when the message never reached the broker: a cover is then still to be sent, under the same key.
    """
    trade = book.owner(step.key if isinstance(step, Submit) else step.of_key)
    if trade is None:
        return book
    if isinstance(step, Submit) and step.covers is None:
        return _with_trade(book, replace(trade, entry_status=OrderStatus.REJECTED, was_given_up=unsent))
    if isinstance(step, Submit) and step.key != trade.exits_key:
        return book  # late news of a cover that a newer one has replaced
    if isinstance(step, Submit):
        gone = _still_to_cover(trade) if unsent else trade
        gone = replace(gone, target_status=OrderStatus.REJECTED, stop_status=OrderStatus.REJECTED)
        return _with_trade(book, _with_stop_refused(gone) if STOP_PASSED in message else gone)
    if isinstance(step, Cancel) and trade.is_renewing:
        # What is ending already is not there to be asked twice.
        is_ending = OrderStatus.PENDING_CANCEL in (trade.target_status, trade.stop_status)
        is_repeat = trade.asked_again_at != trade.cancel_asked_at
        return book if is_ending and is_repeat else _with_trade(book, _not_renewed(trade))
    if isinstance(step, Cancel):
        # A broker that was perhaps never asked is not slow.
        asked_at = None if message == NOBODY_ANSWERED else trade.cancel_asked_at
        return _with_trade(book, replace(trade, cancel_requested=False, cancel_asked_at=asked_at, asked_again_at=None))
    if step.role is GroupRole.STOP_LOSS:
        cannot_change = http_status == NO_SUCH_CHANGE and TOO_HIGH not in message
        is_stiff = trade.stop_is_stiff or cannot_change or NOT_YET in message
        return _with_trade(book, replace(_stop_as_before(trade), stop_is_stiff=is_stiff))
    return _with_trade(book, _unmoved(trade))


def _still_to_cover(trade: Trade) -> Trade:
    """A trade whose last cover never left; a sale outside regular hours goes out as it was meant, since exits would sleep."""
    waiting = replace(trade, covers=trade.covers[:-1])
    if trade.sale_limit is None or trade.is_renewing:
        return waiting
    return replace(waiting, keep=0, next_sale_limit=trade.sale_limit)


# Alpaca answers so when an order cannot be changed as it stands.
NO_SUCH_CHANGE = 422
# But with this, of a stop that would lie above the market: the order can be changed, and not to that price.
TOO_HIGH = "stop_price must be"
# Or with this, of a stop that sleeps where it does not move those; then it may take effect all the same.
NOT_YET = "isn't sent to exchange yet"
# What the desk itself says of a change that nobody had answered when its process ended.
NOBODY_ANSWERED = "a restart: nobody had answered"


def _not_renewed(trade: Trade) -> Trade:
    before = replace(_stop_as_before(trade), is_renewing=False, keep=None, next_sale_limit=None)
    return replace(before, renewals=trade.renewals - 1, cancel_asked_at=None, asked_again_at=None)


def _stop_as_before(trade: Trade) -> Trade:
    return trade if trade.stop_before is None else replace(trade, stop_price=trade.stop_before, stop_before=None)


def _with_stop_refused(trade: Trade) -> Trade:
    """A trade whose stop the broker takes no more: one that was to rise goes back, one that was there is passed."""
    was_to_rise = trade.stop_before is not None and trade.stop_price is not None and trade.stop_before < trade.stop_price
    return _stop_as_before(trade) if was_to_rise else replace(trade, stop_passed=True)


# Alpaca's words when a stop is not below the market (base-price rule); they refine a code that covers many refusals.
STOP_PASSED = "stop_loss.stop_price must be"


def _unmoved(trade: Trade) -> Trade:
    """A trade whose last price change did not happen: the target is where it was, and an earlier wish to leave stands."""
    first = trade.spec.take_profit if trade.first_target is None else trade.first_target
    before = trade.target_before if trade.target_before is not None else first
    wish = None if before == first else trade.exit_requested
    return replace(trade, target_price=before, target_before=None, exit_requested=wish)


def with_event(book: Book, event: OrderEvent) -> Book:
    """The book after a broker event. A fill seen before changes nothing; an event of a foreign order changes nothing.

    Raises ValueError for news that cannot follow what is known; `with_unexpected` books what counts of it.
    """
    book = _with_late_arrival(book, event)
    trade = book.owner(event.key)
    if trade is None:
        return book
    role = _role(event, trade)
    if event.fill is not None:
        fresh = uncounted(book, event)
        if fresh is None:
            return book
        book = _counted(book, event, fresh)
        trade = _with_fill(trade, fresh, role, event.key)
    # Late news of exits that a newer cover has replaced says nothing about the cover.
    if role is not GroupRole.ENTRY and event.key != trade.exits_key:
        return _with_trade(book, trade)
    return _with_trade(book, _with_status(trade, role, event.status))


def _with_late_arrival(book: Book, event: OrderEvent) -> Book:
    """An entry that was given up as never sent, and arrived at the broker after all, is open again, and too old to be wanted."""
    trade = book.former(event.key) if book.owner(event.key) is None else None
    if trade is None or not trade.was_given_up or event.key != trade.key:
        return book
    closed = tuple(other for other in book.closed if other.key != trade.key)
    return _with_trade(replace(book, closed=closed), replace(trade, entry_status=OrderStatus.SENT, was_given_up=False))


def with_unexpected(book: Book, event: OrderEvent) -> Book:
    """The book after news that should be impossible: a fill counts whatever the order's status, nothing else does.

    A fill of a trade that was taken for over brings the trade back: its shares are real.
    """
    trade = book.owner(event.key) or book.former(event.key)
    fresh = uncounted(book, event)
    if trade is None or fresh is None:
        return book
    closed = tuple(other for other in book.closed if other.key != trade.key)
    book = _counted(replace(book, closed=closed), event, fresh)
    return _with_trade(book, _with_fill(trade, fresh, _role(event, trade), event.key))


def uncounted(book: Book, event: OrderEvent) -> Fill | None:
    """What of an event's fill is not in the book yet, None when all of it is."""
    fill = event.fill
    if fill is None or fill.execution_id in book.seen:
        return None
    if fill.cumulative is None:
        return fill
    fresh = min(fill.quantity, fill.cumulative - book.filled.get(member_name(event.key, event.role), Filled()).shares)
    return replace(fill, quantity=fresh) if fresh > 0 else None


def _counted(book: Book, event: OrderEvent, fill: Fill) -> Book:
    filled, name = book.filled, member_name(event.key, event.role)
    if fill.cumulative is not None:
        value = filled.get(name, Filled()).value + fill.price * fill.quantity
        filled = filled.with_item(name, Filled(fill.cumulative, value))
    return replace(book, seen=book.seen.with_item(fill.execution_id, True), filled=filled)


def _role(event: OrderEvent, trade: Trade) -> GroupRole:
    """A plain sale that covers bare shares is the entry of its own group, and the way out of the trade."""
    if event.role is GroupRole.ENTRY and event.key != trade.key:
        return GroupRole.STOP_LOSS
    return event.role


def _with_fill(trade: Trade, fill: Fill, role: GroupRole, key: str) -> Trade:
    value = fill.price * fill.quantity
    if role is GroupRole.ENTRY:
        return replace(
            trade,
            entered=trade.entered + fill.quantity,
            entry_value=trade.entry_value + value,
            entered_at=trade.entered_at or fill.at,
        )
    if trade.exits_for is not None and key == trade.exits_key:
        trade = replace(trade, exits_for=trade.exits_for - fill.quantity)
    return replace(
        trade, exited=trade.exited + fill.quantity, exit_value=trade.exit_value + value, exited_at=fill.at, exit_role=role
    )


def _with_status(trade: Trade, role: GroupRole, news: OrderStatus) -> Trade:
    if role is GroupRole.TAKE_PROFIT:
        return _revived(trade, trade.target_status, replace(trade, target_status=next_status(trade.target_status, news)), news)
    if role is GroupRole.STOP_LOSS:
        return _revived(trade, trade.stop_status, replace(trade, stop_status=next_status(trade.stop_status, news)), news)
    status = next_status(trade.entry_status, news)
    trade = replace(trade, entry_status=status)
    if status is OrderStatus.FILLED:
        return replace(_with_exits(trade, OrderStatus.HELD), cancel_asked_at=None, asked_again_at=None, cancel_requested=False)
    return _with_exits(trade, OrderStatus.CANCELED) if status in TERMINAL else trade


def _revived(trade: Trade, before: OrderStatus, after: Trade, news: OrderStatus) -> Trade:
    """A trade whose exits were ending and rest again: the broker took the request to end them back."""
    is_back = trade.is_renewing and before is OrderStatus.PENDING_CANCEL and news in (OrderStatus.WORKING, OrderStatus.HELD)
    return _not_renewed(after) if is_back else after


def _with_exits(trade: Trade, status: OrderStatus) -> Trade:
    """Exits that nothing was heard of yet share the entry's fate: awake when it is complete, gone when it is not.

    Brokers announce the target but keep the stop silently `held`, and cancel held legs without a word.
    """
    if trade.covers:
        return trade
    asleep = {OrderStatus.JOURNALED, OrderStatus.SENT, OrderStatus.HELD}
    target = status if trade.target_status in asleep else trade.target_status
    stop = status if trade.stop_status in asleep else trade.stop_status
    return replace(trade, target_status=target, stop_status=stop)


def _with_trade(book: Book, trade: Trade) -> Book:
    trades = dict(book.open)
    trades[trade.key] = trade
    if not trade.is_closed:
        return replace(book, open=MappingProxyType(trades))
    del trades[trade.key]
    last_exit = dict(book.last_exit)
    if trade.exited_at is not None:
        last_exit[trade.symbol] = trade.exited_at.astimezone(NEW_YORK).date()
    return replace(book, open=MappingProxyType(trades), closed=(*book.closed, trade), last_exit=MappingProxyType(last_exit))
