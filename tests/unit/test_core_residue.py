"""Parts of shares: what they are, where their stop goes, what the journal knows of it, and what a person is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from desk.core.protect import Stamp
from desk.core.reconcile import BrokerView, FilledOrder, Foreign, adoption, reconcile, with_adopted
from desk.core.residue import (
    Residue,
    ResidueStops,
    day_order,
    exempt,
    fraction,
    is_residue_key,
    legal_stop,
    refused_words,
    residue_key,
    whole,
)
from desk.domain.breaks import BreakKind
from desk.domain.decisions import FixedExit
from desk.domain.journal import Acknowledged, BrokerRefusal, ResidueStop, SharesAdopted
from desk.domain.orders import OrderStatus
from desk.domain.trades import Book

DAY = date(2024, 1, 3)
NOW, CLOSE = datetime(2024, 1, 3, 15, tzinfo=UTC), datetime(2024, 1, 3, 21, tzinfo=UTC)
RULE = FixedExit(0.05, 0.15)
KEY = residue_key("f00d", "AAPL", DAY)
STOP = ResidueStop(KEY, "AAPL", Decimal("0.5"), DAY, Decimal("171.20"))


def holding(shares: int = 10, price: float = 180.0) -> Book:
    spec = adoption(Stamp("f00d", NOW), "AAPL", shares, price, RULE)
    return with_adopted(Book(), SharesAdopted(spec, Decimal(str(price)), "found"), Stamp("f00d", NOW))


@pytest.mark.parametrize(
    ("there", "shares", "rest"),
    [
        ("10.5", 10, "0.5"),
        ("0.5", 0, "0.5"),
        ("10", 10, "0"),
        ("9.999999999", 9, "0.999999999"),
        (9.999999999999998, 10, "0"),
        ("-10.5", -10, "0"),
        (Decimal("1.250"), 1, "0.25"),
    ],
)
def test_whole_shares_are_counted_down_and_the_rest_is_exact(there: object, shares: int, rest: str) -> None:
    assert (whole(there), fraction(there)) == (shares, Decimal(rest))


def test_keys_of_residues_are_told_from_those_of_trades() -> None:
    assert KEY == "f00d-20240103-AAPL-residue"
    assert is_residue_key(KEY) and not is_residue_key("f00d-20240103T150000-AAPL-open")


# ---- the order -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("book", "market", "stop"),
    [
        (holding(), "180", "171.00"),
        (Book(), "180", "190.00"),
        (holding(), "171.00", None),
        (holding(), "150", None),
        (holding(), None, "171.00"),
        (holding(), "171.005", "170.99"),
    ],
)
def test_the_stop_is_the_trades_own_else_below_what_was_paid_and_a_market_below_it_sells(
    book: Book, market: str | None, stop: str | None
) -> None:
    price = None if market is None else Decimal(market) if book.open else Decimal(210)
    order = day_order(Residue("AAPL", Decimal("0.5"), Decimal(200), price), book, 0.05, "f00d", DAY)
    assert order == replace(STOP, stop_price=None if stop is None else Decimal(stop))


def test_what_came_for_nothing_is_measured_from_the_market_and_without_one_there_is_no_stop() -> None:
    free = Residue("AAPL", Decimal("0.5"), Decimal(0), Decimal(100))
    assert day_order(free, Book(), 0.05, "f00d", DAY) == replace(STOP, stop_price=Decimal("95.00"))
    assert day_order(replace(free, market=None), Book(), 0.05, "f00d", DAY) is None


def test_a_stop_below_a_dollar_is_on_the_finer_grid() -> None:
    assert legal_stop(Decimal("0.51239"), Decimal("0.6")) == Decimal("0.5123")


# ---- what the journal knows ------------------------------------------------------------------------------------------------


def test_an_order_is_in_doubt_until_it_is_answered_or_refused() -> None:
    stops = ResidueStops("f00d")
    stops.see(STOP)
    assert stops.unanswered(DAY) == [STOP]
    stops.refuse(BrokerRefusal(KEY, None, None, "could not be reached", unsent=True))
    assert stops.unanswered(DAY) == [STOP], "it never reached the broker"
    stops.answer(Acknowledged("f00d-20240103T150000-AAPL-open", {}))
    assert stops.unanswered(DAY) == [STOP]
    stops.answer(Acknowledged(KEY, {"entry": "b1"}))
    assert stops.unanswered(DAY) == [] and stops.of("AAPL", DAY) == STOP
    assert stops.of("AAPL", date(2024, 1, 4)) is None and stops.of("IBM", DAY) is None


def test_a_refusal_is_told_once_and_the_next_session_begins_anew() -> None:
    stops = ResidueStops("f00d")
    stops.see(STOP)
    stops.refuse(BrokerRefusal(KEY, 403, 40310000, 'asset "AAPL" is not fractionable'))
    before, told, after = stops.has_untold, stops.take_untold(DAY), stops.has_untold
    assert (before, told, after) == (True, [(STOP, 'asset "AAPL" is not fractionable')], False)
    assert stops.unanswered(DAY) == [] and stops.take_untold(DAY) == []
    later = replace(STOP, key=residue_key("f00d", "AAPL", date(2024, 1, 4)), session=date(2024, 1, 4))
    stops.see(later)
    assert stops.unanswered(later.session) == [later] and stops.why_refused(later) is None


def test_a_refusal_says_what_is_at_stake_and_what_can_be_done() -> None:
    told = refused_words(STOP, "not fractionable", Decimal(180))
    assert told.startswith("0.5 AAPL, worth about $90.00, have no stop today: the broker refused it (not fractionable)")
    assert "tried again in the next session" in told and "by hand" in told


# ---- what is told ----------------------------------------------------------------------------------------------------------


def words(stops: ResidueStops, closes_at: datetime | None = CLOSE, *status: OrderStatus | None) -> str:
    statuses = {KEY: status[0]} if status else {}
    (part,) = exempt({"AAPL": Decimal("10.5"), "IBM": Decimal(3)}, stops, (DAY, closes_at), statuses)
    assert (part.symbol, part.quantity) == ("AAPL", Decimal("0.5"))
    assert (part.stop_price is not None) == (part.until is not None) == ("day stop" in part.words)
    return part.words


def test_a_residue_is_told_with_its_stop_or_why_there_is_none() -> None:
    none, stops = ResidueStops("f00d"), ResidueStops("f00d")
    stops.see(STOP)
    assert words(stops) == "part of a share, day stop at 171.20 until 16:00"
    assert words(stops, None) == "part of a share, no stop until the market opens"
    assert words(none, None) == "part of a share, no stop until the market opens, and then if found_positions is protect"
    assert words(none) == "part of a share, no stop today"
    assert words(stops, CLOSE, OrderStatus.CANCELED) == "part of a share, no stop today: the broker ended it (canceled)"
    assert words(stops, CLOSE, None) == "part of a share, its stop is not at the broker yet"
    stops.refuse(BrokerRefusal(KEY, 403, 1, "no"))
    assert words(stops) == "part of a share, no stop today: the broker refused it (no)"


def test_a_residue_that_is_sold_at_the_market_has_no_stop() -> None:
    stops = ResidueStops("f00d")
    stops.see(replace(STOP, stop_price=None))
    assert words(stops) == "part of a share, being sold at the market"


def test_without_the_broker_todays_orders_say_what_there_is() -> None:
    stops = ResidueStops("f00d")
    stops.see(STOP)
    assert stops.looked_after((), None, DAY) == {"AAPL": Decimal("0.5")}
    assert stops.looked_after((), None, date(2024, 1, 4)) == {}
    there = {"AAPL": Decimal("10.5"), "IBM": Decimal("1.5"), "XOM": Decimal("2.5")}
    assert stops.looked_after(("IBM",), there, DAY) == {"AAPL": Decimal("10.5"), "IBM": Decimal("1.5")}


# ---- in a reconciliation ---------------------------------------------------------------------------------------------------


def test_parts_of_shares_that_somebody_buys_explain_a_whole_one_more() -> None:
    bought = [FilledOrder("b1", "AAPL", Decimal("0.7")), FilledOrder("b2", "AAPL", Decimal("0.4"))]
    (found,) = reconcile(holding(), BrokerView({"AAPL": 11}, fills=bought), None, Foreign())
    assert (found.kind, found.text) == (BreakKind.FOREIGN, "orders that are not the desk's filled +1.1")
    counted = Foreign({"AAPL": 1}, {"b1": Decimal("0.7"), "b2": Decimal("0.4")})
    assert reconcile(holding(), BrokerView({"AAPL": 11}, fills=bought), None, counted) == ()
    (found,) = reconcile(holding(), BrokerView({"AAPL": 12}, fills=bought), None, counted)
    assert found.kind is BreakKind.UNEXPLAINED
