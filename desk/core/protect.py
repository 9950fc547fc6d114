"""From approved intents to legal order messages, every one of which leaves the position covered.

An entry from flat goes out as a bracket: the broker holds target and stop and wakes both when the entry is complete. A
full exit moves the target to a marketable price: the group stays whole and no share is ever without its stop. (Alpaca
staff recommend this over cancel-and-sell, which loses the race for the reserved shares.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from desk.core.keys import order_key
from desk.domain.decisions import Approved, Denied, FixedExit, Intent, IntentKind, Reason
from desk.domain.orders import TERMINAL, GroupRole, OrderClass, OrderSpec, OrderType, Side, TimeInForce
from desk.domain.prices import PENNY as CENT
from desk.domain.prices import Rounding, legal_price
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Book, Trade


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where the keys of one iteration come from: the journal's nonce and the decision's time (aware, UTC)."""

    nonce: str
    at: datetime


# How far below the market an exit's limit goes to be marketable: wide enough for a fast market, never a market order,
# since only the target's price may change inside a group.
EXIT_COLLAR_FRACTION = 0.005


def protect(approved: Sequence[Approved], book: Book, stamp: Stamp) -> list[Step | Denied]:
    """Steps in sending order: exits and cancels first, then entries. A bracket that cannot be priced is a Denied."""
    exits = [step for verdict in approved for step in _leave(verdict.intent, book, stamp)]
    entries = [_enter(verdict.intent, stamp) for verdict in approved if verdict.intent.kind is IntentKind.OPEN]
    return [*exits, *entries]


def _enter(intent: Intent, stamp: Stamp) -> Step | Denied:
    limit = legal_price(intent.price)
    rule = intent.exit_rule
    target = legal_price(float(limit) * (1 + rule.take_profit_fraction))
    stop = legal_price(float(limit) * (1 - rule.stop_loss_fraction))
    # Alpaca wants a cent between the entry and each exit (base-price rule); penny stocks with narrow exits cannot have it.
    if limit - stop < CENT or target - limit < CENT:
        text = f"stop {stop} and target {target} are not a cent away from the entry {limit}"
        return Denied(intent.symbol, Reason.BELOW_TICK, text)
    spec = OrderSpec(
        key=order_key(stamp.nonce, stamp.at, intent.symbol, "open"),
        symbol=intent.symbol,
        side=Side.BUY,
        quantity=intent.quantity,
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=limit,
        take_profit=target,
        stop_loss=stop,
    )
    return Submit(spec, intent)


def _leave(intent: Intent, book: Book, stamp: Stamp) -> list[Step]:
    if intent.kind is not IntentKind.CLOSE:
        return []
    numbered = enumerate(book.trades_of(intent.symbol), 1)
    return [_exit_step(trade, intent, stamp, number) for number, trade in numbered if _may_ask(trade, intent.price)]


def _may_ask(trade: Trade, bid: float) -> bool:
    """Whether to ask for the exit (again): not while a cancel is on its way, nor while the exit's limit is marketable."""
    if trade.is_entry_working:
        return not trade.cancel_requested
    if trade.is_being_sold and _has_exits(trade):
        return False
    if not _has_exits(trade) or trade.exit_requested is None or trade.target_price is None:
        return True
    return trade.target_price > bid and exit_limit(trade, bid) != trade.target_price


def _exit_step(trade: Trade, intent: Intent, stamp: Stamp, number: int) -> Step:
    if trade.is_entry_working:
        key = _key(stamp, trade.symbol, "cancel", number)
        return Cancel(key, trade.key, trade.symbol, intent.reason)
    if not _has_exits(trade):
        limit = legal_price(intent.price * (1 - EXIT_COLLAR_FRACTION), Rounding.DOWN)
        return _sale(trade, f"{trade.key}-sale{len(trade.covers) + 1}", limit, intent.reason)
    key = _key(stamp, trade.symbol, "exit", number)
    return Replace(key, trade.exits_key, trade.symbol, GroupRole.TAKE_PROFIT, exit_limit(trade, intent.price), intent.reason)


def _key(stamp: Stamp, symbol: str, action: str, number: int) -> str:
    """Key of what is asked of trade number `number` of a symbol, from 1: there may be several, one of them adopted, say."""
    return order_key(stamp.nonce, stamp.at, symbol, action if number == 1 else f"{action}{number}")


