"""What is paid at most for a sold put that goes alone, on which grid, and where its ladder begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spread_worlds import FIRST, GOOD, LONG, SHORT, START, plan

from desk.core.spread_book import SpreadBook
from desk.core.spread_moves import Sight, next_move
from desk.core.spread_prices import exit_debits, single_prices
from desk.domain.journal import BrokerRefusal
from desk.domain.options import OptionQuote
from desk.domain.orders import OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.prices import PENNY, Rounding
from desk.domain.spreads import Manner, Spread, SpreadPhase, SpreadTurned, Turn
from desk.domain.steps import SpreadOrder
from options.money import on_class_ticks

LATER = START + timedelta(hours=1)
LEAVING = Spread(plan(2), START, SpreadPhase.CLOSING, why="loss limit: 2.20 of 2.20 lost", short=2, long=2)
PROFIT, DAYS = "profit target: 0.70 of 0.50 earned", "days to expiration: 11 days to expiration, left at 21"
CANNOT_WAIT = (
    "loss limit: x",
    "through the strike: x",
    "delta limit: x",
    "ex dividend: x",
    "pin risk: x",
    "expiry day: x",
    "by hand",
)


def quote(symbol: str, bid: str, ask: str) -> OptionQuote:
    return OptionQuote(symbol, Decimal(bid), Decimal(ask), START)


def quotes(short: tuple[str, str], long: tuple[str, str] | None = None) -> dict[str, OptionQuote]:
    found = {SHORT: quote(SHORT, *short)}
    return found if long is None else {**found, LONG: quote(LONG, *long)}


def order(spread: Spread, market: Mapping[str, OptionQuote]) -> OrderSpec:
    """What is sent where nobody has quoted both honestly for an hour, or both are."""
    move = next_move(spread, Sight(LATER, is_open=True, may_open=True, quotes=market, unquoted_since=START))
    assert isinstance(move, SpreadOrder)
    return move.spec


def dearest(spread: Spread, market: Mapping[str, OptionQuote]) -> Decimal:
    spec = order(replace(spread, rung=99), market)
    assert spec.symbol == SHORT and spec.limit_price is not None
    return spec.limit_price


# ---- the cap follows the rule ----------------------------------------------------------------------------------------------

NOBODY_BIDS = quotes(("0.05", "5.50"), ("0", "0.05"))  # between the middles 2.75
UNQUOTED = quotes(("0.05", "5.50"))


@pytest.mark.parametrize(
    ("why", "market", "most"),
    [
        (PROFIT, NOBODY_BIDS, "1.09"),
        (PROFIT, UNQUOTED, "1.09"),
        (DAYS, NOBODY_BIDS, "3.85"),
        (DAYS, UNQUOTED, "1.15"),
        *((why, market, "5.00") for why in CANNOT_WAIT for market in (NOBODY_BIDS, UNQUOTED)),
    ],
)
def test_a_sold_put_alone_costs_no_more_than_the_rule_allows_for_both(
    why: str, market: dict[str, OptionQuote], most: str
) -> None:
    """The credit is 1.10, the width 5."""
    assert dearest(replace(LEAVING, why=why), market) == Decimal(most)


@pytest.mark.parametrize(
    ("why", "most", "of_class"), [(PROFIT, "1.34", "1.30"), (DAYS, "3.75", "3.70"), ("pin risk", "4.52", "4.60")]
)
def test_what_the_bought_put_fetches_is_paid_on_top(why: str, most: str, of_class: str) -> None:
    """Between the middles 2.40, so 3.50 by days; the bought put is bid 0.25. A package that was taken apart was refused."""
    market, there = quotes(("1.00", "4.50"), ("0.25", "0.45")), replace(LEAVING, why=why)
    assert dearest(replace(there, plan=plan(2, Manner.LEGGED)), market) == Decimal(most)
    assert dearest(replace(there, refusals=3, refused="no"), market) == Decimal(of_class)


@pytest.mark.parametrize("why", [PROFIT, DAYS])
def test_without_its_bought_put_a_sold_one_goes_at_any_price_whatever_the_rule(why: str) -> None:
    assert dearest(replace(LEAVING, why=why, long=1), UNQUOTED) == Decimal("5.52")


def test_what_time_alone_has_ended_may_cost_more_than_the_width_deep_in_the_money() -> None:
    """Nobody quotes the bought put, which is worth something too."""
    assert dearest(replace(LEAVING, why=DAYS), quotes(("7.00", "9.00"))) == Decimal("8.10")


def test_what_cannot_wait_takes_over_from_a_cap_that_nobody_takes() -> None:
    """The last day ends every wait."""
    wish = SpreadTurned(FIRST, Turn.LEAVE, "expiry day: 90 minutes to the last close, left from 90 on")
    for why in (PROFIT, DAYS):
        there = replace(LEAVING, why=why, rung=99)
        sight = Sight(LATER, is_open=True, may_open=True, quotes=UNQUOTED, wish=wish, unquoted_since=START)
        assert next_move(there, sight) == wish
        taken = SpreadBook({FIRST: there}).turned(wish, LATER).open[FIRST]
        assert dearest(taken, UNQUOTED) == Decimal(5)


# ---- caps are prices -------------------------------------------------------------------------------------------------------

UNEVEN = replace(LEAVING, plan=plan(3, rungs=5), short=3, long=3, sold=3, credit_usd=Decimal(325), cash_usd=Decimal(325))


@pytest.mark.parametrize(("refused", "most"), [("", "8.08"), ("no", "8.00")])
def test_a_cap_by_an_average_credit_is_a_price(refused: str, most: str) -> None:
    """Sold at 1.10, 1.10 and 1.05: the credit has no end of digits."""
    assert dearest(replace(UNEVEN, refused=refused), quotes(("7.00", "9.00"))) == Decimal(most)


@pytest.mark.parametrize(("refused", "most"), [("", "5.65"), ("no", "5.60")])
def test_a_cap_of_the_width_and_a_bid_is_a_price_of_a_class_of_dimes(refused: str, most: str) -> None:
    legged = replace(LEAVING, plan=plan(2, Manner.LEGGED), refused=refused)
    assert dearest(legged, quotes(("5.40", "6.40"), ("0.65", "0.90"))) == Decimal(most)


prices = st.integers(0, 1200).map(lambda count: count * PENNY)
reasons = st.sampled_from((PROFIT, DAYS, *CANNOT_WAIT))


@given(
    prices, prices, prices, prices, st.booleans(), reasons, st.integers(1, 90_000), st.integers(1, 7), st.sampled_from(["", "no"])
)
def test_every_price_of_an_exit_is_on_its_grid_and_ladders_never_fall(
    bid: Decimal,
    spread_usd: Decimal,
    long_bid: Decimal,
    long_spread_usd: Decimal,
    is_quoted: bool,
    why: str,
    credit_cents: int,
    sold: int,
    refused: str,
) -> None:
    there = replace(UNEVEN, why=why, credit_usd=credit_cents * PENNY, sold=sold, refused=refused)
    short = OptionQuote(SHORT, bid, bid + spread_usd + PENNY, START)
    long = OptionQuote(LONG, long_bid, long_bid + long_spread_usd, START)
    alone = single_prices(there, {SHORT: short, LONG: long} if is_quoted else {SHORT: short}, SHORT, Side.BUY)
    sale = single_prices(there, {LONG: long}, LONG, Side.SELL)
    package = exit_debits(there, (short, long))
    assert list(alone) == sorted(alone) and list(sale) == sorted(sale, reverse=True) and list(package) == sorted(package)
    assert all(price >= PENNY and price % PENNY == 0 for price in (*alone, *sale, *package))
    if refused:
        assert all(price == on_class_ticks(price, Rounding.DOWN) > 0 for price in (*alone, *sale))


# ---- where a ladder begins -------------------------------------------------------------------------------------------------


def ladder_of(spread: Spread, market: Mapping[str, OptionQuote]) -> list[str]:
    return [str(order(replace(spread, rung=rung), market).limit_price) for rung in range(spread.plan.rules.rungs)]


def test_a_ladder_begins_at_the_bid_where_the_quotes_of_the_sold_put_are_all_that_is_known() -> None:
    """The middle of an opening quote says nothing: it is beyond all that is paid."""
    there = replace(LEAVING, plan=plan(2, rungs=5), why="through the strike: x")
    assert ladder_of(there, quotes(("2.50", "9.00"))) == ["2.50", "3.12", "3.75", "4.37", "5.00"]
    assert ladder_of(there, quotes(("1.00", "1.40"))) == ["1.00", "1.10", "1.21", "1.31", "1.42"]
    assert ladder_of(there, quotes(("6.00", "5.50"))) == ["5.52"] * 5, "crossed: no step is above the last one"


def test_a_ladder_begins_at_the_bid_where_the_middle_is_beyond_all_that_is_paid() -> None:
    there = replace(LEAVING, plan=plan(2, rungs=5))
    assert ladder_of(there, quotes(("1.00", "15.00"), ("0", "0.05"))) == ["1.00", "2.00", "3.00", "4.00", "5.00"]
    assert ladder_of(replace(there, why=PROFIT), quotes(("0", "4.20"), ("0", "0.05"))) == ["0.01", "0.27", "0.54", "0.81", "1.09"]


def test_without_its_bought_put_a_sold_one_is_bought_from_the_middle_on() -> None:
    assert ladder_of(replace(LEAVING, long=0), quotes(("2.50", "9.00"))) == ["5.75", "9.02"]


# ---- grids -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bid", "price"), [("0.09", "0.05"), ("0.04", "0.05"), ("0.01", "0.05"), ("3.09", "3.00")])
def test_a_sale_after_a_refusal_is_a_price_of_the_class_whatever_the_bid(bid: str, price: str) -> None:
    """Below a nickel there is none: it rests at one."""
    there = replace(LEAVING, plan=plan(2, rungs=1), short=0, refusals=1, refused="no")
    assert order(there, {LONG: quote(LONG, bid, "9.00")}).limit_price == Decimal(price)


def entering(**there: object) -> Spread:
    return replace(Spread(plan(2, Manner.LEGGED, rungs=3), START, refusals=1, refused="no"), **there)


@pytest.mark.parametrize(("ask", "price"), [("0.04", "0.05"), ("0.06", "0.05"), ("0.24", "0.10")])
def test_protection_below_a_nickel_is_asked_for_after_a_refusal_as_well(ask: str, price: str) -> None:
    """No step of its ladder may wait for another: without an order none follows."""
    market = quotes(("1.90", "2.00"), ("0.02", ask))
    assert order(entering(), market).limit_price == Decimal(price)


def test_protection_that_costs_too_much_in_the_prices_of_its_class_ends_the_entry() -> None:
    """A put for 0.83 leaves the floor of 0.80, one for a nickel would not."""
    market = quotes(("0.83", "0.90"), ("0.02", "0.04"))
    move = next_move(entering(), Sight(START, is_open=True, may_open=True, quotes=market))
    assert isinstance(move, SpreadTurned) and move.turn is Turn.ENTRY_OVER
    cents = next_move(entering(refusals=0, refused=""), Sight(START, is_open=True, may_open=True, quotes=market))
    assert isinstance(cents, SpreadOrder)


def test_a_sale_that_opens_never_brings_less_than_the_floor_by_a_part_of_a_cent() -> None:
    """Two bought puts for 0.905 each: 1.705 is asked for at the least."""
    there = entering(refusals=0, refused="", long=2, cash_usd=Decimal(-181))
    market = quotes(("1.00", "1.20"), ("0.90", "1.10"))
    assert order(there, market).limit_price == Decimal("1.71")


# ---- refusals in a row -----------------------------------------------------------------------------------------------------


def ended(spread: Spread, status: OrderStatus, market: Mapping[str, OptionQuote] = GOOD) -> Spread:
    """After an order of it went out and ended, without a fill."""
    sight = Sight(LATER, is_open=True, may_open=True, quotes=market)
    step = next_move(spread, sight)
    assert isinstance(step, SpreadOrder)
    book = SpreadBook({FIRST: spread}).sent(step, LATER)
    for said in (OrderStatus.WORKING, status):
        for role in step.spec.roles:
            book = book.heard(OrderEvent(step.key, role, said, LATER, "id", None, ""))
    return book.open[FIRST]


REFUSED = replace(LEAVING, refusals=2, refused="no")


@pytest.mark.parametrize("there", [REFUSED, replace(REFUSED, plan=plan(2, Manner.LEGGED)), replace(REFUSED, short=0)])
def test_an_order_that_the_broker_took_ends_the_row_of_refusals_and_not_what_they_taught(there: Spread) -> None:
    after = ended(there, OrderStatus.CANCELED)
    assert (after.refusals, after.refused, after.rung) == (0, "no", 1)


def test_a_day_that_has_ended_ends_the_row_and_what_it_taught() -> None:
    after = ended(REFUSED, OrderStatus.EXPIRED)
    assert (after.refusals, after.refused, after.rung) == (0, "", 0)


def test_an_order_that_was_taken_for_a_moment_and_thrown_out_is_one_more_refusal() -> None:
    assert ended(REFUSED, OrderStatus.REJECTED).refusals == 3


@pytest.mark.parametrize("refusals", [3, 7])
def test_a_package_that_was_taken_apart_stays_so_when_the_broker_takes_a_leg(refusals: int) -> None:
    after = ended(replace(REFUSED, refusals=refusals), OrderStatus.CANCELED)
    assert after.refusals == 3
    assert order(after, GOOD).symbol == SHORT


def test_what_never_left_teaches_nothing_of_the_class() -> None:
    step = next_move(LEAVING, Sight(LATER, is_open=True, may_open=True, quotes=GOOD))
    assert isinstance(step, SpreadOrder)
    lost = BrokerRefusal(step.key, None, None, "never reached the broker", explained=True, unsent=True)
    after = SpreadBook({FIRST: LEAVING}).sent(step, LATER).refused(lost, LATER).open[FIRST]
    assert (after.refusals, after.refused) == (0, "") and after.retry_at is not None


# ---- a rule that takes over ------------------------------------------------------------------------------------------------


def test_a_rule_that_takes_over_begins_its_ladder_anew() -> None:
    there = replace(LEAVING, why=PROFIT, rung=4, refusals=3, refused="no", retry_at=LATER + timedelta(minutes=5))
    taken = SpreadBook({FIRST: there}).turned(SpreadTurned(FIRST, Turn.LEAVE, "loss limit: x"), LATER).open[FIRST]
    assert (taken.rung, taken.refusals, taken.retry_at, taken.refused) == (0, 0, None, "no")
    assert len(order(taken, GOOD).legs) == 2
