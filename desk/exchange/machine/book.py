"""The books of one account: orders, holdings, cash, what is due later. Changed by `desk.exchange.machine` only, in place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from desk.exchange.machine.orders import CONTRACT_SHARES, ZERO, Event, LegFill, Order
from desk.exchange.switches import AS_DOCUMENTED, Switches
from desk.exchange.words import EventKind, GroupRole, Side, Status

NAMESPACE = UUID("6c756d69-6465-5b6b-8000-65786368616e")
# An OCC option symbol is the only one this long: root, six digits of date, C or P, eight of strike.
SHORTEST_OPTION = 16


@lru_cache(maxsize=65_536)
def asset_id(symbol: str) -> str:
    """The id that an instrument has everywhere."""
    return str(uuid5(NAMESPACE, f"asset/{symbol}"))


def is_option(symbol: str) -> bool:
    return len(symbol) >= SHORTEST_OPTION


def multiplier(symbol: str) -> int:
    """Shares that one of a position's quantity stands for."""
    return CONTRACT_SHARES if is_option(symbol) else 1


@dataclass(frozen=True, slots=True)
class Holding:
    """A position: signed shares or contracts, and what they cost in dollars (negative for a short: what it brought)."""

    quantity: Decimal
    cost_usd: Decimal

    @property
    def is_long(self) -> bool:
        return self.quantity > 0

    def average_price(self, symbol: str) -> Decimal:
        """Dollars a share."""
        return self.cost_usd / (self.quantity * multiplier(symbol))


class Due(StrEnum):
    """What happens to an order by itself a little later."""

    ACCEPT = "accept"
    CANCEL = "cancel"
    REPLACE = "replace"
    RELEASE = "release"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Timer:
    """`order_id`'s `due` at `at`. For a replacement `order_id` is the successor's."""

    at: datetime
    due: Due
    order_id: str


@dataclass(frozen=True, slots=True)
class Latency:
    """How long, in virtual time, the venue takes to accept, cancel, replace, and to let reserved shares go after a cancel.

    Zero means at once. Measured on a paper account on 2026-08-04: a cancel after 15 ms, the shares 63 ms after that.
    """

    accept: timedelta = timedelta(0)
    cancel: timedelta = timedelta(0)
    replace: timedelta = timedelta(0)
    release: timedelta = timedelta(0)


AT_ONCE = Latency()
MEASURED_LATENCY = Latency(
    accept=timedelta(milliseconds=10),
    cancel=timedelta(milliseconds=15),
    replace=timedelta(milliseconds=15),
    release=timedelta(milliseconds=63),
)