def exit_limit(trade: Trade, price: float) -> Decimal:
    """A marketable sell limit near `price` that still lies above the trade's own stop, as the group's rules demand."""
    marketable = legal_price(price * (1 - EXIT_COLLAR_FRACTION), Rounding.DOWN)
    if trade.spec.stop_loss is None:
        return marketable
    return max(marketable, legal_price(trade.spec.stop_loss + CENT, Rounding.UP))


def stale_entries(book: Book, stamp: Stamp) -> list[Step]:
    """Cancels for entries of earlier iterations that are still not complete: the reason to buy is old by now.

    A half-filled entry is canceled too, since its exits sleep until it is complete; `cover` then protects what was bought. One
    that was asked to end is asked again: a broker may take a cancel, reject it later, and say so to nobody.
    """
    return [
        Cancel(_key(stamp, trade.symbol, "cancel", number), trade.key, trade.symbol, "entry not filled in time")
        for symbol in dict.fromkeys(trade.symbol for trade in book.open.values())
        for number, trade in enumerate(book.trades_of(symbol), 1)
        if trade.is_entry_working and trade.decided_at < stamp.at
    ]


# A broker ends an entry within seconds of being asked to.
SLOW_CANCEL = timedelta(seconds=60)


def unended(book: Book, at: datetime) -> list[Trade]:
    """Trades that hold shares under exits that sleep, since the broker has not ended their half-filled entry: a person has to
    look."""
    asked = (trade for trade in book.open.values() if trade.is_entry_working and trade.shares > 0 and trade.cancel_asked_at)
    return [trade for trade in asked if trade.cancel_asked_at is not None and at - trade.cancel_asked_at >= SLOW_CANCEL]


# A broker that ends the same cover over and over is not helped by a hundredth at once; a person is, and time may be.
MAX_COVERS = 5


def cover(book: Book, most: int | None = MAX_COVERS) -> list[Submit]:
    """Orders for trades that hold shares without any live exit: an OCO at the exits which the trade began with.

    Where the market is below the stop already the broker takes no stop; what the stop would have done is a sale now. A trade
    that had `most` covers gets none; None for no limit, where something else bounds how often it is asked.
    """
    return [_cover(trade) for trade in _bare(book) if most is None or len(trade.covers) < most]


def given_up(book: Book) -> list[Trade]:
    """Trades whose shares have no exit and get none at once, because the broker ended too many: a person has to look."""
    return [trade for trade in _bare(book) if len(trade.covers) >= MAX_COVERS]


def _bare(book: Book) -> list[Trade]:
    return [trade for trade in book.open.values() if trade.shares > 0 and not trade.is_entry_working and not _has_exits(trade)]


def _has_exits(trade: Trade) -> bool:
    return any(status not in TERMINAL for status in (trade.target_status, trade.stop_status))


def _sale(trade: Trade, key: str, limit: Decimal | None, reason: str) -> Submit:
    """A plain sale of bare shares, at the market when `limit` is None."""
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    spec = OrderSpec(key=key, symbol=trade.symbol, side=Side.SELL, quantity=trade.shares, type=kind, limit_price=limit)
    rule = FixedExit(0.0, 0.0)
    return Submit(spec, Intent(IntentKind.CLOSE, trade.symbol, trade.shares, float(limit or 0), rule, reason), covers=trade.key)


def _cover(trade: Trade) -> Submit:
    key = f"{trade.key}-cover{len(trade.covers) + 1}"
    if trade.stop_passed:
        return _sale(trade, key, None, "the market is below the stop")
    spec = OrderSpec(
        key=key,
        symbol=trade.symbol,
        side=Side.SELL,
        quantity=trade.shares,
        type=OrderType.LIMIT,
        order_class=OrderClass.OCO,
        time_in_force=TimeInForce.GTC,
        take_profit=trade.target_price,
        stop_loss=trade.spec.stop_loss,
    )
    rule = FixedExit(0.0, 0.0)
    intent = Intent(IntentKind.REDUCE, trade.symbol, trade.shares, float(trade.target_price or 0), rule, "cover bare shares")
    return Submit(spec, intent, covers=trade.key)
