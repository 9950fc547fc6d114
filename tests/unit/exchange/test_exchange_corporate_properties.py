"""Whatever splits: what an account is worth does not change by a cent, and no exit asks for shares that are gone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from unit.exchange.test_exchange_corporate import put, put_oco

from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.corporate import apply_split, pay_dividend
from desk.exchange.market.corporate import Dividend, Split
from desk.exchange.rules.reservations import reserved
from desk.exchange.words import GroupRole, Status

D = Decimal
AT, EX = datetime(2008, 9, 3, 8, tzinfo=UTC), date(2008, 9, 3)
rates = st.integers(1, 50).map(D)
shares = st.integers(-5000, 5000) | st.decimals(-100, 100, places=4)
prices = st.integers(1, 100_000).map(lambda cents: D(cents) / 100)


def held(quantity: Decimal) -> Book:
    book = Book(seed=1, cash_usd=D(1000))
    book.hold("ABC", Holding(quantity, quantity * 7))
    return book


@given(shares=shares, new=rates, old=rates, price=prices)
def test_a_split_neither_makes_nor_loses_money(shares: Decimal | int, new: Decimal, old: Decimal, price: Decimal) -> None:
    book, before = held(D(shares)), D(shares) * price
    postings = apply_split(book, Split("ABC", EX, new, old), price, AT)
    after = book.shares("ABC") * price * old / new + sum(posting.net_amount for posting in postings)
    # A fraction is paid to the cent; one below the ninth decimal of a share is dropped.
    assert abs(after - before) <= D("0.005") + D("1e-9") * price * old / new
    change = sum(posting.quantity for posting in postings if posting.kind == "SPLIT" and posting.quantity is not None)
    assert change == book.shares("ABC") - D(shares)
    assert (book.shares("ABC") >= 0) == (shares >= 0) or not book.shares("ABC")


@given(
    position=st.integers(1, 500),
    sizes=st.lists(st.tuples(st.integers(1, 200), st.sampled_from(["simple", "oco", "day"])), max_size=6),
    new=rates,
    old=rates,
)
def test_after_a_split_exits_never_ask_for_more_than_is_held(
    position: int, sizes: list[tuple[int, str]], new: Decimal, old: Decimal
) -> None:
    book, room = held(D(position)), position
    for place, (size, kind) in enumerate(sizes):
        size = min(size, room)
        room -= size
        if not size:
            continue
        if kind == "oco":
            put_oco(book, str(size), f"group {place}")
        else:
            put(book, str(size), limit_price=D(120), **({"time_in_force": "day"} if kind == "day" else {}))
    apply_split(book, Split("ABC", EX, new, old) if new != old else Split("ABC", EX, D(2), D(1)), D(100), AT)
    assert reserved(book, "ABC").shares <= book.shares("ABC")
    for order in book.live_orders():
        if order.group_role is GroupRole.STOP_LOSS:
            assert order.status is Status.HELD


@given(quantities=st.lists(st.integers(-1000, 1000), min_size=1, max_size=5), cash=prices)
def test_what_longs_are_paid_shorts_pay(quantities: list[int], cash: Decimal) -> None:
    quantities.append(-sum(quantities))
    owed = [pay_dividend(held(D(quantity)), Dividend("ABC", EX, EX, cash), AT) for quantity in quantities]
    assert sum(posting.net_amount for posting in owed if posting is not None) == 0
