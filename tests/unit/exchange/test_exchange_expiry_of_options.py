"""Exercise, assignment and expiry: shares and cash change hands at the strike, in silence."""

from __future__ import annotations

from decimal import Decimal

import pytest
from machine_story import CALL_105, PUT_95, Desk

from desk.exchange.machine.expiry import Settled, Terms, exercise, settle_at_expiry

CALL = Terms(CALL_105, "ABC", True, Decimal(105))
PUT = Terms(PUT_95, "ABC", False, Decimal(95))


def holding(desk: Desk) -> dict[str, tuple[int, Decimal]]:
    return {symbol: (int(held.quantity), held.average_price(symbol)) for symbol, held in desk.book.holdings.items()}


def settled(desk: Desk, terms: Terms, price: str) -> Settled:
    found = settle_at_expiry(desk.book, terms, Decimal(price))
    assert found is not None and desk.book.take_events() == []
    return found


@pytest.mark.parametrize(("price", "worth"), [("106.50", "1.50"), ("105", "0"), ("90", "0")])
def test_a_call_is_worth_what_the_stock_is_above_its_strike(price: str, worth: str) -> None:
    assert CALL.intrinsic(Decimal(price)) == Decimal(worth)
    assert PUT.intrinsic(Decimal(200) - Decimal(price)) == max(Decimal(0), Decimal(price) - 105)


def test_long_call_in_the_money_becomes_shares_at_the_strike() -> None:
    desk = Desk()
    desk.own(2, 300, CALL_105)
    done = settled(desk, CALL, "110")
    assert (done.kind, done.contracts, done.shares, done.cash_usd) == ("OPEXC", -2, 200, -21_000)
    assert holding(desk) == {"ABC": (200, Decimal(105))}
    assert desk.book.cash_usd == Decimal(100_000) - 21_000


def test_long_put_in_the_money_sells_shares_at_the_strike() -> None:
    desk = Desk()
    desk.own(1, 300, PUT_95)
    desk.own(100, 9_000)
    done = settled(desk, PUT, "80")
    assert (done.kind, done.contracts, done.shares) == ("OPEXC", -1, -100)
    assert holding(desk) == {} and desk.book.cash_usd == Decimal(109_500)


def test_short_put_in_the_money_is_assigned() -> None:
    desk = Desk()
    desk.own(-1, 300, PUT_95)
    done = settled(desk, PUT, "94.99")
    assert (done.kind, done.contracts, done.shares) == ("OPASN", 1, 100)
    assert holding(desk) == {"ABC": (100, Decimal(95))}


def test_short_call_in_the_money_takes_a_covering_position_away() -> None:
    desk = Desk()
    desk.own(-1, 300, CALL_105)
    desk.own(100)
    done = settled(desk, CALL, "106")
    assert (done.kind, done.shares) == ("OPASN", -100)
    assert holding(desk) == {} and desk.book.cash_usd == Decimal(110_500)


def test_assignment_of_more_shares_than_are_held_goes_through_zero_to_a_short() -> None:
    desk = Desk()
    desk.own(-2, 300, CALL_105)
    desk.own(150, 10_000)
    settled(desk, CALL, "106")
    assert holding(desk) == {"ABC": (-50, Decimal(105))}
    assert desk.book.cash_usd == Decimal(100_000) + 200 * 105


def test_assigned_put_buys_a_short_back_and_goes_on_to_a_long() -> None:
    desk = Desk()
    desk.own(-1, 300, PUT_95)
    desk.own(-30, 10_000)
    settled(desk, PUT, "90")
    assert holding(desk) == {"ABC": (70, Decimal(95))}


@pytest.mark.parametrize(("price", "kind"), [("105", "OPEXP"), ("105.009", "OPEXP"), ("105.01", "OPEXC")])
def test_a_cent_in_the_money_is_exercised_and_less_is_gone(price: str, kind: str) -> None:
    desk = Desk()
    desk.own(1, 300, CALL_105)
    done = settled(desk, CALL, price)
    assert (done.kind, done.contracts) == (kind, -1)
    assert CALL_105 not in desk.book.holdings


def test_worthless_short_option_ends_as_well() -> None:
    desk = Desk()
    desk.own(-3, 50, PUT_95)
    done = settled(desk, PUT, "100")
    assert (done.kind, done.contracts, done.shares) == ("OPEXP", 3, 0)
    assert desk.book.holdings == {} and desk.book.cash_usd == Decimal(100_000)


def test_holder_may_let_an_option_expire_in_the_money() -> None:
    desk = Desk()
    desk.own(1, 300, CALL_105)
    desk.book.do_not_exercise[CALL_105] = None
    assert settled(desk, CALL, "120").kind == "OPEXP"
    assert desk.book.do_not_exercise == {}


def test_writer_cannot_refuse_an_assignment() -> None:
    desk = Desk()
    desk.own(-1, 300, CALL_105)
    desk.book.do_not_exercise[CALL_105] = None
    assert settled(desk, CALL, "120").kind == "OPASN"


def test_early_assignment_of_a_part_leaves_the_rest_at_its_cost() -> None:
    desk = Desk()
    desk.own(-3, 300, PUT_95)
    done = exercise(desk.book, PUT, Decimal(1))
    assert (done.kind, done.contracts) == ("OPASN", 1)
    assert holding(desk) == {PUT_95: (-2, Decimal(3)), "ABC": (100, Decimal(95))}


def test_nothing_held_nothing_to_settle() -> None:
    assert settle_at_expiry(Desk().book, CALL, Decimal(120)) is None