@dataclass
class Book:
    """State of one account's matching. `orders` holds every order ever taken, by id; `live` the ids of those not done, oldest
    first; `groups` the ids of orders that belong together, but for those that a replacement superseded. `unreleased` are
    cancelled orders whose shares are still reserved. Faults: `stuck_cancels` are orders whose cancel the
    venue does not answer, `stuck_legs` exits that stay held whatever happens, `halted` symbols that do not trade, `forced_parts`
    how much of an order its first execution is. `do_not_exercise` are options that their holder lets expire. Trailing stops
    have seen every price up to `trailed_to`.

    Ids are made from `seed` and the counters `minted` and `executions`, so the same commands give the same ids.
    """

    seed: int
    cash_usd: Decimal
    partial_fill_probability: float = 0.0
    latency: Latency = AT_ONCE
    switches: Switches = AS_DOCUMENTED
    is_cash_account: bool = False
    orders: dict[str, Order] = field(default_factory=dict)
    live: dict[str, None] = field(default_factory=dict)
    client_ids: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    spreads: dict[str, list[str]] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)
    unreleased: dict[str, Order] = field(default_factory=dict)
    stuck_cancels: dict[str, None] = field(default_factory=dict)
    stuck_legs: dict[str, None] = field(default_factory=dict)
    halted: dict[str, None] = field(default_factory=dict)
    forced_parts: dict[str, Decimal] = field(default_factory=dict)
    do_not_exercise: dict[str, None] = field(default_factory=dict)
    trailed_to: datetime | None = None
    minted: int = 0
    executions: int = 0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Ids of live orders by symbol, and what was worked out of them, follow from the rest and are no part of what is kept."""
        self._live_of: dict[str, dict[str, None]] = {}
        self.worked_out: dict[str, Any] = {}
        for order_id in self.live:
            self._live_of.setdefault(self.orders[order_id].symbol, {})[order_id] = None

    # reading

    def live_orders(self, symbol: str | None = None) -> list[Order]:
        """Orders not done, held and waiting ones included, oldest first; of one symbol when given."""
        ids = self.live if symbol is None else self._live_of.get(symbol, ())
        return [self.orders[order_id] for order_id in ids]

    def live_options(self) -> list[Order]:
        """Orders for options that are not done, multi-leg ones and their legs included, oldest first."""
        symbols = [symbol for symbol in self._live_of if not symbol or is_option(symbol)]
        return sorted((order for symbol in symbols for order in self.live_orders(symbol)), key=lambda order: order.number)

    def live_symbols(self) -> set[str]:
        """Symbols with an order that is not done; a multi-leg order has those of its legs."""
        return {symbol for symbol in self._live_of if symbol}

    def members(self, group_id: str | None) -> list[Order]:
        """Orders of a group, oldest first; those that a replacement superseded have left it."""
        return [self.orders[order_id] for order_id in self.groups.get(group_id or "", ())]

    def member(self, order: Order, role: GroupRole) -> Order | None:
        """The live member of the group of `order` with that role; one that only asks to take its place is not it yet."""
        live = [member for member in self.members(order.group_id) if member.group_role is role and member.is_live]
        found = [member for member in live if self.predecessor(member) is None]
        return found[-1] if found else None

    def predecessor(self, order: Order) -> Order | None:
        """The order whose place `order` asks to take, as long as the venue has not answered; None for every other order.

        It may have ended meanwhile: then the successor will be rejected.
        """
        return self.orders[order.replaces] if order.replaces is not None and order.status is Status.PENDING_NEW else None

    def legs(self, parent_id: str) -> list[Order]:
        """Legs of a multi-leg order."""
        return [self.orders[order_id] for order_id in self.spreads.get(parent_id, ())]

    def shares(self, symbol: str) -> Decimal:
        """Signed quantity held."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO

    # writing; only the machine calls these

    def put(self, order: Order) -> Order:
        """Keep `order`, new or changed."""
        if order.id not in self.orders:
            self.client_ids[order.client_order_id] = order.id
            if order.group_id is not None:
                self.groups.setdefault(order.group_id, []).append(order.id)
            if order.parent_id is not None:
                self.spreads.setdefault(order.parent_id, []).append(order.id)
        self.orders[order.id] = order
        if order.is_live:
            self.live.setdefault(order.id)
            self._live_of.setdefault(order.symbol, {}).setdefault(order.id)
        else:
            self.live.pop(order.id, None)
            self._leave_symbol(order)
            self._leave_group(order)
        return order

    def _leave_symbol(self, order: Order) -> None:
        ids = self._live_of.get(order.symbol, {})
        ids.pop(order.id, None)
        if not ids:
            self._live_of.pop(order.symbol, None)

    def _leave_group(self, order: Order) -> None:
        """A replacement takes the place of its order in the group; a target that its triggered stop replaced stays a member."""
        successor = self.orders.get(order.replaced_by or "") if order.status is Status.REPLACED else None
        members = self.groups.get(order.group_id or "", [])
        if successor is not None and successor.group_role is order.group_role and order.id in members:
            members.remove(order.id)

    def change(self, order: Order, at: datetime, **changes: object) -> Order:
        """The order with `changes`, stamped with the instant."""
        return self.put(replace(order, updated_at=at, **changes))  # type: ignore[arg-type]  # field names come from callers here

    def mint(self, kind: str) -> str:
        """A fresh id, the same for the same seed and history."""
        self.minted += 1
        return str(uuid5(NAMESPACE, f"{self.seed}/{kind}/{self.minted}"))

    def mint_execution(self) -> str:
        self.executions += 1
        return str(uuid5(NAMESPACE, f"{self.seed}/execution/{self.executions}"))

    def trade(self, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Book an execution: cash against shares or contracts, at average cost. Never through zero: that would be two trades."""
        held = self.holdings.get(symbol) or Holding(ZERO, ZERO)
        signed, worth = quantity * side.sign, price * quantity * multiplier(symbol) * side.sign
        left = held.quantity + signed
        if held.quantity * left < 0:
            raise AssertionError(f"{side} {quantity} {symbol} of {held.quantity} held: the books let through an oversell")
        self.cash_usd -= worth
        is_growing = abs(left) > abs(held.quantity)
        cost = held.cost_usd + worth if is_growing else held.cost_usd * left / held.quantity
        self.hold(symbol, Holding(left, cost))

    def hold(self, symbol: str, holding: Holding) -> None:
        """Put a position as it is now; one of nothing goes."""
        if holding.quantity:
            self.holdings[symbol] = holding
        else:
            self.holdings.pop(symbol, None)

    def emit(
        self,
        kind: EventKind,
        order: Order,
        at: datetime,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        legs: tuple[LegFill, ...] = (),
    ) -> None:
        """Tell the stream; a fill has the price and the quantity of its execution."""
        position = self.shares(order.symbol) if quantity is not None and not legs else None
        self.events.append(Event(kind, order, at, self.mint_execution(), price, quantity, position, legs))

    def later(self, at: datetime, due: Due, order_id: str) -> None:
        self.timers.append(Timer(at, due, order_id))

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken
