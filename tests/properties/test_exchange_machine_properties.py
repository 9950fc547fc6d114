"""The matching machine under random streams of thousands of commands: what must hold after each of them."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_traffic import SETTINGS, SLOW, Traffic, Watched, new_book, play, sign_of, worth

from desk.exchange.codec import decode, encode
from desk.exchange.machine.book import Book, Latency
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.orders import UNIT_USD, ZERO, Event, Order
from desk.exchange.rules.reservations import available, reserved, unprotected_shares
from desk.exchange.switches import AS_DOCUMENTED, Switches
from desk.exchange.words import TERMINAL, EventKind, GroupRole, OrderClass, OrderType, Side, Status, TimeInForce

S = Status
# https://docs.alpaca.markets/docs/orders-at-alpaca, "Order lifecycle": a status, and those that may come next. What was asked of
# the venue (pending_cancel, pending_replace) may come too late, so everything that a working order can become may follow it.
WORKING_ENDS = {S.FILLED, S.CANCELED, S.EXPIRED, S.REPLACED, S.REJECTED}
LEGAL: dict[Status | None, set[Status]] = {
    None: {S.ACCEPTED, S.PENDING_NEW, S.HELD, S.NEW, S.PARTIALLY_FILLED},  # the last two: a successor that takes a place at once
    S.ACCEPTED: {S.NEW, S.CANCELED, S.EXPIRED, S.REJECTED, S.PENDING_CANCEL},
    S.PENDING_NEW: {S.NEW, S.PARTIALLY_FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.PENDING_CANCEL},
    S.HELD: {S.NEW, S.CANCELED, S.EXPIRED, S.REPLACED},
    S.NEW: {S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE, *WORKING_ENDS},
    S.PARTIALLY_FILLED: {S.PENDING_CANCEL, S.PENDING_REPLACE, *WORKING_ENDS} - {S.REJECTED},
    S.PENDING_CANCEL: {*WORKING_ENDS},
    S.PENDING_REPLACE: {S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL, *WORKING_ENDS},
}
ENDS = {
    S.CANCELED: "canceled_at",
    S.EXPIRED: "expired_at",
    S.REJECTED: "failed_at",
    S.REPLACED: "replaced_at",
    S.FILLED: "filled_at",
}
FILLS = (EventKind.FILL, EventKind.PARTIAL_FILL)


class Auditor:
    """Keeps its own books from events alone, and compares them with the machine's."""

    def __init__(self, traffic: Traffic, book: Watched) -> None:
        self.traffic, self.book = traffic, book
        self.cash = book.cash_usd
        self.shares: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.filled: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.told: dict[str, Order] = {}
        self.ended: dict[str, Order] = {}
        self.seen = 0

    def check(self) -> None:
        for event in self.traffic.events:
            self.hear(event)
        for done in self.traffic.settled:
            self.cash += done.cash_usd
            self.shares[done.terms.symbol] += done.contracts
            self.shares[done.terms.underlying] += done.shares
        for order_id, before, after in self.book.changes:
            assert after in LEGAL.get(before, set()), (before, after, self.book.orders[order_id])
        for order_id in dict.fromkeys(order_id for order_id, _, _ in self.book.changes):
            self.check_order(self.book.orders[order_id])
        self.book.changes.clear()
        self.check_money()
        self.check_groups()

    def hear(self, event: Event) -> None:
        order = event.order
        self.told[order.id] = order
        if event.kind not in FILLS:
            assert event.price is None
            return
        self.cash -= worth(event)
        for part in event.legs or (event,):
            assert part.quantity is not None and part.quantity > 0
            before = self.shares[part.order.symbol]
            after = before + sign_of(part.order) * part.quantity
            assert before * after >= 0, f"{part.order} went through zero"
            assert part.position_quantity == after
            self.shares[part.order.symbol] = after
            self.filled[part.order.id] += part.quantity
        if order.is_spread:
            self.filled[order.id] += event.quantity or ZERO
        self.check_execution(event)

    def check_execution(self, event: Event) -> None:
        """The price was there, the hour was right, and the limit was kept."""
        tick = self.traffic.log[-1]
        order, price = event.order, event.price
        assert isinstance(tick, Tick) and price is not None
        assert tick.is_regular or (order.extended_hours and order.type is OrderType.LIMIT)
        assert tick.is_open or order.time_in_force is not TimeInForce.OPG
        assert tick.is_close or order.time_in_force is not TimeInForce.CLS
        assert event.kind is EventKind.FILL or order.time_in_force is not TimeInForce.FOK
        assert order.symbol not in self.book.halted
        if order.is_spread:
            assert order.limit_price is None or price <= order.limit_price
            return
        assert order.side is not None and price == tick.quotes[order.symbol].far_side(order.side) * UNIT_USD > 0
        if order.limit_price is not None:
            assert price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price
        if order.type is not None and order.type.is_stop:
            assert order.elected and tick.is_regular

    def check_order(self, order: Order) -> None:
        wanted = order.quantity
        assert wanted is not None and 0 <= order.filled_quantity <= wanted
        assert (order.status is S.FILLED) == (order.filled_quantity == wanted)
        for status, name in ENDS.items():
            assert (getattr(order, name) is not None) == (order.status is status), (name, order)
        before = self.book.orders.get(order.replaces or "")
        inherited = before is not None and before.group_role is order.group_role and before.replaced_by == order.id
        carried = before.filled_quantity if inherited and before is not None else ZERO
        assert order.filled_quantity in (self.filled[order.id] + carried, self.filled[order.id])
        if order.status in TERMINAL:
            self.ended[order.id] = order

    def check_money(self) -> None:
        book = self.book
        assert book.cash_usd == self.cash
        assert {symbol: held.quantity for symbol, held in book.holdings.items()} == {s: n for s, n in self.shares.items() if n}
        for symbol, held in book.holdings.items():
            shares = abs(held.quantity)
            assert held.cost_usd * held.quantity > 0
            assert 0 <= reserved(book, symbol).shares <= shares
            assert 0 <= abs(available(book, symbol)) <= shares
            assert 0 <= unprotected_shares(book).get(symbol, ZERO) <= shares

    def check_groups(self) -> None:
        live: defaultdict[str, list[Order]] = defaultdict(list)
        for order in self.book.live_orders():
            assert order.is_live
            if order.group_id is not None and self.book.predecessor(order) is None:
                live[order.group_id].append(order)
            if order.parent_id is not None:
                assert order.status is self.book.orders[order.parent_id].status
        for members in live.values():
            check_group(members)

    def finish(self) -> None:
        """At the end of a stream: nothing that ended has changed, and the stream told the whole story."""
        book = self.book
        assert set(book.live) == {order.id for order in book.orders.values() if order.is_live}
        for order_id, order in self.ended.items():
            now = book.orders[order_id]
            assert (now.status, now.filled_quantity, now.updated_at) == (order.status, order.filled_quantity, order.updated_at)
        assert len(book.client_ids) == len(book.orders)
        for order in book.orders.values():
            self.check_told(order)

    def check_told(self, order: Order) -> None:
        """The last event of an order says what it is, except where Alpaca is documented to be silent."""
        told = self.told.get(order.id)
        is_silent_kind = order.parent_id is not None or (order.is_exit_leg and order.status in (S.CANCELED, S.EXPIRED, S.HELD))
        if told is None:
            assert is_silent_kind or order.status in (S.ACCEPTED, S.PENDING_NEW, S.HELD), order
        elif not is_silent_kind:
            assert told.status is order.status, (told.status, order)


