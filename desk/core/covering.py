"""What keeps a book covered whatever happens between decisions: exits for bare shares, ends for orders that hang."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from desk.core.protect import has_exits, sale
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.orders import OrderClass, OrderSpec, OrderType, Side, TimeInForce
from desk.domain.steps import Submit
from desk.domain.trades import Book, Trade

# ---- bare shares -----------------------------------------------------------------------------------------------------------

# A broker that ends the same cover over and over is not helped by a hundredth at once; a person is, and time may be.
MAX_COVERS = 5


def cover(book: Book, most: int | None = MAX_COVERS) -> list[Submit]:
    """Orders for trades that hold shares without any live exit: an OCO at the exits which the trade has.

    Of a trade that is trimmed what stays is covered first, and what goes is sold after it. Where the market is below the stop
    already the broker takes no stop; what the stop would have done is a sale now. A trade of which the broker ended `most`
    covers gets none; None for no limit, where something else bounds how often it is asked.
    """
    return [step for trade in bare(book) if most is None or _ended(trade) < most for step in _covers(trade)]


# Between two tries to cover shares that the broker refused to cover or left bare, and once it did so again and again.
AGAIN_AFTER = timedelta(seconds=10)
INSIST_AFTER = timedelta(seconds=60)


def next_try(trade: Trade) -> datetime | None:
    """When bare shares are due for another cover, if nothing happens before; None for a trade that never had exits."""
    patience = INSIST_AFTER if _ended(trade) >= MAX_COVERS else AGAIN_AFTER
    return None if trade.exits_at is None else trade.exits_at + patience


def insisted(book: Book, at: datetime) -> list[Submit]:
    """One more try for trades that were given up, each some time after the one before."""
    due = (trade for trade in given_up(book) if (when := next_try(trade)) is None or when <= at)
    return [step for trade in due for step in _covers(trade)]


def given_up(book: Book) -> list[Trade]:
    """Trades whose shares have no exit and get none at once, because the broker ended too many: a person has to look."""
    return [trade for trade in bare(book) if _ended(trade) >= MAX_COVERS]


def _ended(trade: Trade) -> int:
    """Covers that were not ended by the desk itself."""
    return len(trade.covers) - trade.renewals


def bare(book: Book) -> list[Trade]:
    """Trades that hold shares without an exit of which no end is known."""
    return [trade for trade in book.open.values() if trade.shares > 0 and not trade.is_entry_working and not has_exits(trade)]


def _covers(trade: Trade) -> Iterator[Submit]:
    going = 0 if trade.keep is None else trade.shares - trade.keep
    if trade.keep == 0:
        limit = trade.next_sale_limit
        key = f"{trade.key}-sale{len(trade.covers) + 1}"
        yield sale(trade, key, limit, "its exits were ended to sell it", extended_hours=limit is not None)
    elif trade.stop_passed or going <= 0:
        yield _cover(trade, trade.shares)
    else:
        yield _cover(trade, trade.shares - going)
        yield _part_sale(trade, going)


def _cover(trade: Trade, shares: int) -> Submit:
    key = f"{trade.key}-cover{len(trade.covers) + 1}"
    if trade.stop_passed:
        return sale(trade, key, None, "the market is below the stop")
    spec = OrderSpec(
        key=key,
        symbol=trade.symbol,
        side=Side.SELL,
        quantity=shares,
        type=OrderType.LIMIT,
        order_class=OrderClass.OCO,
        time_in_force=TimeInForce.GTC,
        take_profit=trade.target_price,
        stop_loss=trade.stop_price,
    )
    rule = FixedExit(0.0, 0.0)
    intent = Intent(IntentKind.REDUCE, trade.symbol, shares, float(trade.target_price or 0), rule, "cover bare shares")
    return Submit(spec, intent, covers=trade.key)


def _part_sale(trade: Trade, shares: int) -> Submit:
    """A sale of some of the shares, which become a trade of their own: if it does not go through, they get exits of their own."""
    lot = f"{trade.key}-lot{trade.lots + 1}"
    spec = OrderSpec(key=f"{lot}-sale1", symbol=trade.symbol, side=Side.SELL, quantity=shares, type=OrderType.MARKET)
    intent = Intent(IntentKind.REDUCE, trade.symbol, shares, 0.0, FixedExit(0.0, 0.0), "trim")
    return Submit(spec, intent, covers=lot, splits=trade.key)
