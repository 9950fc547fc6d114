"""Splits of any book: nothing is made, nothing is lost, and it does not matter when they are noticed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from math import floor
from types import MappingProxyType

from hypothesis import assume, given
from hypothesis import strategies as st

from desk.core.book import with_event
from desk.core.splits import explains, orders_before, with_split
from desk.domain.journal import Row, SharesAdopted, SharesSplit
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.trades import Book, Trade
from desk.runtime.ledger import Ledger

EX = date(2024, 6, 10)
BEFORE, AFTER = datetime(2024, 6, 6, 15, tzinfo=UTC), datetime(2024, 6, 10, 13, 30, tzinfo=UTC)
S = OrderStatus
D = Decimal


@dataclass(frozen=True)
class World:
    """A book of one symbol, what else is in the account, and a split of all that."""

    book: Book
    foreign: int
    split: SharesSplit

    @property
    def ratio(self) -> float:
        return float(self.split.new_rate / self.split.old_rate)


@st.composite
def trades(draw: st.DrawFn, number: int) -> Trade:
    stop = draw(st.integers(2_000, 100_000))
    target = stop + draw(st.integers(2, 100_000))
    entered = draw(st.integers(1, 2_000))
    exited = draw(st.integers(0, entered - 1))
    low, high, key = D(stop) / 100, D(target) / 100, f"k{number}"
    spec = OrderSpec(
        key, "AAA", Side.BUY, entered, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, low, take_profit=high, stop_loss=low
    )
    return Trade(
        spec, BEFORE, float(high), "test", entry_status=S.FILLED, target_status=S.WORKING, stop_status=S.HELD, target_price=high,
        first_target=high, stop_price=low, entered=entered, entry_value=D(entered) * low, entered_at=BEFORE, exited=exited,
        exit_value=D(exited) * high, exited_at=BEFORE if exited else None, exits_at=BEFORE,
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn, most: int = 5) -> World:
    held = [draw(trades(number)) for number in range(draw(st.integers(1, most)))]
    foreign = draw(st.just(0) | st.integers(1, 500))
    new_rate, old_rate = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)).filter(lambda rates: rates[0] != rates[1]))
    old = sum(trade.shares for trade in held) + foreign
    new = floor(old * new_rate / old_rate)
    split = SharesSplit("AAA", old, new, D(new_rate), D(old_rate), EX, ("a1", "a2"))
    return World(Book(MappingProxyType({trade.key: trade for trade in held})), foreign, split)


def everything(book: Book) -> dict[str, Trade]:
    return {trade.key: trade for trade in (*book.closed, *book.open.values())}


@given(world=worlds())
def test_the_shares_are_the_brokers_and_the_dollars_are_what_they_were(world: World) -> None:
    assert explains(world.book, world.foreign, world.split.new_shares, world.split)
    book, foreign = with_split(world.book, world.split, world.foreign)
    assert book.shares_of("AAA") + foreign == world.split.new_shares
    assert foreign >= 0 and (foreign == 0 or world.foreign)
    before, after = everything(world.book), everything(book)
    assert before.keys() == after.keys()
    for key, trade in after.items():
        assert (trade.entry_value, trade.exit_value) == (before[key].entry_value, before[key].exit_value)
        assert abs(trade.shares - before[key].shares * world.ratio) < 1
        assert trade.is_closed == (trade.shares == 0) == (key not in book.open)


@given(world=worlds())
def test_the_stop_stays_below_the_target_and_neither_comes_nearer(world: World) -> None:
    book, _ = with_split(world.book, world.split, world.foreign)
    rates = world.split.old_rate, world.split.new_rate
    for key, trade in book.open.items():
        old = world.book.open[key]
        assert trade.stop_price is not None and trade.target_price is not None and old.stop_price and old.target_price
        assert trade.stop_price < trade.target_price
        assert trade.stop_price * rates[1] <= old.stop_price * rates[0]
        assert trade.target_price * rates[1] >= old.target_price * rates[0]
        assert trade.spec.stop_loss is not None and trade.spec.take_profit is not None
        assert trade.spec.stop_loss < trade.spec.take_profit
        assert trade.first_target == trade.target_price, "what was not moved is not taken for moved"


@given(world=worlds(), data=st.data())
def test_a_sale_by_an_old_exit_comes_to_the_same_before_and_after_the_split_is_noticed(world: World, data: st.DataObject) -> None:
    noticed, left = with_split(world.book, world.split, world.foreign)
    assume(noticed.open)
    trade = noticed.open[data.draw(st.sampled_from(sorted(noticed.open)))]
    shares = data.draw(st.integers(1, min(trade.shares, world.book.open[trade.key].shares)))
    fill = Fill("x1", trade.key, "AAA", Side.SELL, shares, D(10), AFTER, GroupRole.STOP_LOSS)
    status = S.FILLED if shares == world.book.open[trade.key].shares else S.PARTIALLY_FILLED
    event = OrderEvent(trade.key, GroupRole.STOP_LOSS, status, AFTER, "b1", fill)

    late = with_event(world.book, event)
    assert explains(late, world.foreign, world.split.new_shares - shares, world.split)
    first, second = with_event(noticed, event), with_split(late, world.split, world.foreign)
    assert (everything(first), left) == (everything(second[0]), second[1])
    assert dict(first.open) == dict(second[0].open)


@given(world=worlds(), off=st.integers(-50, 50).filter(bool))
def test_a_count_that_is_off_by_some_shares_is_not_explained(world: World, off: int) -> None:
    assert not explains(world.book, world.foreign, world.split.new_shares + off, world.split)
    assert not explains(world.book, world.foreign + off, world.split.new_shares + off, world.split)


@given(world=worlds(most=3))
def test_a_ledger_that_reads_its_rows_again_is_where_it_was_and_knows_the_split(world: World) -> None:
    rows = [
        Row(BEFORE, SharesAdopted(trade.spec, trade.spec.limit_price or D(1), "test", world.foreign))
        for trade in world.book.open.values()
    ]
    whole = sum(trade.spec.quantity for trade in world.book.open.values()) + world.foreign
    new = floor(whole * world.split.new_rate / world.split.old_rate)
    split = SharesSplit("AAA", whole, new, world.split.new_rate, world.split.old_rate, EX, ("a1", "a2"))
    ledgers = [Ledger("f00d"), Ledger("f00d")]
    assert not ledgers[0].knows(split)
    for ledger in ledgers:
        ledger.recover([*rows, Row(AFTER, split)])
        assert ledger.knows(split)
        assert ledger.book.shares_of("AAA") + ledger.differences.foreign.get("AAA", 0) == new
        assert ledger.orders_before_splits == {trade.key for trade in world.book.open.values()}
    assert ledgers[0].book == ledgers[1].book


@given(world=worlds())
def test_other_symbols_are_left_alone(world: World) -> None:
    other = SharesSplit("BBB", world.split.old_shares, world.split.new_shares, D(2), D(1), EX)
    assert not explains(world.book, 0, world.split.new_shares, other)
    assert orders_before(world.book, other) == frozenset()