def check_group(members: list[Order]) -> None:
    """One order of a group works at a time; legs sleep as long as the entry lives."""
    working = [order for order in members if order.status is not S.HELD]
    assert len(working) <= 1, working
    entries = [order for order in members if order.group_role is GroupRole.ENTRY]
    if entries:
        legs = [order for order in members if order.is_exit_leg]
        assert all(leg.status is S.HELD and not leg.armed and not leg.filled_quantity for leg in legs)
        assert len(legs) == (2 if entries[0].order_class is OrderClass.BRACKET else 1)


def run(seed: int, steps: int, partial: float, latency: Latency, switches: Switches = AS_DOCUMENTED) -> Traffic:
    book = new_book(seed, partial, latency, switches)
    traffic = Traffic(book, np.random.default_rng(seed))
    auditor = Auditor(traffic, book)
    for _ in range(steps):
        traffic.step()
        auditor.check()
    auditor.finish()
    return traffic


def text_of(book: Book) -> str:
    return json.dumps({name: value for name, value in encode(book).items() if name != "changes"})


STREAMS = (st.integers(0, 2**32), st.integers(1, 300), st.sampled_from([0.0, 0.1, 0.6]), st.sampled_from(SETTINGS))


@settings(max_examples=60)
@given(*STREAMS)
def test_every_stream_conserves_cash_and_shares_and_keeps_to_the_rules(
    seed: int, steps: int, partial: float, latency: Latency
) -> None:
    run(seed, steps, partial, latency)


