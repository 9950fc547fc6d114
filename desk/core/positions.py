"""The desk's positions for people: what each one is worth, how far it is from its exits, and what protects it.

A state of a trade's orders means one of three things for its shares (`Cover`) and is told in one sentence; `STATES` is the table.
Where the broker was asked, its word on the exits stands before the journal's, and what differs is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from desk.core.covering import MAX_COVERS
from desk.core.exits import Distance, distance
from desk.core.upkeep import HALF_FILLED_AT_MOST, SLOW_CANCEL
from desk.domain.orders import OrderClass, OrderStatus
from desk.domain.trades import LIVE, Book, Trade

NEW_YORK = ZoneInfo("America/New_York")
S = OrderStatus
T = TypeVar("T")
ENDED = frozenset({S.CANCELED, S.EXPIRED, S.REJECTED, S.FILLED})
UNANSWERED = frozenset({S.JOURNALED, S.SENT})
# A broker answers within a second; a desk that hears nothing asks again long before this.
ANSWER_AT_MOST = timedelta(seconds=60)


class Cover(StrEnum):
    """What the exits are for the shares, the best first. EXEMPT: bare for a moment that the desk bounds, or leaving already."""

    PROTECTED = "protected"
    EXEMPT = "exempt"
    NAKED = "naked"


@dataclass(frozen=True, slots=True)
class Protection:
    cover: Cover
    words: str


USUAL = Protection(Cover.PROTECTED, "stop and target at the broker")


# ---- states -> words -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """A trade that holds shares, at one moment (aware)."""

    trade: Trade
    now: datetime

    @property
    def exits(self) -> frozenset[OrderStatus]:
        return frozenset({self.trade.target_status, self.trade.stop_status})

    @property
    def is_half(self) -> bool:
        return self.trade.is_entry_working

    @property
    def rests(self) -> bool:
        """Whether an exit is at the broker. It announces the target of a group alone, and keeps the stop in silence."""
        return bool(self.exits & LIVE)

    @property
    def is_renewing(self) -> bool:
        return self.trade.is_renewing and not self.is_unanswered

    @property
    def is_unanswered(self) -> bool:
        return bool(self.exits & UNANSWERED)

    def is_within(self, most: timedelta, since: datetime | None) -> bool:
        return since is not None and self.now - since < most

    def told(self, words: str) -> str:
        trade = self.trade
        return words.format(
            half=f"entry half filled, {trade.entered} of {trade.spec.quantity}",
            asked=_clock(trade.cancel_asked_at),
            sent=f"{'a sale' if trade.is_being_sold else 'exits'} sent at {_clock(trade.exits_at or trade.decided_at)}",
            target=trade.target_price,
            limit=trade.sale_limit,
            fitted=trade.exits_for,
            ended=len(trade.covers) - trade.renewals,
        )


def _clock(at: datetime | None) -> str:
    return "an unknown time" if at is None else f"{at:%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class State:
    """`words` may name what `Look.told` fills in."""

    holds: Callable[[Look], bool]
    cover: Cover
    words: str


_FREE, _BARE, _SAFE = Cover.EXEMPT, Cover.NAKED, Cover.PROTECTED
# The first that holds is the trade's.
STATES = (
    State(lambda it: it.trade.shares < 0, _BARE, "more was sold than bought: look at the account"),
    State(
        lambda it: it.is_half and it.is_within(SLOW_CANCEL, it.trade.cancel_asked_at),
        _FREE,
        "{half}; the rest is being canceled, then the exits are sent",
    ),
    State(lambda it: it.is_half and it.trade.cancel_asked_at is not None, _BARE, "{half}; asked at {asked} to end, it has not"),
    State(
        lambda it: it.is_half and it.is_within(HALF_FILLED_AT_MOST, it.trade.entered_at),
        _FREE,
        "{half}; its exits sleep until it is complete",
    ),
    State(lambda it: it.is_half, _BARE, "{half}; its exits sleep until it is complete"),
    State(
        lambda it: it.rests and it.trade.sale_limit is not None,
        _FREE,
        "being sold at {limit} or more, outside regular hours too; the sale is at the broker",
    ),
    State(lambda it: it.rests and it.trade.is_being_sold, _FREE, "being sold; the sale is at the broker"),
    State(lambda it: it.rests and it.trade.stop_status in ENDED, _BARE, "target at the broker, but no stop: look at it"),
    State(lambda it: it.rests and it.trade.target_status in ENDED, _SAFE, "stop at the broker, no target"),
    State(lambda it: it.rests and it.trade.is_renewing, _SAFE, "stop and target at the broker, being replaced"),
    State(lambda it: it.rests and it.trade.exit_requested is not None, _SAFE, "being sold at {target} or more; the stop stands"),
    State(lambda it: it.rests and not it.trade.fits, _FREE, "the exits are for {fitted} shares; the right ones are next"),
    State(lambda it: it.rests, USUAL.cover, USUAL.words),
    State(
        lambda it: it.is_renewing and S.PENDING_CANCEL in it.exits and it.is_within(SLOW_CANCEL, it.trade.cancel_asked_at),
        _FREE,
        "exits being replaced; the old ones are ending",
    ),
    State(
        lambda it: it.is_renewing and S.PENDING_CANCEL in it.exits,
        _BARE,
        "exits asked at {asked} to end for others; the broker says for too long that they are ending",
    ),
    State(lambda it: it.is_renewing, _BARE, "exits being replaced; the old ones have ended, the new ones are not sent yet"),
    State(
        lambda it: it.is_unanswered and it.is_within(ANSWER_AT_MOST, it.trade.exits_at or it.trade.decided_at),
        _FREE,
        "{sent}, not answered yet",
    ),
    State(lambda it: it.is_unanswered, _BARE, "{sent}, and the broker never answered"),
    State(lambda it: S.PENDING_CANCEL in it.exits, _BARE, "the broker is ending the exits, and the desk did not ask it to"),
    State(lambda it: S.UNKNOWN in it.exits, _BARE, "what the broker says of the exits cannot be read"),
    State(lambda it: S.REPLACED in it.exits, _BARE, "an exit was replaced by an order that the desk does not know"),
    State(lambda it: it.trade.stop_passed, _BARE, "the market is below the stop, the broker takes none; a sale is next"),
    State(
        lambda it: len(it.trade.covers) - it.trade.renewals >= MAX_COVERS,
        _BARE,
        "the broker ended {ended} orders for its exits: place a stop by hand, or sell",
    ),
    State(lambda it: S.REJECTED in it.exits, _BARE, "exits refused by the broker"),
    State(lambda it: S.EXPIRED in it.exits, _BARE, "exits expired at the broker"),
    State(lambda it: not it.trade.covers and it.trade.spec.order_class is OrderClass.SIMPLE, _BARE, "its exits are not sent yet"),
    State(lambda it: True, _BARE, "its exits have ended, and new ones are not sent yet"),
)


def protection(trade: Trade, now: datetime) -> Protection:
    """What covers the shares of a trade at `now` (aware), by the statuses in it."""
    look = Look(trade, now)
    state = next(state for state in STATES if state.holds(look))
    return Protection(state.cover, look.told(state.words))


# ---- the broker's word -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExitSeen:
    """A stop, target or sale as the broker has it; `shares` are those that it may still sell."""

    status: OrderStatus
    price: Decimal | None
    shares: int


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """The order group that holds a trade's exits, as the broker has it; `entry` is None for a group without one."""

    entry: OrderStatus | None = None
    target: ExitSeen | None = None
    stop: ExitSeen | None = None

    @property
    def is_filled(self) -> bool:
        return any(each is not None and each.status is S.FILLED for each in (self.target, self.stop))


