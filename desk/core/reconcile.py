"""Reconciliation three ways: the desk's book, what the broker holds, and what Lumibot thinks. Each difference has one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from desk.core.protect import Stamp
from desk.domain.breaks import Break, BreakKind, Repair
from desk.domain.decisions import FixedExit
from desk.domain.journal import ForeignSeen, SharesAdopted
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.prices import legal_price
from desk.domain.trades import Book, Filled, Trade

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that is open at the broker. `key` is the client order id of the desk's group, None for somebody else's order."""

    broker_id: str
    symbol: str
    side: Side
    key: str | None


@dataclass(frozen=True, slots=True)
class FilledOrder:
    """What one order at the broker has filled in all, in shares; a sale counts negative.

    `member` is the `member_name` that the order has in the book, None for an order that the desk did not send: somebody else may
    trade parts of shares.
    """

    broker_id: str
    symbol: str
    shares: int | Decimal
    member: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerView:
    """The broker's word at one moment: whole shares held, open orders (None when not asked), orders with a fill of late."""

    shares: Mapping[str, int]
    orders: Sequence[OpenOrder] | None = None
    fills: Sequence[FilledOrder] = ()


@dataclass(frozen=True, slots=True)
class Foreign:
    """Shares by symbol that are known not to be the desk's, and how much of each foreign order, by its id, they include."""

    shares: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, Decimal] = field(default_factory=dict)


def reconcile(book: Book, broker: BrokerView, strategy: Mapping[str, int] | None, foreign: Foreign) -> tuple[Break, ...]:
    """Differences, at most one a symbol. `strategy` are shares as Lumibot has them, None where nobody asks it."""
    ours = book.shares()
    # A walk over every trade that there ever was. Without orders or Lumibot's shares to compare, only what is held can differ.
    traded = ours.keys() if broker.orders is None and strategy is None else book.symbols()
    held = {symbol for symbol, shares in broker.shares.items() if shares}
    symbols = sorted({*traded, *held, *(symbol for symbol, shares in foreign.shares.items() if shares)})
    found = (_difference(symbol, ours.get(symbol, 0), symbol in traded, book, broker, strategy, foreign) for symbol in symbols)
    return tuple(each for each in found if each is not None)


def _difference(
    symbol: str,
    ours: int,
    was_traded: bool,
    book: Book,
    broker: BrokerView,
    strategy: Mapping[str, int] | None,
    foreign: Foreign,
) -> Break | None:
    expected = ours + foreign.shares.get(symbol, 0)
    there = broker.shares.get(symbol, 0)
    if there != expected:
        return _share_break(symbol, expected, book, broker, foreign)
    if not was_traded:
        return None
    if broker.orders is not None and (odd := _order_break(symbol, expected, book, broker.orders)) is not None:
        return odd
    if strategy is not None and strategy.get(symbol, 0) != there:
        text = f"Lumibot counts {strategy.get(symbol, 0)}"
        return Break(symbol, expected, there, BreakKind.STALE_VIEW, text)
    return None


def _share_break(symbol: str, expected: int, book: Book, broker: BrokerView, foreign: Foreign) -> Break:
    there = broker.shares.get(symbol, 0)
    ours = uncounted_of_ours(symbol, broker.fills, book.filled)
    theirs = sum(_uncounted(foreign_fills(broker, symbol), foreign), start=NONE)
    # Positions are counted in whole shares, and parts of shares may add up to one more or one less.
    explained = abs(there - expected - ours - theirs) < 1
    if symbol not in book.symbols():
        return Break(symbol, expected, there, BreakKind.FOREIGN, "the desk never traded it")
    if explained and ours:
        return Break(symbol, expected, there, BreakKind.MISSED, f"fills of the desk's own orders come to {ours:+d}")
    # Who sold shares that the desk counts on, and that its exits are for, has not left it alone.
    if explained and there >= book.shares_of(symbol):
        return Break(symbol, expected, there, BreakKind.FOREIGN, f"orders that are not the desk's filled {theirs.normalize():+f}")
    return Break(symbol, expected, there)


