"""Stock splits: the book on the new terms, and the orders that stay on the old ones.

Alpaca scales a position before the first trade of the ex-date. It leaves the members of brackets and OCOs as they are, since they
are sent as do not reduce and do not cancel (https://docs.alpaca.markets/docs/orders-at-alpaca): after a split of ten for one the
market opens below every stop, which then sells a tenth of the shares (https://github.com/alpacahq/alpaca-py/issues/469).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction
from math import floor
from types import MappingProxyType
from zoneinfo import ZoneInfo

from desk.core.protect import Stamp, has_exits
from desk.core.upkeep import numbered
from desk.domain.journal import BrokerRefusal, SharesSplit
from desk.domain.orders import GroupRole, OrderSpec
from desk.domain.prices import Rounding, legal_price
from desk.domain.steps import Cancel
from desk.domain.trades import Book, Trade

NEW_YORK = ZoneInfo("America/New_York")
BEFORE_SPLIT = "its prices are from before a split"
PAID_OUT = "paid out in cash by a reverse split"


def explains(book: Book, foreign: int, there: int, split: SharesSplit) -> bool:
    """Whether a split that the book does not know yet accounts for every share of its symbol: `there` at the broker, `foreign`
    in old terms not the desk's. Shares that the desk's trades sold since then count as they are."""
    if there - book.shares_of(split.symbol) - foreign != split.new_shares - split.old_shares:
        return False
    parts = _parts(book, foreign, split)
    if parts is None:
        return False
    after = _apportioned([part.held for part in parts], _ratio(split))
    left = split.new_shares - sum(after)
    enough = all(shares >= part.sold for part, shares in zip(parts, after, strict=True))
    # Of a part of a share whole ones may come, which are nobody's trade.
    return enough and (left == 0 if foreign == 0 and not split.fraction else left * (foreign or 1) >= 0)


def with_split(book: Book, split: SharesSplit, foreign: int) -> tuple[Book, int]:
    """The book on the terms of a split, and how many shares are not the desk's then; `foreign` are those in old terms.

    Dollars stay as they are, whole shares come out: the largest remainders are rounded up. Stops round down and targets up, so
    neither is reached sooner than before. Raises ValueError for a split that does not explain the book.
    """
    parts = _parts(book, foreign, split)
    if parts is None:
        raise ValueError(f"{split.symbol}: the split of {split.on} of {split.old_shares} shares is not one of this book")
    after = _apportioned([part.held for part in parts], _ratio(split))
    changed = {part.trade.key: _rescaled(part, shares, split) for part, shares in zip(parts, after, strict=True)}
    return _with_trades(book, changed), split.new_shares - sum(after)


def orders_before(book: Book, split: SharesSplit) -> frozenset[str]:
    """Keys of the order groups that are on the old terms: entries that still work, and exits, of trades from before the split."""
    return frozenset(trade.exits_key for trade in book.trades_of(split.symbol) if trade.decided_at < _began(split))


def ends(book: Book, old: Collection[str], stamp: Stamp) -> list[Cancel]:
    """Cancels for the order groups in `old` that may still trade; the shares get exits on the new terms when they are gone."""
    if not old:
        return []  # asked at every news of an order, and nearly always so
    return [
        Cancel(stamp.key(trade.symbol, "split", number), trade.exits_key, trade.symbol, BEFORE_SPLIT, role)
        for number, trade in numbered(book)
        if trade.exits_key in old and (role := _member_to_end(trade)) is not None
    ]


# Alpaca's words when an exit, or a sale, is for shares of which there are none.
NO_POSITION = ("must be exit orders", "position intent mismatch")


def perhaps_split(refusal: BrokerRefusal) -> BrokerRefusal:
    """The refusal of an exit, as one that is no mistake where all the shares may have been paid out by a reverse split: the next
    count of the shares tells, and trying again in vain has an end."""
    return replace(refusal, explained=True) if any(words in refusal.message for words in NO_POSITION) else refusal


def told(split: SharesSplit) -> str:
    """For people: what became of the shares, and what the broker pays out in cash, as no whole share came of it."""
    # A position that had a part of a share may keep one.
    cash = 0 if split.fraction else split.old_shares * _ratio(split) - split.new_shares
    rest = f"; the broker pays {float(cash):.4g} of a share out in cash" if cash > 0 else ""
    return (
        f"{split.symbol}: a split of {split.new_rate.normalize():f} for {split.old_rate.normalize():f} on {split.on} made "
        f"{split.new_shares} shares of {split.old_shares}{rest}; the book is on the new terms, and exits follow"
    )


def _member_to_end(trade: Trade) -> GroupRole | None:
    """By which member the orders of a trade are ended, None when there is nothing left to end or it is asked for already."""
    if trade.is_entry_working:
        return None if trade.cancel_requested else GroupRole.ENTRY
    if trade.is_renewing or trade.shares == 0 or not has_exits(trade):
        return None
    return GroupRole.ENTRY if trade.is_being_sold else GroupRole.TAKE_PROFIT


# ---- shares ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """A trade at the split: `held` shares in old terms, of which `sold` in new terms are gone since."""

    trade: Trade
    held: int
    sold: int


def _began(split: SharesSplit) -> datetime:
    return datetime.combine(split.on, time(), NEW_YORK)


def _ratio(split: SharesSplit) -> Fraction:
    return Fraction(split.new_rate) / Fraction(split.old_rate)


def _parts(book: Book, foreign: int, split: SharesSplit) -> tuple[_Part, ...] | None:
    """Trades that the split changes, also such as its own stop has sold out since; None when it is not known who sold what."""
    began = _began(split)
    # In an order that does not depend on which of them are over: it decides who has the larger of equal remainders.
    everything = sorted((*book.closed, *book.open.values()), key=lambda trade: (trade.decided_at, trade.key))
    trades = [trade for trade in everything if trade.symbol == split.symbol and trade.decided_at < began]
    sold = _sold_since(trades, split.old_shares - foreign - sum(trade.shares for trade in trades), began)
    if sold is None:
        return None
    return tuple(
        _Part(trade, trade.shares + sold.get(trade.key, 0), sold.get(trade.key, 0))
        for trade in trades
        if trade.key in sold or not trade.is_closed
    )


def _sold_since(trades: Iterable[Trade], missing: int, began: datetime) -> Mapping[str, int] | None:
    """How the shares that are `missing` at the split are told from those sold before it: no exit fills between midnight and the
    opening, so what was sold on the day was sold after it."""
    sellers = {trade.key: trade.exited for trade in trades if trade.exited_at is not None and trade.exited_at >= began}
    if missing == 0:
        return {}
    if missing == sum(sellers.values()):
        return sellers
    if len(sellers) == 1 and 0 < missing < sum(sellers.values()):
        return dict.fromkeys(sellers, missing)
    return None


def _apportioned(held: Sequence[int], ratio: Fraction) -> list[int]:
    """Whole shares that come of those held, as many in all as they make together."""
    exact = [shares * ratio for shares in held]
    whole = [floor(each) for each in exact]
    left = floor(sum(exact)) - sum(whole)
    largest = sorted(range(len(held)), key=lambda place: (whole[place] - exact[place], place))
    for place in largest[:left]:
        whole[place] += 1
    return whole


def _with_trades(book: Book, changed: Mapping[str, Trade]) -> Book:
    closed = [trade for trade in book.closed if trade.key not in changed]
    trades = {**book.open, **changed}
    closed += [trade for key, trade in changed.items() if trade.is_closed]
    still = {key: trade for key, trade in trades.items() if not trade.is_closed}
    return replace(book, open=MappingProxyType(still), closed=tuple(closed))


# ---- a trade ---------------------------------------------------------------------------------------------------------------


def _rescaled(part: _Part, shares: int, split: SharesSplit) -> Trade:
    """The trade with `shares` at the split, on new terms."""
    trade, ratio = part.trade, _ratio(split)
    if part.held and not shares:
        return replace(trade, exited=trade.entered, exited_at=_began(split), exit_role=None, exit_requested=PAID_OUT)
    sold_before = round((trade.exited - part.sold) * ratio)
    entered, exited = sold_before + shares, sold_before + part.sold
    return replace(
        trade,
        spec=_rescaled_spec(trade.spec, entered if trade.entered == trade.spec.quantity else None, split),
        decided_price=trade.decided_price / float(ratio),
        entered=entered,
        exited=exited,
        keep=None if trade.keep is None else min(entered - exited, round(trade.keep * ratio)),
        target_price=_price(trade.target_price, split, Rounding.UP),
        target_before=_price(trade.target_before, split, Rounding.UP),
        first_target=_price(trade.first_target, split, Rounding.UP),
        stop_price=_price(trade.stop_price, split, Rounding.DOWN),
        stop_before=_price(trade.stop_before, split, Rounding.DOWN),
        sale_limit=_price(trade.sale_limit, split, Rounding.DOWN),
        next_sale_limit=_price(trade.next_sale_limit, split, Rounding.DOWN),
    )


def _rescaled_spec(spec: OrderSpec, entered: int | None, split: SharesSplit) -> OrderSpec:
    """`entered` when the order is complete: it was for as many."""
    return replace(
        spec,
        quantity=max(1, round(spec.quantity * _ratio(split)) if entered is None else entered),
        limit_price=_price(spec.limit_price, split, Rounding.NEAREST),
        stop_price=_price(spec.stop_price, split, Rounding.NEAREST),
        take_profit=_price(spec.take_profit, split, Rounding.UP),
        stop_loss=_price(spec.stop_loss, split, Rounding.DOWN),
    )


def _price(price: Decimal | None, split: SharesSplit, rounding: Rounding) -> Decimal | None:
    return None if price is None else legal_price(price * split.old_rate / split.new_rate, rounding)