@dataclass(frozen=True, slots=True)
class BrokersWord:
    """What a broker said: shares of the account by symbol, order groups by the desk's key, bare shares by symbol.

    A group that was asked for and is not there is None in `groups`, which is None itself where no orders were asked for; `bare`
    is None where nobody counts.
    """

    shares: Mapping[str, Decimal]
    groups: Mapping[str, GroupSeen | None] | None = None
    bare: Mapping[str, int] | None = None


def _as_seen(trade: Trade, group: GroupSeen) -> Trade:
    """The trade with the broker's statuses and prices in place of the journal's."""
    target, stop = group.target, group.stop
    return replace(
        trade,
        entry_status=trade.entry_status if group.entry is None else group.entry,
        target_status=S.CANCELED if target is None else target.status,
        stop_status=S.CANCELED if stop is None else stop.status,
        target_price=trade.target_price if target is None or target.price is None else target.price,
        stop_price=trade.stop_price if stop is None or stop.price is None else stop.price,
    )


def _protection_seen(trade: Trade, seen: Trade, group: GroupSeen | None, now: datetime) -> Protection:
    if group is None:
        # What was sent this moment is not listed yet, and the journal knows better why there is nothing.
        told = protection(trade, now)
        return Protection(Cover.NAKED, "the broker has no exits for it") if told.cover is Cover.PROTECTED else told
    if group.is_filled and S.FILLED not in (trade.target_status, trade.stop_status):
        return Protection(Cover.EXEMPT, "sold at the broker; the journal has not heard of it yet")
    found = protection(seen, now)
    if found.cover is Cover.PROTECTED and group.stop is not None and group.stop.shares < trade.shares:
        return Protection(Cover.NAKED, f"the stop at the broker covers {group.stop.shares} of {trade.shares} shares")
    return found


