"""The books of the one account: orders, holdings, cash. A command writes into a draft; freezing it makes the next book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID, uuid5

from desk.domain.orders import GroupRole, Side
from desk.exchange.orders import Event, EventKind, Order

NAMESPACE = UUID("6c756d69-6465-5b6b-8000-65786368616e")
EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares held, above zero, and what they cost in dollars, average price times shares."""

    shares: int
    cost_usd: Decimal


@dataclass(frozen=True)
class Book:
    """State of the matching. `orders` holds every order ever taken, by id; `live` the ids of those not done, oldest first.

    Ids are made from `seed` and the counters `minted` and `executions`, so the same commands give the same ids.
    """

    seed: int
    cash_usd: Decimal
    partial_fill_probability: float = 0.0
    orders: Mapping[str, Order] = field(default_factory=dict)
    live: tuple[str, ...] = ()
    client_ids: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    minted: int = 0
    executions: int = 0

    def live_orders(self) -> list[Order]:
        return [self.orders[order_id] for order_id in self.live]

    def members(self, group_id: str | None) -> list[Order]:
        """Orders of a group, superseded ones included, oldest first."""
        return [self.orders[order_id] for order_id in self.groups.get(group_id or "", ())]

    def shares(self, symbol: str) -> int:
        holding = self.holdings.get(symbol)
        return holding.shares if holding else 0


class Draft:
    """A working copy of a book. What a command changes is laid over the book, which itself stays as it was."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.cash_usd = book.cash_usd
        self.minted = book.minted
        self.executions = book.executions
        self.events: list[Event] = []
        self._orders: dict[str, Order] = {}
        self._holdings: dict[str, Holding | None] = {}
        self._groups: dict[str, tuple[str, ...]] = {}

    def order(self, order_id: str) -> Order:
        return self._orders.get(order_id) or self.book.orders[order_id]

    def live(self) -> list[Order]:
        """Orders that are not done, oldest first."""
        fresh = (order_id for order_id in self._orders if order_id not in self.book.orders)
        return [order for order in map(self.order, (*self.book.live, *fresh)) if order.is_live]

    def put(self, order: Order) -> Order:
        self._orders[order.id] = order
        return order

    def change(self, order: Order, at: datetime, **changes: object) -> Order:
        """The order with `changes`, stamped with the instant."""
        return self.put(replace(order, updated_at=at, **changes))  # type: ignore[arg-type]  # field names come from callers here

    def mint(self, kind: str) -> str:
        """A fresh id, the same for the same seed and history."""
        self.minted += 1
        return str(uuid5(NAMESPACE, f"{self.book.seed}/{kind}/{self.minted}"))

    def join(self, group_id: str, order_id: str) -> None:
        members = self._groups.get(group_id) or self.book.groups.get(group_id, ())
        self._groups[group_id] = (*members, order_id)

    def members(self, order: Order) -> list[Order]:
        """Orders of the group of `order`, superseded ones included; only itself for a simple order."""
        if order.group_id is None:
            return [self.order(order.id)]
        ids = self._groups.get(order.group_id) or self.book.groups[order.group_id]
        return [self.order(order_id) for order_id in ids]

    def member(self, order: Order, role: GroupRole) -> Order | None:
        """The live member of the group of `order` with that role."""
        found = [member for member in self.members(order) if member.group_role is role and member.is_live]
        return found[-1] if found else None

    def holding(self, symbol: str) -> Holding | None:
        return self._holdings[symbol] if symbol in self._holdings else self.book.holdings.get(symbol)

    def shares(self, symbol: str) -> int:
        holding = self.holding(symbol)
        return holding.shares if holding else 0

    def trade(self, symbol: str, side: Side, shares: int, price: Decimal) -> None:
        """Book an execution: cash against shares, at average cost."""
        held = self.holding(symbol) or Holding(0, Decimal(0))
        if side is Side.BUY:
            self.cash_usd -= price * shares
            self._holdings[symbol] = Holding(held.shares + shares, held.cost_usd + price * shares)
            return
        if shares > held.shares:
            raise AssertionError(f"selling {shares} {symbol} of {held.shares} held: the books let through an oversell")
        self.cash_usd += price * shares
        left = held.shares - shares
        self._holdings[symbol] = Holding(left, held.cost_usd * left / held.shares) if left else None

    def emit(
        self, kind: EventKind, order: Order, at: datetime, price: Decimal | None = None, quantity: int | None = None
    ) -> None:
        """Tell the stream; a fill has the price and the shares of its execution."""
        self.executions += 1
        execution_id = str(uuid5(NAMESPACE, f"{self.book.seed}/execution/{self.executions}"))
        position = self.shares(order.symbol) if quantity is not None else None
        self.events.append(Event(kind, order, at, execution_id, price, quantity, position))

    def freeze(self) -> Book:
        if not self._orders:
            return self.book
        orders = {**self.book.orders, **self._orders}
        holdings = {**self.book.holdings, **self._holdings}
        return Book(
            seed=self.book.seed,
            cash_usd=self.cash_usd,
            partial_fill_probability=self.book.partial_fill_probability,
            orders=orders,
            live=tuple(order.id for order in self.live()),
            client_ids=self._client_ids(),
            groups={**self.book.groups, **self._groups} if self._groups else self.book.groups,
            holdings={symbol: holding for symbol, holding in holdings.items() if holding is not None},
            minted=self.minted,
            executions=self.executions,
        )

    def _client_ids(self) -> Mapping[str, str]:
        fresh = {order.client_order_id: order.id for order in self._orders.values() if order.id not in self.book.orders}
        return {**self.book.client_ids, **fresh} if fresh else self.book.client_ids


def groups_of(orders: Iterable[Order]) -> dict[str, list[Order]]:
    """Orders of groups, by group id."""
    found: dict[str, list[Order]] = {}
    for order in orders:
        if order.group_id is not None:
            found.setdefault(order.group_id, []).append(order)
    return found
