"""What a book needs as time passes: ends for entries and sales that hang, stops that rise, an eye on those that were passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from desk.core.covering import bare, next_try
from desk.core.exits import ratcheted
from desk.core.protect import Stamp, exit_limit, has_exits, is_settled, is_there, night_limit
from desk.domain.market import Market
from desk.domain.orders import GroupRole
from desk.domain.steps import Cancel, Replace, Step
from desk.domain.trades import LIVE, Book, Trade

# A broker ends an entry within seconds of being asked to.
SLOW_CANCEL = timedelta(seconds=60)
# Exits sleep until their entry is complete, so what it bought so far stands bare: a marketable entry fills in seconds or
# was left behind by the market.
HALF_FILLED_AT_MOST = timedelta(seconds=20)
# A sale of shares that have no stop meanwhile.
SALE_AT_MOST = timedelta(seconds=20)
# A stop that sleeps is elected by the broker; consolidated prints reach a bot's quote a little before or after.
CROSSED_AT_MOST = timedelta(seconds=30)
# Exits that have to be replaced whole cost a moment without them, so they move less often than a stop whose price changes.
STIFF_MOVE_FRACTION = 0.01


def numbered(book: Book) -> Iterator[tuple[int, Trade]]:
    """Open trades, each with its number among those of its symbol, from 1: keys of what is asked of them carry it."""
    counts: dict[str, int] = {}
    for trade in book.open.values():
        counts[trade.symbol] = counts.get(trade.symbol, 0) + 1
        yield counts[trade.symbol], trade


def bids(book: Book, market: Market) -> dict[str, float]:
    """What a share of each symbol in the book fetches now, in dollars, where that is known."""
    symbols = {trade.symbol for trade in book.open.values()}
    return {symbol: bid for symbol in symbols if (bid := market.bid(symbol)) is not None}


# ---- orders that hang ------------------------------------------------------------------------------------------------------


def stale_entries(book: Book, stamp: Stamp) -> list[Step]:
    """Cancels for entries of earlier iterations that are still not complete: the reason to buy is old by now.

    A half-filled entry is canceled too, since its exits sleep until it is complete; `cover` then protects what was bought. One
    that was asked to end is asked again: a broker may take a cancel, reject it later, and say so to nobody.
    """
    return [
        _end_entry(trade, number, stamp, "entry not filled in time")
        for number, trade in numbered(book)
        if trade.is_entry_working and trade.decided_at < stamp.at
    ]


def half_filled(book: Book, stamp: Stamp) -> list[Step]:
    """Cancels for entries that bought a part and then nothing more for a while: the part has no live exit until they end."""
    return [
        _end_entry(trade, number, stamp, "half-filled: what was bought needs its exits")
        for number, trade in numbered(book)
        if (due := _entry_deadline(trade, book)) is not None and due <= stamp.at
    ]


def unattended(book: Book, stamp: Stamp) -> list[Step]:
    """Cancels for entries that would buy shares without live exits while nobody looks: plain ones, and half-filled ones."""
    return [
        _end_entry(trade, number, stamp, "nobody would give what it buys its exits")
        for number, trade in numbered(book)
        if trade.is_entry_working and not trade.cancel_requested and (trade.shares > 0 or trade.spec.stop_loss is None)
    ]


def _end_entry(trade: Trade, number: int, stamp: Stamp, reason: str) -> Cancel:
    return Cancel(stamp.key(trade.symbol, "cancel", number), trade.key, trade.symbol, reason)


def stale_sales(book: Book, stamp: Stamp, night: Mapping[str, float] | None = None) -> list[Step]:
    """Cancels for sales of bare shares that do not go through; the shares get exits then, and are sold another time.

    `night` are prices in dollars outside regular hours, None in those. A sale that trades then stays, as exits would sleep, and
    is asked for anew when the market falls below its reach.
    """
    return [
        _unsold(trade, number, stamp, limit)
        for number, trade in numbered(book)
        if _is_unsold(trade) and trade.exits_at is not None and stamp.at - trade.exits_at >= SALE_AT_MOST
        if (limit := _lower_limit(trade, night or {})) is not None or night is None or trade.sale_limit is None
    ]


def _unsold(trade: Trade, number: int, stamp: Stamp, limit: Decimal | None) -> Cancel:
    key, keep = stamp.key(trade.symbol, "unsell", number), None if limit is None else 0
    return Cancel(key, trade.exits_key, trade.symbol, "not sold in time", keep=keep, sale_limit=limit)


def _lower_limit(trade: Trade, night: Mapping[str, float]) -> Decimal | None:
    """Where a sale below the stop has a better chance than it has, None when there is no such price."""
    if trade.symbol not in night or not _is_passed(trade, night[trade.symbol]):
        return None
    limit = night_limit(night[trade.symbol])
    return limit if trade.sale_limit is None or limit < trade.sale_limit else None


def next_deadline(book: Book) -> datetime | None:
    """When the first of what hangs is to be ended, or what is bare is to be covered again; None when nothing is."""
    ends = [due for trade in book.open.values() if (due := _entry_deadline(trade, book)) is not None]
    ends += [trade.asked_again_at + SLOW_CANCEL for trade in book.open.values() if _is_ending(trade) and trade.asked_again_at]
    ends += [due for trade in bare(book) if (due := next_try(trade)) is not None]
    ends += [trade.exits_at for trade in book.open.values() if _is_misfit(trade) and trade.exits_at]
    # What becomes of a sale outside regular hours is for the next look at prices to say.
    by_day = (trade for trade in book.open.values() if _is_unsold(trade) and trade.sale_limit is None)
    ends += [trade.exits_at + SALE_AT_MOST for trade in by_day if trade.exits_at]
    return min(ends, default=None)


def _entry_deadline(trade: Trade, book: Book) -> datetime | None:
    """When an entry is to be ended, or asked again to end: one that bought a part, and one that is in the way of a sale, as the
    broker refuses to sell at the market what it is to buy (wash trades)."""
    is_in_the_way = any(other.is_being_sold or other.stop_passed for other in book.trades_of(trade.symbol) if other.shares > 0)
    if not trade.is_entry_working or not (trade.entered or is_in_the_way):
        return None
    if trade.cancel_requested:
        return None if trade.asked_again_at is None else trade.asked_again_at + SLOW_CANCEL
    return trade.decided_at if is_in_the_way or trade.entered_at is None else trade.entered_at + HALF_FILLED_AT_MOST


def _is_unsold(trade: Trade) -> bool:
    # A sale at the market in place of a stop that the broker does not take would be followed by another one.
    is_last_resort = trade.stop_passed and trade.sale_limit is None
    return trade.is_being_sold and not trade.is_renewing and not is_last_resort and has_exits(trade) and is_there(trade)


def unended(book: Book, at: datetime) -> list[Trade]:
    """Trades of which the broker has not ended what it was asked to: a half-filled entry whose exits sleep, or exits that are to
    be replaced. A person has to look."""
    asked = (trade for trade in book.open.values() if _is_ending(trade) or (trade.is_entry_working and trade.shares > 0))
    return [trade for trade in asked if trade.cancel_asked_at is not None and at - trade.cancel_asked_at >= SLOW_CANCEL]


def _is_ending(trade: Trade) -> bool:
    """Whether exits were asked to end, and are not known to have."""
    return trade.is_renewing and trade.shares > 0 and has_exits(trade)


def asked_again(book: Book, stamp: Stamp) -> list[Step]:
    """Cancels once more for exits that do not end: a broker may take a request, drop it, and say so to nobody."""
    return [
        Cancel(
            stamp.key(trade.symbol, "again", number),
            trade.exits_key,
            trade.symbol,
            "asked to end, and it has not",
            GroupRole.ENTRY if trade.is_being_sold else GroupRole.TAKE_PROFIT,
            trade.keep,
            trade.stop_price,
            trade.next_sale_limit,
        )
        for number, trade in numbered(book)
        if _is_ending(trade) and trade.asked_again_at is not None and stamp.at - trade.asked_again_at >= SLOW_CANCEL
    ]


def _is_misfit(trade: Trade) -> bool:
    # What has not been answered yet may never have arrived.
    rests = trade.target_status in LIVE or trade.stop_status in LIVE
    return rests and is_settled(trade) and not trade.fits


def misfits(book: Book, stamp: Stamp) -> list[Step]:
    """Cancels for exits that are for more or fewer shares than there are, since a fill was told late; the right ones follow."""
    return [
        Cancel(
            stamp.key(trade.symbol, "refit", number),
            trade.exits_key,
            trade.symbol,
            f"the exits are for {trade.exits_for} shares, {trade.shares} are held",
            GroupRole.TAKE_PROFIT,
        )
        for number, trade in numbered(book)
        if _is_misfit(trade)
    ]


# ---- stops -----------------------------------------------------------------------------------------------------------------


def ratchets(book: Book, prices: Mapping[str, float], stamp: Stamp) -> list[Step]:
    """Price changes that raise stops by their trades' rules. `prices` are what a share fetches now, in dollars."""
    return [
        step
        for number, trade in numbered(book)
        if is_settled(trade)
        and trade.symbol in prices
        and (step := _ratchet(trade, prices[trade.symbol], number, stamp)) is not None
    ]