def foreign_fills(broker: BrokerView, symbol: str) -> list[FilledOrder]:
    return [each for each in broker.fills if each.symbol == symbol and each.member is None]


def uncounted_of_ours(symbol: str, fills: Sequence[FilledOrder], filled: Mapping[str, Filled]) -> int:
    """Shares of the desk's own orders that its book does not count yet; a sale counts negative.

    A member whose price was changed has several orders, each told with what those before it had filled.
    """
    whole: dict[str, int] = {}
    for each in fills:
        if each.symbol == symbol and each.member is not None:
            whole[each.member] = max(whole.get(each.member, 0), int(each.shares), key=abs)
    fresh = {member: abs(shares) - filled.get(member, Filled()).shares for member, shares in whole.items()}
    return sum(max(0, fresh[member]) * (1 if shares > 0 else -1) for member, shares in whole.items())


def _order_break(symbol: str, expected: int, book: Book, orders: Sequence[OpenOrder]) -> Break | None:
    """A difference in open orders where the shares agree."""
    ours = [order for order in orders if order.symbol == symbol and order.key is not None]
    lost = [order for order in ours if order.key is not None and book.owner(order.key) is None]
    if lost:
        text = f"order {lost[0].key} is open at the broker, and the book has no such trade"
        return Break(symbol, expected, expected, BreakKind.MISSED, text)
    for trade in book.trades_of(symbol):
        keys = {trade.key, *trade.covers}
        open_sides = {order.side for order in ours if order.key in keys}
        if trade.is_entry_working and Side.BUY not in open_sides:
            text = f"the entry {trade.key} works in the book, and is not open at the broker"
            return Break(symbol, expected, expected, BreakKind.MISSED, text)
        if trade.shares > 0 and not trade.is_entry_working and Side.SELL not in open_sides:
            return Break(symbol, expected, expected, BreakKind.BARE, f"{trade.shares} shares have no open exit at the broker")
    return None


# ---- between the looks ---------------------------------------------------------------------------------------------------


class Differences:
    """What is somebody else's in the account, and how Lumibot's view differed at the look before. For the desk's thread alone.

    A single look can fall between a fill and its event: whoever looks at the broker looks again before he believes it.
    """

    def __init__(self) -> None:
        self._foreign: dict[str, int] = {}
        self._counted: dict[str, Decimal] = {}
        self._suspects: frozenset[str] = frozenset()
        self._looks_at_broker = False

    @property
    def foreign(self) -> Mapping[str, int]:
        """Shares by symbol that are known not to be the desk's."""
        return dict(self._foreign)

    @property
    def has_suspects(self) -> bool:
        """Whether Lumibot's shares differed from the book's at the last iteration, and the broker was not looked at since."""
        return bool(self._suspects)

    def foreign_is(self, shares: Mapping[str, int]) -> Mapping[str, int]:
        """The account as the desk found it: what is there is not the desk's. Returns it without what is zero."""
        self._foreign = {symbol: count for symbol, count in shares.items() if count}
        return dict(self._foreign)

    def see(self, seen: ForeignSeen) -> None:
        self._foreign[seen.symbol] = seen.shares
        self._counted.update(seen.counted)

    def seen(self, found: Sequence[Break], book: Book, view: BrokerView) -> list[ForeignSeen]:
        """What is new of foreign trades in a view, and what `found` of it."""
        return foreign_seen(found, book, view, Foreign(self._foreign, self._counted))

    def leave(self, symbol: str, shares: int) -> None:
        """A person gave shares of `symbol` to the desk, or they were split; these are left."""
        self._foreign[symbol] = shares

    def between(self, book: Book, view: BrokerView, strategy: Mapping[str, int] | None = None) -> tuple[Break, ...]:
        return reconcile(book, view, strategy, Foreign(self._foreign, self._counted))

    def look(self, book: Book, view: BrokerView, strategy: Mapping[str, int] | None) -> tuple[Break, ...]:
        """A look at the broker. Returns what differs."""
        self._looks_at_broker, self._suspects = True, frozenset()
        return self.between(book, view, strategy)

    def lumibot(self, book: Book, shares: Mapping[str, int]) -> tuple[Break, ...]:
        """Compare with Lumibot's `shares`. Returns what lasts; where the broker is looked at, it only calls for that look."""
        found = [each for each in self.between(book, BrokerView(shares)) if each.repair is Repair.HALT]
        before, self._suspects = self._suspects, frozenset(each.symbol for each in found)
        return () if self._looks_at_broker else tuple(each for each in found if each.symbol in before)


