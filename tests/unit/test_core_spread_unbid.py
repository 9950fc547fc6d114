"""Orders that could not trade: of a leg that nobody bids for, at a ladder of one step, before the quotes of a roll are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from spread_worlds import FIRST, GOOD, LONG, NO_BID, SECOND, SHORT, START, plan

from desk.core.spread_book import SpreadBook
from desk.core.spread_moves import ATOMIC_CLOSE, Move, Sight, next_move
from desk.domain.options import OptionQuote
from desk.domain.orders import OrderEvent, OrderStatus, PositionIntent
from desk.domain.spreads import Manner, Spread, SpreadPhase, SpreadTurned, Turn
from desk.domain.steps import Cancel, SpreadOrder

LATER = START + timedelta(hours=1)
LEAVING = Spread(plan(2), START, SpreadPhase.CLOSING, why="loss limit", short=2, long=2)


def sight(**seen: object) -> Sight:
    return replace(Sight(LATER, is_open=True, may_open=True, quotes=NO_BID), **seen)


def shape(move: Move | None) -> tuple[str, int, PositionIntent | None]:
    assert isinstance(move, SpreadOrder)
    return move.spec.symbol, move.spec.quantity, move.spec.position_intent


def test_what_is_owed_is_bought_back_alone_where_nobody_bids_for_the_bought_put() -> None:
    assert shape(next_move(LEAVING, sight())) == (SHORT, 2, PositionIntent.BUY_TO_CLOSE)
    package = next_move(LEAVING, sight(quotes=GOOD))
    assert isinstance(package, SpreadOrder) and tuple(leg.intent for leg in package.spec.legs) == ATOMIC_CLOSE


UNQUOTED = (
    {SHORT: GOOD[SHORT]},
    {**GOOD, LONG: replace(GOOD[LONG], bid=Decimal("3.00"))},
    {**GOOD, SHORT: replace(GOOD[SHORT], bid=Decimal("3.00"))},
)


@pytest.mark.parametrize("quotes", UNQUOTED)
def test_what_is_owed_waits_two_minutes_for_honest_quotes_of_both_and_goes_alone_then(quotes: dict[str, OptionQuote]) -> None:
    """No quote of the bought put, and a crossed one of either."""
    just_now, long_ago = LATER - timedelta(seconds=119), LATER - timedelta(seconds=120)
    assert next_move(LEAVING, sight(quotes=quotes)) is None
    assert next_move(LEAVING, sight(quotes=quotes, unquoted_since=just_now)) is None
    alone = next_move(LEAVING, sight(quotes=quotes, unquoted_since=long_ago))
    assert shape(alone) == (SHORT, 2, PositionIntent.BUY_TO_CLOSE)


def test_a_package_is_called_back_where_both_are_quoted_no_more_and_stays_where_nothing_is() -> None:
    there = resting(replace(LEAVING, rung=1), GOOD)
    assert next_move(there, sight(quotes={}, unquoted_since=START)) is None
    assert next_move(there, sight(quotes={SHORT: GOOD[SHORT]}, unquoted_since=LATER)) is None
    assert isinstance(next_move(there, sight(quotes={SHORT: GOOD[SHORT]}, unquoted_since=START)), Cancel)


def test_without_a_quote_of_what_is_owed_nothing_is_taken_apart() -> None:
    assert next_move(LEAVING, sight(quotes={LONG: NO_BID[LONG]})) is None


@pytest.mark.parametrize(("ask", "price"), [("2.20", "2.25"), ("3.04", "3.10")])
def test_one_leg_that_was_refused_is_asked_for_in_nickels_and_dimes(ask: str, price: str) -> None:
    quotes = {**NO_BID, SHORT: replace(NO_BID[SHORT], ask=Decimal(ask))}
    refused = replace(LEAVING, plan=plan(2, rungs=1), refusals=1, refused="no")
    again = next_move(refused, sight(quotes=quotes))
    assert isinstance(again, SpreadOrder) and again.spec.limit_price == Decimal(price)


def test_a_bought_put_that_was_refused_is_offered_in_nickels_below_the_bid() -> None:
    sold = next_move(replace(LEAVING, plan=plan(2, rungs=1), short=0, refused="no"), sight(quotes=bids(long="0.93")))
    assert isinstance(sold, SpreadOrder) and sold.spec.limit_price == Decimal("0.90")


def test_a_bought_put_below_a_nickel_that_was_refused_is_offered_for_one_and_stays_there() -> None:
    refused = replace(LEAVING, plan=plan(2, rungs=1), short=0, refused="no")
    there = resting(refused, bids(long="0.03"))
    assert there.working[0].spec.limit_price == Decimal("0.05")
    assert next_move(there, sight(quotes=bids(long="0.03"))) is None


WILD = {**NO_BID, SHORT: replace(NO_BID[SHORT], bid=Decimal(0), ask=Decimal("15.00"))}


@pytest.mark.parametrize("rung", [1, 9])
@pytest.mark.parametrize("refused", ["", "no"])
def test_a_sold_put_whose_bought_one_is_there_is_never_bought_back_for_more_than_the_width(rung: int, refused: str) -> None:
    bought = next_move(replace(LEAVING, rung=rung, refused=refused), sight(quotes=WILD))
    assert isinstance(bought, SpreadOrder) and bought.spec.limit_price == Decimal(5)
    bare = next_move(replace(LEAVING, rung=1, long=0), sight(quotes=WILD))
    assert isinstance(bare, SpreadOrder) and bare.spec.limit_price == Decimal("15.02")


@pytest.mark.parametrize(("bid", "most"), [("0.65", "5.65"), ("3.20", "7.52")])
def test_what_the_bought_put_fetches_is_paid_for_the_sold_one_beside_the_width(bid: str, most: str) -> None:
    """Legs that are closed one by one, deep in the money: the sold one alone costs more than the width."""
    deep = {
        SHORT: replace(GOOD[SHORT], bid=Decimal("7.00"), ask=Decimal("7.50")),
        LONG: replace(GOOD[LONG], bid=Decimal(bid), ask=Decimal("3.40")),
    }
    legged = replace(LEAVING, plan=plan(2, Manner.LEGGED), rung=1)
    bought = next_move(legged, sight(quotes=deep))
    assert isinstance(bought, SpreadOrder) and bought.spec.limit_price == Decimal(most)


def test_where_nobody_quotes_the_bought_put_an_honest_quote_of_the_sold_one_says_what_it_costs() -> None:
    deep = {SHORT: replace(GOOD[SHORT], bid=Decimal("7.00"), ask=Decimal("7.50"))}
    bought = next_move(replace(LEAVING, rung=1), sight(quotes=deep, unquoted_since=START))
    assert isinstance(bought, SpreadOrder) and bought.spec.limit_price == Decimal("7.52")


WIDE = {**GOOD, SHORT: replace(GOOD[SHORT], bid=Decimal("0.10"), ask=Decimal("4.50"))}  # between the middles 1.30, at once 3.60


@pytest.mark.parametrize(
    ("why", "most"),
    [
        ("profit target: 0.50 of 0.50 earned", Decimal("1.09")),
        ("days to expiration: 21 days", Decimal("2.40")),
        ("loss limit: 2.20 of 2.20 lost", Decimal("3.65")),
        ("a person closes it", Decimal("3.65")),
    ],
)
def test_what_is_paid_at_most_depends_on_why_a_spread_is_left(why: str, most: Decimal) -> None:
    """The credit is 1.10: a profit stays one, and an exit that only time asks for pays no price that nobody means."""
    left = next_move(replace(LEAVING, why=why, rung=9), sight(quotes=WIDE))
    assert isinstance(left, SpreadOrder) and left.spec.limit_price == most


def test_the_ladder_of_an_exit_begins_anew_after_an_order_that_ended_with_its_day() -> None:
    there = replace(LEAVING, rung=1)
    package = next_move(there, sight(now=START, quotes=GOOD))
    assert isinstance(package, SpreadOrder)
    book = SpreadBook({FIRST: there}).sent(package, START)
    for role in package.spec.roles:
        book = book.heard(OrderEvent(package.key, role, OrderStatus.EXPIRED, LATER, "id", None, ""))
    assert (book.open[FIRST].working, book.open[FIRST].rung) == ((), 0)


def test_an_exit_that_can_wait_waits_and_one_without_protection_does_not() -> None:
    assert next_move(LEAVING, sight(quotes=GOOD, waits=True)) is None
    bare = replace(LEAVING, long=0)
    assert shape(next_move(bare, sight(quotes=GOOD, waits=True))) == (SHORT, 2, PositionIntent.BUY_TO_CLOSE)


def test_what_cannot_wait_takes_over_from_what_can_and_nothing_else_does() -> None:
    wish = SpreadTurned(FIRST, Turn.LEAVE, "loss limit: 2.20 of 2.20 lost")
    profits = replace(LEAVING, why="profit target: 0.50 of 0.50 earned")
    assert next_move(profits, sight(quotes=GOOD, wish=wish)) == wish
    assert isinstance(next_move(resting(profits, GOOD), sight(quotes=GOOD, wish=wish)), Cancel)
    taken = SpreadBook({FIRST: profits}).turned(wish, LATER).open[FIRST]
    assert taken.why == wish.reason and isinstance(next_move(taken, sight(quotes=GOOD, wish=wish)), SpreadOrder)
    assert isinstance(next_move(LEAVING, sight(quotes=GOOD, wish=wish)), SpreadOrder)


def bids(long: str) -> dict[str, OptionQuote]:
    return {**GOOD, LONG: replace(GOOD[LONG], bid=Decimal(long))}


def test_the_bought_put_stays_until_somebody_bids() -> None:
    rest = replace(LEAVING, short=0)
    assert next_move(rest, sight()) is None
    assert shape(next_move(rest, sight(quotes=GOOD))) == (LONG, 2, PositionIntent.SELL_TO_CLOSE)


def test_more_than_was_wanted_is_bought_back_by_as_many_as_that() -> None:
    more = replace(LEAVING, phase=SpreadPhase.OPEN, short=3, long=3)
    assert shape(next_move(more, sight())) == (SHORT, 1, PositionIntent.BUY_TO_CLOSE)


def test_a_package_at_the_last_step_is_called_back_when_the_bid_has_gone() -> None:
    there = replace(LEAVING, rung=1)
    package = next_move(there, sight(now=START, quotes=GOOD))
    assert isinstance(package, SpreadOrder)
    book = SpreadBook({FIRST: there}).sent(package, START)
    assert next_move(book.open[FIRST], sight(quotes=GOOD)) is None
    assert isinstance(next_move(book.open[FIRST], sight()), Cancel)


# ---- one leg alone ---------------------------------------------------------------------------------------------------------


def test_a_ladder_of_one_step_closes_a_leg_where_it_trades() -> None:
    single = replace(LEAVING, plan=plan(2, rungs=1))
    bought = next_move(single, sight())
    sold = next_move(replace(single, short=0), sight(quotes=GOOD))
    assert isinstance(bought, SpreadOrder) and bought.spec.limit_price == NO_BID[SHORT].ask + Decimal("0.02")
    assert isinstance(sold, SpreadOrder) and sold.spec.limit_price == GOOD[LONG].bid


def resting(spread: Spread, quotes: Mapping[str, OptionQuote]) -> Spread:
    move = next_move(spread, sight(now=START, quotes=quotes))
    assert isinstance(move, SpreadOrder)
    return SpreadBook({FIRST: spread}).sent(move, START).open[FIRST]


def test_one_leg_at_the_last_step_rests_until_the_market_has_moved_away_from_it() -> None:
    there = resting(replace(LEAVING, rung=1), NO_BID)
    dearer = {**NO_BID, SHORT: replace(NO_BID[SHORT], bid=Decimal("2.50"), ask=Decimal("2.70"))}
    assert next_move(there, sight()) is None
    assert isinstance(next_move(there, sight(quotes=dearer)), Cancel)
    sale = resting(replace(LEAVING, rung=1, short=0), GOOD)
    lower = {**GOOD, LONG: replace(GOOD[LONG], bid=Decimal("0.50"), ask=Decimal("0.70"))}
    assert next_move(sale, sight(quotes=GOOD)) is None and next_move(sale, sight()) is None
    assert isinstance(next_move(sale, sight(quotes=lower)), Cancel)


def test_one_leg_that_is_sold_or_bought_for_more_than_is_left_is_called_back() -> None:
    there = resting(replace(LEAVING, rung=1), NO_BID)
    assert isinstance(next_move(replace(there, short=1), sight()), Cancel)


# ---- a roll ----------------------------------------------------------------------------------------------------------------


def test_a_roll_waits_for_the_quotes_of_what_it_rolls_into_and_not_for_ever() -> None:
    rolling = replace(LEAVING, phase=SpreadPhase.ROLLING, since=START)
    into = Spread(plan(2, key=SECOND, decided_at=START), START)
    held = {symbol: GOOD[symbol] for symbol in (SHORT, LONG)}
    assert next_move(rolling, sight(quotes=held, partner=into)) is None
    order = next_move(rolling, sight(quotes=GOOD, partner=into))
    assert isinstance(order, SpreadOrder) and order.into == SECOND and len(order.spec.legs) == 4
    over = next_move(rolling, sight(now=START + timedelta(days=1), quotes=held, partner=into))
    assert isinstance(over, SpreadTurned) and over.turn is Turn.ROLL_OVER
