"""From approved intents to legal order messages, every one of which leaves the position covered.

An entry from flat goes out as a bracket: the broker holds target and stop and wakes both when the entry is complete. More of
what is held is bought plainly and gets exits of its own, a tranche. A full exit moves the target to a marketable price: the
group stays whole and no share is ever without its stop. (Alpaca staff recommend this over cancel-and-sell, which loses the race
for the reserved shares.) Less of a position is whole tranches that leave in the same way, as far as they fit; what is left to
sell comes out of one tranche, whose exits are ended first, since they hold its shares: `desk.core.covering` goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from desk.core.keys import order_key
from desk.core.tranches import choose
from desk.domain.decisions import Approved, Denied, FixedExit, Intent, IntentKind, Reason
from desk.domain.orders import TERMINAL, GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.prices import PENNY as CENT
from desk.domain.prices import Rounding, legal_price
from desk.domain.steps import Cancel, ExitPrices, Replace, Step, Submit
from desk.domain.trades import Book, Trade


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where the keys of one iteration come from: the journal's nonce and the decision's time (aware, UTC)."""

    nonce: str
    at: datetime

    def key(self, symbol: str, action: str, number: int = 1) -> str:
        """Key of what is asked of trade number `number` of a symbol, from 1: there may be several."""
        return order_key(self.nonce, self.at, symbol, action if number == 1 else f"{action}{number}")


# How far below the market an exit's limit goes to be marketable: wide enough for a fast market, never a market order,
# since only the target's price may change inside a group.
EXIT_COLLAR_FRACTION = 0.005
# Outside regular hours the last trade is minutes old and the bid a percent or more below it. A limit takes the best bid there
# is, so a wide one costs nothing in a thick book; in a thin one it bounds what the sale gives away, and each miss is another
# half-minute under the stop.
NIGHT_COLLAR_FRACTION = 0.02


def protect(approved: Sequence[Approved], book: Book, stamp: Stamp) -> list[Step | Denied]:
    """Steps in sending order: exits and cancels first, then entries. A bracket that cannot be priced is a Denied."""
    exits = [step for verdict in approved for step in EXITS[verdict.intent.kind](verdict.intent, book, stamp)]
    buying = (verdict.intent for verdict in approved if verdict.intent.kind in (IntentKind.OPEN, IntentKind.ADD))
    return [*exits, *(_enter(intent, stamp) for intent in buying)]


# ---- in ------------------------------------------------------------------------------------------------------------------


def _enter(intent: Intent, stamp: Stamp) -> Step | Denied:
    limit = legal_price(intent.price)
    rule = intent.exit_rule
    target = legal_price(float(limit) * (1 + rule.take_profit_fraction))
    stop = legal_price(float(limit) * (1 - rule.stop_loss_fraction))
    # Alpaca wants a cent between the entry and each exit (base-price rule); penny stocks with narrow exits cannot have it.
    if limit - stop < CENT or target - limit < CENT:
        text = f"stop {stop} and target {target} are not a cent away from the entry {limit}"
        return Denied(intent.symbol, Reason.BELOW_TICK, text)
    if intent.kind is IntentKind.ADD:
        # Alpaca takes a bracket only from flat; the tranche's own exits follow when it is bought.
        return Submit(_entry(intent, stamp, limit, OrderClass.SIMPLE), intent, exits=ExitPrices(target, stop))
    return Submit(_entry(intent, stamp, limit, OrderClass.BRACKET, target, stop), intent)


def _entry(
    intent: Intent,
    stamp: Stamp,
    limit: Decimal,
    order_class: OrderClass,
    target: Decimal | None = None,
    stop: Decimal | None = None,
) -> OrderSpec:
    is_bracket = order_class is OrderClass.BRACKET
    return OrderSpec(
        key=stamp.key(intent.symbol, intent.kind.value),
        symbol=intent.symbol,
        side=Side.BUY,
        quantity=intent.quantity,
        type=OrderType.LIMIT,
        order_class=order_class,
        # Exits live as long as their entry says. An addition that does not fill is not wanted tomorrow.
        time_in_force=TimeInForce.GTC if is_bracket else TimeInForce.DAY,
        limit_price=limit,
        take_profit=target,
        stop_loss=stop,
    )


# ---- out -----------------------------------------------------------------------------------------------------------------


def _leave(intent: Intent, book: Book, stamp: Stamp) -> list[Step]:
    numbered = (
        (number, trade)
        for number, trade in enumerate(book.trades_of(intent.symbol), 1)
        if intent.trade is None or intent.trade == trade.key
    )
    return [_exit_step(trade, intent, stamp, number) for number, trade in numbered if _may_ask(trade, intent.price)]