def _ratchet(trade: Trade, price: float, number: int, stamp: Stamp) -> Step | None:
    stop = ratcheted(trade, price, STIFF_MOVE_FRACTION) if trade.stop_is_stiff else ratcheted(trade, price)
    if stop is None:
        return None
    reason = f"the stop rises to {stop}"
    key = stamp.key(trade.symbol, "stop", number)
    if not trade.stop_is_stiff:
        return Replace(key, trade.exits_key, trade.symbol, GroupRole.STOP_LOSS, stop, reason)
    return Cancel(key, trade.exits_key, trade.symbol, reason, GroupRole.TAKE_PROFIT, stop_price=stop)


def exits_left_behind(book: Book, prices: Mapping[str, float], stamp: Stamp) -> list[Step]:
    """Price changes for targets that were moved to the market to leave, and that the market has left behind since."""
    return [
        Replace(
            stamp.key(trade.symbol, "follow", number),
            trade.exits_key,
            trade.symbol,
            GroupRole.TAKE_PROFIT,
            exit_limit(trade, prices[trade.symbol]),
            str(trade.exit_requested),
        )
        for number, trade in numbered(book)
        if trade.symbol in prices and _is_left_behind(trade, prices[trade.symbol])
    ]


def _is_left_behind(trade: Trade, price: float) -> bool:
    if trade.exit_requested is None or trade.target_price is None or trade.shares == 0 or not has_exits(trade):
        return False
    in_motion = trade.is_entry_working or trade.is_renewing or trade.is_being_sold
    return not in_motion and trade.target_price > price and exit_limit(trade, price) != trade.target_price