@settings(max_examples=10)
@given(*STREAMS)
def test_same_log_gives_the_same_book_byte_for_byte(seed: int, steps: int, partial: float, latency: Latency) -> None:
    traffic = run(seed, steps, partial, latency)
    again = play(Book(seed, Decimal(1_000_000), partial, latency), traffic.log)
    assert text_of(again) == text_of(traffic.book)


@settings(max_examples=10)
@given(*STREAMS)
def test_a_saved_book_comes_back_equal_and_goes_on_equally(seed: int, steps: int, partial: float, latency: Latency) -> None:
    traffic = run(seed, steps, partial, latency)
    half = len(traffic.log) // 2
    first = play(Book(seed, Decimal(1_000_000), partial, latency), traffic.log[:half])
    saved = decode(Book, json.loads(text_of(first)))
    assert saved == first
    assert text_of(play(saved, traffic.log[half:])) == text_of(traffic.book)


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.integers(1, 250), st.sampled_from(SETTINGS))
def test_switched_otherwise_the_books_hold_as_well(seed: int, steps: int, latency: Latency) -> None:
    other = Switches(cancelled_entry_keeps_exits=True, trailing_replace_keeps_mark=False)
    run(seed, steps, 0.6, latency, other)


def test_streams_are_full_of_life() -> None:
    """The properties above say little about streams in which nothing happens."""
    kinds: set[str] = set()
    fills = 0
    for seed in range(18, 30):
        traffic = Traffic(new_book(seed, 0.3, SLOW, AS_DOCUMENTED), np.random.default_rng(seed))
        for _ in range(250):
            traffic.step()
            kinds |= {event.kind.value for event in traffic.events}
            fills += sum(event.is_fill for event in traffic.events)
    quiet = {EventKind.ACCEPTED, EventKind.PENDING_NEW, EventKind.DONE_FOR_DAY, EventKind.HELD, EventKind.SUSPENDED}
    assert kinds == {kind.value for kind in EventKind} - {kind.value for kind in quiet}
    assert fills > 250


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(9))
def test_streams_of_thousands_of_commands_keep_to_the_rules(seed: int) -> None:
    traffic = run(seed, 5_000, (0.0, 0.1, 0.6)[seed % 3], SETTINGS[seed // 3 % 3])
    assert len(traffic.log) > 3_000
    again = play(Book(seed, Decimal(1_000_000), (0.0, 0.1, 0.6)[seed % 3], SETTINGS[seed // 3 % 3]), traffic.log)
    assert text_of(again) == text_of(traffic.book)