def _may_ask(trade: Trade, bid: float) -> bool:
    """Whether to ask for the exit (again): not while a cancel is on its way, nor while the exit's limit is marketable."""
    if trade.is_entry_working:
        return not trade.cancel_requested
    if trade.is_renewing or (trade.is_being_sold and has_exits(trade)):
        return False
    if not has_exits(trade) or trade.exit_requested is None or trade.target_price is None:
        return True
    return trade.target_price > bid and exit_limit(trade, bid) != trade.target_price


def _exit_step(trade: Trade, intent: Intent, stamp: Stamp, number: int) -> Step:
    if trade.is_entry_working:
        return Cancel(stamp.key(trade.symbol, "cancel", number), trade.key, trade.symbol, intent.reason)
    if not has_exits(trade):
        limit = legal_price(intent.price * (1 - EXIT_COLLAR_FRACTION), Rounding.DOWN)
        return sale(trade, f"{trade.key}-sale{len(trade.covers) + 1}", limit, intent.reason)
    key = stamp.key(trade.symbol, "exit", number)
    return Replace(key, trade.exits_key, trade.symbol, GroupRole.TAKE_PROFIT, exit_limit(trade, intent.price), intent.reason)


def exit_limit(trade: Trade, price: float) -> Decimal:
    """A marketable sell limit near `price` that still lies above the trade's own stop, as the group's rules demand."""
    marketable = legal_price(price * (1 - EXIT_COLLAR_FRACTION), Rounding.DOWN)
    if trade.stop_price is None:
        return marketable
    return max(marketable, legal_price(trade.stop_price + CENT, Rounding.UP))


def night_limit(price: float) -> Decimal:
    """A marketable sell limit near the last trade's `price` outside regular hours, when brokers take no market orders."""
    return legal_price(price * (1 - NIGHT_COLLAR_FRACTION), Rounding.DOWN)


def _reduce(intent: Intent, book: Book, stamp: Stamp) -> list[Step]:
    numbers = {trade.key: number for number, trade in enumerate(book.trades_of(intent.symbol), 1)}
    settled = [trade for trade in book.trades_of(intent.symbol) if is_settled(trade)]
    choice = choose({trade.key: trade.shares for trade in settled}, intent.quantity)
    return list(_taken_out(choice.whole, settled, intent, stamp, numbers)) + [
        Cancel(
            stamp.key(intent.symbol, "trim", numbers[trade.key]),
            trade.exits_key,
            intent.symbol,
            intent.reason,
            GroupRole.TAKE_PROFIT,
            keep=trade.shares - choice.cut_shares,
        )
        for trade in settled
        if trade.key == choice.cut
    ]


def _taken_out(
    whole: Sequence[str], settled: Sequence[Trade], intent: Intent, stamp: Stamp, numbers: dict[str, int]
) -> Iterator[Step]:
    leaving = (trade for trade in settled if trade.key in whole)
    return (_exit_step(trade, intent, stamp, numbers[trade.key]) for trade in leaving)


def is_settled(trade: Trade) -> bool:
    """Whether a trade's shares rest under exits of which nothing is being changed."""
    in_motion = trade.is_entry_working or trade.is_being_sold or trade.is_renewing or trade.exit_requested is not None
    return trade.shares > 0 and not in_motion and has_exits(trade) and is_there(trade)


def is_there(trade: Trade) -> bool:
    """Whether it is known that the exits reached the broker: nothing can be asked of those that may not have."""
    return OrderStatus.UNKNOWN not in (trade.target_status, trade.stop_status)


def has_exits(trade: Trade) -> bool:
    """Whether an exit was sent of which no end is known."""
    return any(status not in TERMINAL for status in (trade.target_status, trade.stop_status))


def sale(trade: Trade, key: str, limit: Decimal | None, reason: str, extended_hours: bool = False) -> Submit:
    """A plain sale of bare shares, at the market when `limit` is None."""
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    spec = OrderSpec(key, trade.symbol, Side.SELL, trade.shares, kind, limit_price=limit, extended_hours=extended_hours)
    rule = FixedExit(0.0, 0.0)
    return Submit(spec, Intent(IntentKind.CLOSE, trade.symbol, trade.shares, float(limit or 0), rule, reason), covers=trade.key)


def _nothing(_intent: Intent, _book: Book, _stamp: Stamp) -> list[Step]:
    return []


EXITS = {IntentKind.OPEN: _nothing, IntentKind.ADD: _nothing, IntentKind.REDUCE: _reduce, IntentKind.CLOSE: _leave}
