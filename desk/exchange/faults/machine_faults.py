"""Faults inside the venue: cancels that hang, late rejections, forced partial fills, stops nobody watches, halted symbols.

They are put into the books as the machine's own means (`Book.stuck_cancels`, `Book.stuck_legs`, `Book.forced_parts`, timers), so
a replay repeats them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from desk.exchange.faults.plan import Fault, FaultKind, FaultPlan, Occasion, matches
from desk.exchange.machine import groups
from desk.exchange.machine.book import Book, Due
from desk.exchange.machine.orders import Order
from desk.exchange.words import GroupRole

MOMENT = timedelta(microseconds=1)
SMALLEST_SHARE = Decimal("0.000000001")
GLOB = frozenset("*?[")


class Venue(Protocol):
    @property
    def now(self) -> datetime: ...
    @property
    def halted(self) -> set[str]: ...


class Owner(Protocol):
    """The account whose books an order is in."""

    @property
    def number(self) -> int: ...
    @property
    def book(self) -> Book: ...
    @property
    def exchange(self) -> Venue: ...


class MachineFaults:
    """Turns what the plan says about orders into state of their books. `symbols` gives those that a halt's glob is tried on."""

    def __init__(self, plan: FaultPlan, symbols: Callable[[], Iterable[str]] = tuple) -> None:
        self._plan = plan
        self._symbols = symbols

    def on_order(self, account: Owner, order: Order) -> None:
        """`order`, a parent with its legs, has just been taken and has not met a price yet."""
        occasion = _occasion(account, order)
        # A halt that was asked for since the last tick is in force for this order already.
        account.book.halted.update(dict.fromkeys(sorted(self.halted(occasion.now))))
        refused = self._plan.due((FaultKind.REJECTED_AFTER_ACCEPTED,), occasion)
        if refused is not None:
            account.book.later(occasion.now + _delay(refused), Due.REJECT, order.id)
        part = self._plan.due((FaultKind.PARTIAL_FILL,), occasion)
        meant = None if part is None else _meant(account.book, order, part.leg)
        if part is not None and meant is not None and meant.quantity is not None:
            account.book.forced_parts[meant.id] = _part(meant, meant.quantity, part)
        if any(leg.is_exit_leg for leg in account.book.members(order.group_id)):
            stuck = self._plan.due((FaultKind.LEG_STUCK_HELD,), occasion)
            leg = None if stuck is None else _meant(account.book, order, stuck.leg or GroupRole.STOP_LOSS)
            if leg is not None:
                account.book.stuck_legs[leg.id] = None

    def on_cancel(self, account: Owner, order: Order) -> None:
        """`order` is about to be cancelled."""
        occasion = _occasion(account, order)
        fault = self._plan.due((FaultKind.STUCK_PENDING_CANCEL,), occasion)
        if fault is None:
            return
        stuck_id = order.parent_id or order.id
        account.book.stuck_cancels[stuck_id] = None
        if fault.seconds is not None:
            account.book.later(occasion.now + _delay(fault), Due.CANCEL, stuck_id)

    def release(self, accounts: Iterable[Owner]) -> None:
        """Let go of every order and symbol that a fault holds: at the next moment pending cancels are confirmed, for their whole
        groups, and legs that wait for nothing else go to the venue. Held stops are watched again."""
        for account in accounts:
            book, at = account.book, account.exchange.now + MOMENT
            for order_id in book.stuck_cancels:
                if any(member.is_live for member in groups.family(book, book.orders[order_id])):
                    book.later(at, Due.CANCEL, order_id)
            for order_id in book.stuck_legs:
                book.later(at, Due.ACCEPT, order_id)
            book.stuck_cancels.clear()
            book.stuck_legs.clear()
            book.halted = dict.fromkeys(sorted(account.exchange.halted))

    def halted(self, now: datetime) -> frozenset[str]:
        """Symbols that a fault keeps from trading at `now`."""
        halts = [entry.fault.when for entry in self._plan.of(FaultKind.HALTED_SYMBOL) if entry.fault.when.covers(now)]
        named = {when.symbol for when in halts if when.symbol is not None and not GLOB & set(when.symbol)}
        if len(named) == len(halts):
            return frozenset(named)
        occasions = (Occasion(now, symbol=symbol) for symbol in self._symbols())
        matched = (each.symbol for each in occasions if each.symbol and any(matches(when, each) for when in halts))
        return frozenset(named.union(matched))

    def next_change(self, now: datetime) -> datetime | None:
        """The next instant after `now` at which a halt begins or ends."""
        halts = (entry.fault.when for entry in self._plan.of(FaultKind.HALTED_SYMBOL))
        edges = [edge for when in halts for edge in (when.since, when.until) if edge is not None and edge > now]
        return min(edges, default=None)


def _occasion(account: Owner, order: Order) -> Occasion:
    return Occasion(account.exchange.now, account.number, symbol=order.symbol, client_order_id=order.client_order_id)


def _delay(fault: Fault) -> timedelta:
    return timedelta(seconds=fault.delay_seconds)


def _meant(book: Book, order: Order, leg: GroupRole | None) -> Order | None:
    """The order itself, or the member of its group with that role; None when it has none."""
    return order if leg is None else book.member(order, leg)


def _part(order: Order, quantity: Decimal, fault: Fault) -> Decimal:
    """Size of the first execution: whole for a whole order."""
    if fault.quantity is not None:
        return min(fault.quantity, quantity)
    if quantity == quantity.to_integral_value():
        return max(Decimal(1), (quantity * fault.fraction).to_integral_value(ROUND_DOWN))
    return (quantity * fault.fraction).quantize(SMALLEST_SHARE, ROUND_DOWN)
