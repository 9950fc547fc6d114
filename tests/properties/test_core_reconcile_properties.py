from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from desk.core.reconcile import breaks
from desk.domain.breaks import Break
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
S = OrderStatus
counts = st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-20, 100))


def trade(number: int, symbol: str, entered: int, exited: int, status: OrderStatus = OrderStatus.WORKING) -> Trade:
    spec = OrderSpec(
        f"n-{symbol}-{number}", symbol, Side.BUY, 100, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal(100),
        take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    return Trade(spec, NOW, 100.0, "test", entry_status=status, entered=entered, exited=exited)


@st.composite
def books(draw: st.DrawFn) -> Book:
    symbols = draw(st.lists(st.sampled_from(SYMBOLS), max_size=4))
    opened = []
    for number, symbol in enumerate(symbols):
        entered = draw(st.integers(0, 100))
        opened.append(trade(number, symbol, entered, draw(st.integers(0, entered))))
    # Symbols that were sold, and symbols whose entry never filled.
    over = draw(st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from([0, 50])))
    closed = tuple(trade(10 + n, symbol, shares, shares, S.CANCELED) for n, (symbol, shares) in enumerate(sorted(over.items())))
    return Book(MappingProxyType({one.key: one for one in opened}), closed)


def traded(book: Book) -> set[str]:
    return {one.symbol for one in (*book.open.values(), *book.closed)}


def expected(book: Book, foreign: dict[str, int]) -> dict[str, int]:
    held = dict.fromkeys(traded(book), 0)
    for one in book.open.values():
        held[one.symbol] += one.entered - one.exited
    return {symbol: count + foreign.get(symbol, 0) for symbol, count in held.items()}


@given(books(), counts, counts)
def test_there_is_a_break_exactly_where_the_two_differ(book: Book, broker: dict[str, int], foreign: dict[str, int]) -> None:
    believed = expected(book, foreign)
    differing = {symbol: count for symbol, count in believed.items() if count != broker.get(symbol, 0)}
    found = breaks(book, broker, foreign)
    assert found == tuple(Break(symbol, count, broker.get(symbol, 0)) for symbol, count in sorted(differing.items()))


@given(books(), counts)
def test_a_broker_that_holds_the_book_and_the_foreign_shares_is_no_break(book: Book, foreign: dict[str, int]) -> None:
    assert breaks(book, {**foreign, **expected(book, foreign)}, foreign) == ()


@given(books(), counts, st.integers(-20, 20))
def test_positions_in_symbols_that_the_desk_never_traded_belong_to_somebody_else(
    book: Book, foreign: dict[str, int], strange: int
) -> None:
    broker = {**expected(book, foreign), "ZZZ": strange}
    assert breaks(book, broker, foreign) == ()


@given(books(), st.integers(1, 20))
def test_one_share_too_many_or_too_few_is_a_break(book: Book, difference: int) -> None:
    believed = expected(book, {})
    for symbol in believed:
        for broker_shares in (believed[symbol] + difference, believed[symbol] - difference):
            found = breaks(book, {**believed, symbol: broker_shares}, {})
            assert found == (Break(symbol, believed[symbol], broker_shares),)


def test_a_break_is_told_in_words() -> None:
    assert str(Break("AAA", 10, 7)) == "AAA: the journal says 10 shares, the broker holds 7"