HARMLESS = frozenset({Repair.LEAVE, Repair.WAIT})


def foreign_seen(found: Sequence[Break], book: Book, view: BrokerView, foreign: Foreign) -> list[ForeignSeen]:
    """What the journal keeps of the foreign trades among the differences, and of those that made none: shares that were bought
    and sold again count too, or the next look would see half of them."""
    return [
        *_made_no_difference(found, view, foreign),
        *_made_one(found, book, view),
    ]


def _made_no_difference(found: Sequence[Break], view: BrokerView, foreign: Foreign) -> list[ForeignSeen]:
    differing = {each.symbol for each in found}
    fills = {symbol: foreign_fills(view, symbol) for symbol in {each.symbol for each in view.fills} - differing}
    return [
        ForeignSeen(symbol, foreign.shares.get(symbol, 0), {fill.broker_id: Decimal(fill.shares) for fill in theirs})
        for symbol, theirs in sorted(fills.items())
        if _uncounted(theirs, foreign) and not sum(_uncounted(theirs, foreign), start=NONE)
    ]


def _uncounted(fills: Sequence[FilledOrder], foreign: Foreign) -> list[Decimal]:
    fresh = (each.shares - foreign.counted.get(each.broker_id, NONE) for each in fills)
    return [each for each in fresh if each]


def _made_one(found: Sequence[Break], book: Book, view: BrokerView) -> list[ForeignSeen]:
    return [
        ForeignSeen(
            each.symbol,
            each.broker_shares - book.shares_of(each.symbol),
            {fill.broker_id: Decimal(fill.shares) for fill in foreign_fills(view, each.symbol)},
        )
        for each in found
        if each.kind is BreakKind.FOREIGN
    ]


# ---- shares that a person gives to the desk ------------------------------------------------------------------------------


def adoption(stamp: Stamp, symbol: str, shares: int, price: float, rule: FixedExit, number: int = 1) -> OrderSpec:
    """The bracket that adopted shares stand under, its exits at the fractions of `rule` from `price`, the market's now.

    `number` tells several adoptions of a symbol at the same moment apart.
    """
    limit = legal_price(price)
    return OrderSpec(
        key=stamp.key(symbol, "adopt", number),
        symbol=symbol,
        side=Side.BUY,
        quantity=shares,
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=limit,
        take_profit=legal_price(float(limit) * (1 + rule.take_profit_fraction)),
        stop_loss=legal_price(float(limit) * (1 - rule.stop_loss_fraction)),
    )


def with_adopted(book: Book, adopted: SharesAdopted, stamp: Stamp) -> Book:
    """The book with a trade more: bought already and without any exit, so that the next look covers it."""
    spec = adopted.spec
    trade = Trade(
        spec=spec,
        decided_at=stamp.at,
        decided_price=float(adopted.price),
        reason=f"adopted: {adopted.reason}",
        entry_status=OrderStatus.FILLED,
        target_status=OrderStatus.CANCELED,
        stop_status=OrderStatus.CANCELED,
        target_price=spec.take_profit,
        stop_price=spec.stop_loss,
        first_target=spec.take_profit,
        rule=adopted.rule,
        exits_at=stamp.at,
        entered=spec.quantity,
        entry_value=adopted.price * Decimal(spec.quantity),
        entered_at=stamp.at,
        is_adopted=True,
    )
    return replace(book, open=MappingProxyType({**book.open, trade.key: trade}))
