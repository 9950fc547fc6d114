"""Reconciliation: equal worlds give nothing, and every single difference gives one break of the right class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from hypothesis import assume, given
from hypothesis import strategies as st

from desk.core.protect import Stamp
from desk.core.reconcile import (
    BrokerView,
    Differences,
    FilledOrder,
    Foreign,
    OpenOrder,
    adoption,
    reconcile,
    with_adopted,
)
from desk.domain.breaks import Break, BreakKind, Repair
from desk.domain.decisions import FixedExit
from desk.domain.grown import Grown
from desk.domain.journal import ForeignSeen, SharesAdopted
from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.trades import Book, Filled, Trade, member_name

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
S = OrderStatus
K = BreakKind
some = st.integers(1, 50)


def trade(number: int, symbol: str, entered: int, exited: int, status: OrderStatus = S.FILLED) -> Trade:
    spec = OrderSpec(
        f"n-{symbol}-{number}", symbol, Side.BUY, 100, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal(100),
        take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    live = S.WORKING if status is S.FILLED and entered > exited else S.CANCELED
    return Trade(
        spec, NOW, 100.0, "test", entry_status=status, target_status=live, stop_status=live, entered=entered, exited=exited
    )


@dataclass(frozen=True)
class World:
    """Book, broker and Lumibot, which agree."""

    book: Book
    view: BrokerView
    strategy: Mapping[str, int]
    foreign: Foreign

    @property
    def breaks(self) -> tuple[Break, ...]:
        return reconcile(self.book, self.view, self.strategy, self.foreign)

    def holding(self, symbol: str, change: int, *fills: FilledOrder) -> World:
        """The broker holds `change` more shares of a symbol; Lumibot has seen it."""
        shares = {**self.view.shares, symbol: self.view.shares.get(symbol, 0) + change}
        return replace(self, view=replace(self.view, shares=shares, fills=(*self.view.fills, *fills)), strategy=shares)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    opened, filled, orders, fills = [], {}, [], []
    for number, symbol in enumerate(draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=4))):
        entered, is_working = draw(some), draw(st.booleans())
        one = trade(number, symbol, entered, 0 if is_working else draw(st.integers(0, entered - 1)),
                    S.PARTIALLY_FILLED if is_working else S.FILLED)  # fmt: skip
        opened.append(one)
        name = member_name(one.key, GroupRole.ENTRY)
        filled[name] = Filled(entered, Decimal(100))
        fills.append(FilledOrder(f"entry{number}", symbol, entered, name))
        if draw(st.booleans()):  # the order before it, whose price was changed
            fills.append(FilledOrder(f"old{number}", symbol, draw(st.integers(0, entered)), name))
        side = Side.BUY if is_working else Side.SELL
        orders.append(OpenOrder(f"open{number}", symbol, side, one.key))
    closed = tuple(trade(20 + n, symbol, 5, 5) for n, symbol in enumerate(draw(st.lists(st.sampled_from(SYMBOLS), max_size=2))))
    foreign = {symbol: count for symbol, count in draw(st.dictionaries(st.sampled_from((*SYMBOLS, "ZZZ")), some)).items()}
    counted = {}
    for symbol, count in foreign.items():
        if draw(st.booleans()):  # bought since the start, and recognised
            counted[f"manual-{symbol}"] = count
            fills.append(FilledOrder(f"manual-{symbol}", symbol, count))
        orders.append(OpenOrder(f"theirs-{symbol}", symbol, Side.SELL, None))
    book = Book(MappingProxyType({one.key: one for one in opened}), closed, filled=Grown(filled.items()))
    held = {symbol: book.shares_of(symbol) + foreign.get(symbol, 0) for symbol in (*SYMBOLS, "ZZZ")}
    shares = {symbol: count for symbol, count in held.items() if count}
    return World(book, BrokerView(shares, tuple(orders), tuple(fills)), shares, Foreign(foreign, counted))


def traded(world: World, data: st.DataObject) -> str:
    return data.draw(st.sampled_from(sorted(world.book.symbols())))


def only(world: World, kind: BreakKind, symbol: str) -> None:
    assert [(each.kind, each.symbol) for each in world.breaks] == [(kind, symbol)]


@given(worlds())
def test_equal_worlds_give_none(world: World) -> None:
    assert world.breaks == ()
    assert reconcile(world.book, BrokerView(world.view.shares), None, world.foreign) == ()


@given(worlds(), st.data(), some, st.booleans())
def test_a_fill_of_ours_that_the_journal_missed_is_adopted(world: World, data: st.DataObject, count: int, buys: bool) -> None:
    symbol, signed = traded(world, data), count if buys else -count
    only(world.holding(symbol, signed, FilledOrder("fresh", symbol, signed, "n-fresh:entry")), K.MISSED, symbol)


@given(worlds(), st.data(), some)
def test_the_rest_of_a_fill_that_is_half_counted_is_adopted(world: World, data: st.DataObject, count: int) -> None:
    known = data.draw(st.sampled_from([each for each in world.view.fills if each.broker_id.startswith("entry")]))
    fills = tuple(replace(each, shares=each.shares + count) if each is known else each for each in world.view.fills)
    grown = world.holding(known.symbol, count)
    only(replace(grown, view=replace(grown.view, fills=fills)), K.MISSED, known.symbol)


@given(worlds(), st.data(), some)
def test_a_manual_purchase_is_foreign(world: World, data: st.DataObject, count: int) -> None:
    symbol = traded(world, data)
    bought = world.holding(symbol, count, FilledOrder("manual", symbol, count))
    only(bought, K.FOREIGN, symbol)
    assert bought.breaks[0].repair is Repair.LEAVE


@given(worlds(), st.data(), some)
def test_a_manual_sale_is_foreign_as_long_as_it_leaves_the_desks_own_shares(
    world: World, data: st.DataObject, count: int
) -> None:
    symbol = traded(world, data)
    sold = world.holding(symbol, -count, FilledOrder("manual", symbol, -count))
    leaves_ours = count <= world.foreign.shares.get(symbol, 0)
    only(sold, K.FOREIGN if leaves_ours else K.UNEXPLAINED, symbol)


@given(worlds(), st.integers(-20, 20).filter(bool))
def test_a_position_in_a_symbol_that_the_desk_never_traded_is_foreign(world: World, change: int) -> None:
    assume("ZZZ" not in world.book.symbols())
    only(world.holding("ZZZ", change), K.FOREIGN, "ZZZ")


@given(worlds(), st.data(), st.integers(-20, 20).filter(bool))
def test_shares_that_no_order_explains_halt(world: World, data: st.DataObject, change: int) -> None:
    symbol = traded(world, data)
    odd = world.holding(symbol, change)
    only(odd, K.UNEXPLAINED, symbol)
    assert odd.breaks[0].repair is Repair.HALT
    expected = world.view.shares.get(symbol, 0)
    assert odd.breaks == (Break(symbol, expected, expected + change),)


@given(worlds(), st.data(), some, some)
def test_a_trade_that_explains_only_part_halts(world: World, data: st.DataObject, count: int, more: int) -> None:
    symbol = traded(world, data)
    only(world.holding(symbol, count + more, FilledOrder("manual", symbol, count)), K.UNEXPLAINED, symbol)


@given(worlds(), st.data(), st.integers(-20, 20).filter(bool))
def test_lumibot_alone_is_a_stale_view(world: World, data: st.DataObject, change: int) -> None:
    symbol = traded(world, data)
    stale = replace(world, strategy={**world.strategy, symbol: world.strategy.get(symbol, 0) + change})
    only(stale, K.STALE_VIEW, symbol)
    assert stale.breaks[0].repair is Repair.WAIT


@given(worlds(), st.data())
def test_exits_that_are_gone_at_the_broker_are_put_back(world: World, data: st.DataObject) -> None:
    bare = data.draw(st.sampled_from(list(world.book.open.values())))
    assume(not bare.is_entry_working)
    orders = tuple(order for order in world.view.orders or () if order.key != bare.key)
    only(replace(world, view=replace(world.view, orders=orders)), K.BARE, bare.symbol)


@given(worlds(), st.data())
def test_an_entry_that_is_gone_at_the_broker_is_asked_for(world: World, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(list(world.book.open.values())))
    assume(gone.is_entry_working)
    orders = tuple(order for order in world.view.orders or () if order.key != gone.key)
    only(replace(world, view=replace(world.view, orders=orders)), K.MISSED, gone.symbol)


@given(worlds(), st.data())
def test_an_order_of_ours_that_the_book_does_not_know_is_asked_for(world: World, data: st.DataObject) -> None:
    symbol = traded(world, data)
    orders = (*(world.view.orders or ()), OpenOrder("new", symbol, Side.BUY, f"n-{symbol}-unknown"))
    only(replace(world, view=replace(world.view, orders=orders)), K.MISSED, symbol)


@given(worlds(), st.data())
def test_open_orders_of_others_are_no_difference(world: World, data: st.DataObject) -> None:
    orders = (*(world.view.orders or ()), OpenOrder("new", traded(world, data), Side.BUY, None))
    assert replace(world, view=replace(world.view, orders=orders)).breaks == ()


def knowing(world: World) -> Differences:
    differences = Differences()
    differences.foreign_is(world.foreign.shares)
    for symbol, shares in world.foreign.shares.items():
        differences.see(ForeignSeen(symbol, shares, world.foreign.counted))
    return differences


# ---- from one look to the next -----------------------------------------------------------------------------------------------


@given(worlds(), st.data(), some)
def test_a_foreign_trade_that_was_seen_is_no_difference_any_more(world: World, data: st.DataObject, count: int) -> None:
    symbol = traded(world, data)
    bought = world.holding(symbol, count, FilledOrder("manual", symbol, count))
    differences = knowing(world)
    for seen in differences.seen(bought.breaks, bought.book, bought.view):
        differences.see(seen)
    assert differences.between(bought.book, bought.view, bought.strategy) == ()
    again = replace(bought.view, shares=world.view.shares, fills=(*bought.view.fills, FilledOrder("m2", symbol, -count)))
    assert [each.kind for each in differences.between(bought.book, again)] == [K.FOREIGN]


@given(worlds(), st.data(), some)
def test_foreign_shares_that_came_and_went_between_two_looks_are_counted(world: World, data: st.DataObject, count: int) -> None:
    symbol = traded(world, data)
    both = (FilledOrder("out", symbol, -count), FilledOrder("in", symbol, count))
    view = replace(world.view, fills=(*world.view.fills, *both))
    differences = knowing(world)
    assert differences.between(world.book, view) == ()
    for seen in differences.seen((), world.book, view):
        differences.see(seen)
    assert differences.seen((), world.book, view) == []
    # The next look reaches back to the later of them alone, and to a purchase since.
    shares = {**view.shares, symbol: view.shares.get(symbol, 0) + 40}
    later = replace(view, shares=shares, fills=(FilledOrder("in", symbol, count), FilledOrder("more", symbol, 40)))
    assert [each.kind for each in differences.between(world.book, later)] == [K.FOREIGN]


@given(worlds(), st.data(), st.integers(1, 20))
def test_fills_of_ours_that_are_counted_explain_nothing_beside_somebody_elses(
    world: World, data: st.DataObject, change: int
) -> None:
    symbol = traded(world, data)
    bought = world.holding(symbol, change, FilledOrder("manual", symbol, change))
    assert [each.kind for each in knowing(world).look(bought.book, bought.view, bought.strategy)] == [K.FOREIGN]


@given(worlds(), some, st.floats(2, 900))
def test_adopted_shares_are_the_desks_and_bare_until_they_are_covered(world: World, count: int, price: float) -> None:
    spec = adoption(Stamp("n", NOW), "ZZZ", count, price, FixedExit(0.05, 0.15))
    adopted = SharesAdopted(spec, Decimal(str(spec.limit_price)), "mine", left=world.foreign.shares.get("ZZZ", 0))
    book = with_adopted(world.book, adopted, Stamp("n", NOW))
    assert book.shares_of("ZZZ") == count
    assert spec.stop_loss < spec.limit_price < spec.take_profit  # type: ignore[operator]  # a bracket has all three
    shares = {**world.view.shares, "ZZZ": world.view.shares.get("ZZZ", 0) + count}
    view = replace(world.view, shares=shares)
    only(World(book, view, shares, world.foreign), K.BARE, "ZZZ")