def _differences(trade: Trade, seen: Trade, told: Protection, found: Protection) -> tuple[str, ...]:
    prices = (("stop", trade.stop_price, seen.stop_price), ("target", trade.target_price, seen.target_price))
    moved = [f"the journal has the {name} at {ours}" for name, ours, theirs in prices if ours != theirs]
    return (*([] if told.cover is found.cover else [f"the journal says: {told.words}"]), *moved)


# ---- positions -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Position:
    """Shares of one symbol. Prices in dollars, `price` None where it is not known; `days` since the first share was bought.

    Of several trades stop and target are the nearest, the protection is the worst, and `trades` has each; `key` names a single
    trade. `differences` are sentences on what the broker and the journal do not agree about.
    """

    symbol: str
    shares: int
    entry_price: Decimal | None
    price: float | None
    stop_price: Decimal | None
    target_price: Decimal | None
    distance: Distance
    protection: Protection
    entered_on: date | None
    days: int | None
    differences: tuple[str, ...] = ()
    key: str | None = None
    trades: tuple[Position, ...] = ()


def positions(book: Book, prices: Mapping[str, float], now: datetime, broker: BrokersWord | None = None) -> tuple[Position, ...]:
    """What the desk holds at `now` (aware), by symbol. `prices` in dollars a share; a symbol may be missing.

    With `broker` its word on the exits counts, and `differences` says where the journal's is another.
    """
    held: dict[str, list[Position]] = {}
    for trade in book.open.values():
        if trade.shares:
            held.setdefault(trade.symbol, []).append(_position(trade, prices.get(trade.symbol), now, broker))
    return tuple(_with_account(_together(held[symbol]), broker) for symbol in sorted(held))