def crossed(book: Book, prices: Mapping[str, float]) -> list[Trade]:
    """Trades whose stop the market has passed, and that are still held."""
    return [
        trade
        for trade in book.open.values()
        if trade.shares > 0 and not trade.is_being_sold and _is_passed(trade, prices.get(trade.symbol, float("inf")))
    ]


def _is_passed(trade: Trade, price: float) -> bool:
    return trade.stop_price is not None and price <= float(trade.stop_price)


def instead_of_stops(
    trades: list[Trade], prices: Mapping[str, float], book: Book, stamp: Stamp, at_night: bool = False
) -> list[Step]:
    """Cancels that sell what a stop should have sold, as the target cannot go below it: at the market, or `at_night`, outside
    regular hours, at a limit, since only such an order trades then."""
    mine = {trade.key for trade in trades}
    return [
        Cancel(
            stamp.key(trade.symbol, "stopped", number),
            trade.exits_key,
            trade.symbol,
            f"the market is at {prices[trade.symbol]:.2f}, below the stop {trade.stop_price}, and the stop did nothing",
            GroupRole.TAKE_PROFIT,
            keep=0,
            sale_limit=night_limit(prices[trade.symbol]) if at_night else None,
        )
        for number, trade in numbered(book)
        if trade.key in mine and not trade.is_renewing and not trade.is_entry_working and has_exits(trade)
    ]