def _position(trade: Trade, price: float | None, now: datetime, broker: BrokersWord | None) -> Position:
    groups: Mapping[str, GroupSeen | None] = {} if broker is None or broker.groups is None else broker.groups
    group = groups.get(trade.exits_key)
    seen = trade if group is None else _as_seen(trade, group)
    told = protection(trade, now)
    found = _protection_seen(trade, seen, group, now) if trade.exits_key in groups else told
    entered_on = None if trade.entered_at is None else trade.entered_at.astimezone(NEW_YORK).date()
    return Position(
        symbol=trade.symbol,
        shares=trade.shares,
        entry_price=trade.entry_price,
        price=price,
        stop_price=seen.stop_price,
        target_price=seen.target_price,
        distance=Distance() if price is None else distance(seen, price),
        protection=found,
        entered_on=entered_on,
        days=None if entered_on is None else (now.astimezone(NEW_YORK).date() - entered_on).days,
        differences=_differences(trade, seen, told, found),
        key=trade.key,
    )


def _together(parts: Sequence[Position]) -> Position:
    if len(parts) == 1:
        return parts[0]
    shares = sum(part.shares for part in parts)
    values = [part.entry_price * part.shares for part in parts if part.entry_price is not None]
    distances = [part.distance for part in parts]
    return replace(
        parts[0],
        shares=shares,
        entry_price=sum(values, Decimal(0)) / shares if shares and len(values) == len(parts) else None,
        stop_price=max(_known(part.stop_price for part in parts), default=None),
        target_price=min(_known(part.target_price for part in parts), default=None),
        distance=Distance(
            min(_known(each.to_stop_fraction for each in distances), default=None),
            min(_known(each.to_target_fraction for each in distances), default=None),
            max(_known(each.way_to_stop for each in distances), default=None),
        ),
        protection=_worst(parts, shares),
        entered_on=min(_known(part.entered_on for part in parts), default=None),
        days=max(_known(part.days for part in parts), default=None),
        differences=(),
        key=None,
        trades=tuple(parts),
    )


def _known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def _worst(parts: Sequence[Position], shares: int) -> Protection:
    worst = max((part.protection.cover for part in parts), key=tuple(Cover).index)
    words = {part.protection.words for part in parts}
    if len(words) == 1:
        return Protection(worst, words.pop())
    of_it = sum(part.shares for part in parts if part.protection.cover is worst)
    return Protection(worst, f"{of_it} of {shares} shares are {worst.value}")


def _with_account(position: Position, broker: BrokersWord | None) -> Position:
    """With what the broker says of the symbol as a whole."""
    if broker is None:
        return position
    there, found = broker.shares.get(position.symbol, Decimal(0)), _counted(position, broker.bare)
    short = [f"the account holds {there} of these {position.shares} shares"] if there < position.shares else []
    other = [] if found == position.protection else [f"the journal says: {position.protection.words}"]
    return replace(position, protection=found, differences=(*position.differences, *short, *other))


def _counted(position: Position, bare: Mapping[str, int] | None) -> Protection:
    """The protection where the broker counts bare shares: of a moment that the journal explains it says nothing new."""
    told = position.protection
    count = None if bare is None else bare.get(position.symbol, 0)
    if count and told.cover is Cover.PROTECTED:
        return Protection(Cover.NAKED, f"the exchange counts {count} bare shares")
    if count == 0 and told.cover is Cover.NAKED:
        return Protection(Cover.PROTECTED, "the exchange counts no bare shares")
    return told


def not_the_desks(book: Book, foreign: Mapping[str, int], broker: BrokersWord | None = None) -> dict[str, Decimal]:
    """Shares of the account by symbol that are not the desk's: the broker's count, else what the journal knows of (`foreign`)."""
    if broker is None:
        return {symbol: Decimal(shares) for symbol, shares in sorted(foreign.items()) if shares}
    ours = book.shares()
    beyond = {symbol: there - ours.get(symbol, 0) for symbol, there in sorted(broker.shares.items())}
    return {symbol: shares for symbol, shares in beyond.items() if shares > 0 or (shares and symbol not in ours)}


def has_naked(held: Iterable[Position]) -> bool:
    return any(position.protection.cover is Cover.NAKED for position in held)
