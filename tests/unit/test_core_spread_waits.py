"""When a spread waits: for news that must be on its way, for a broker that refuses, and for what was tried already."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from spread_worlds import FIRST, GOOD, LONG, POOR, SECOND, SHORT, START, plan

from desk.core.spread_book import COMES_WITHIN, SpreadBook
from desk.core.spread_moves import Move, Sight, next_move
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.spreads import LostSale, Manner, Spread, SpreadOpened, SpreadPhase, SpreadTurned, Turn
from desk.domain.steps import Cancel, SpreadOrder
from options import occ

LATER = START + timedelta(hours=1)
ROLL = SpreadTurned(FIRST, Turn.ROLL, "breached")


def sight(**seen: object) -> Sight:
    return replace(Sight(LATER, is_open=True, may_open=True, quotes=GOOD), **seen)


def sent(book: SpreadBook, move: Move | None) -> tuple[SpreadBook, OrderSpec]:
    assert isinstance(move, SpreadOrder)
    return book.sent(move, LATER), move.spec


def news(spec: OrderSpec, status: OrderStatus, fill: Fill | None = None) -> OrderEvent:
    return OrderEvent(spec.key, GroupRole.ENTRY, status, LATER, "id", fill, "")


def entering(manner: Manner = Manner.LEGGED) -> SpreadBook:
    return SpreadBook().opened(SpreadOpened(plan(1, manner, rungs=3, decided_at=LATER)))


def test_an_entry_at_the_least_that_its_ladder_comes_to_keeps_its_place_in_the_queue() -> None:
    book = entering(Manner.ATOMIC)
    book, _ = sent(book, next_move(book.open[FIRST], sight(quotes=POOR)))
    late = LATER + timedelta(minutes=2)
    assert next_move(book.open[FIRST], sight(now=late, quotes=POOR)) is None
    assert isinstance(next_move(book.open[FIRST], sight(now=late, quotes=GOOD)), Cancel), "the market pays more now"
    over = LATER + timedelta(seconds=book.open[FIRST].plan.rules.entry_seconds)
    assert isinstance(next_move(book.open[FIRST], sight(now=over, quotes=POOR)), Cancel)


def repairing(**held: int) -> Spread:
    return replace(Spread(plan(1), START, SpreadPhase.REPAIRING), **held)


# ---- after the contracts' end ----------------------------------------------------------------------------------------------


def test_after_the_last_trade_shares_are_sold_only_when_the_bought_puts_end_is_known() -> None:
    """An exercise of it takes them away again."""
    assert next_move(repairing(stock=100, long=1), sight(has_ended=True)) is None
    move = next_move(repairing(stock=100), sight(has_ended=True))
    assert isinstance(move, SpreadOrder) and (move.spec.type, move.spec.side) == (OrderType.MARKET, Side.SELL)


def test_before_it_shares_of_an_early_assignment_go_at_once() -> None:
    move = next_move(repairing(stock=100, long=1), sight())
    assert isinstance(move, SpreadOrder) and move.spec.symbol == "SPY"


def test_a_sold_put_whose_bought_one_has_just_expired_is_no_alarm() -> None:
    assert next_move(Spread(plan(1), START, SpreadPhase.OPEN, short=1), sight(has_ended=True)) is None
    assert isinstance(next_move(Spread(plan(1), START, SpreadPhase.OPEN, short=1), sight()), SpreadTurned)


def test_a_count_below_zero_says_that_a_fill_is_still_to_be_told() -> None:
    for held in ({"short": -1, "long": 1}, {"short": 1, "long": -1}):
        assert next_move(repairing(**held), sight()) is None


# ---- sales that were given up ----------------------------------------------------------------------------------------------


def test_a_put_is_not_sold_again_while_its_lost_sale_may_come() -> None:
    lost = (LostSale("one-2", SHORT, 1, LATER + COMES_WITHIN),)
    there = Spread(plan(1, Manner.LEGGED, decided_at=LATER), LATER, long=1, lost=lost)
    assert next_move(there, sight()) is None
    assert isinstance(next_move(replace(there, lost=()), sight()), SpreadOrder)


def test_the_bought_put_of_a_lost_sale_is_kept_until_it_cannot_come_any_more() -> None:
    lost = (LostSale("one-2", SHORT, 1, LATER + COMES_WITHIN),)
    there = Spread(plan(2, Manner.LEGGED), START, SpreadPhase.CLOSING, long=2, lost=lost)
    now, then = next_move(there, sight()), next_move(there, sight(now=LATER + COMES_WITHIN))
    assert isinstance(now, SpreadOrder) and now.spec.quantity == 1
    assert isinstance(then, SpreadOrder) and then.spec.quantity == 2


def test_what_the_broker_refused_is_not_lost() -> None:
    book = entering()
    book, spec = sent(book, next_move(book.open[FIRST], sight()))
    book = book.refused(BrokerRefusal(spec.key, 403, 40310000, "no", explained=True), LATER)
    assert book.open[FIRST].lost == () and book.open[FIRST].refusals == 1


# ---- ladders and refusals --------------------------------------------------------------------------------------------------


def test_each_leg_has_a_ladder_of_its_own() -> None:
    book, prices = entering(), []
    for _ in range(2):
        book, spec = sent(book, next_move(book.open[FIRST], sight()))
        prices.append(spec.limit_price)
        book = book.heard(news(spec, OrderStatus.CANCELED))
    book, spec = sent(book, next_move(book.open[FIRST], sight()))
    fill = Fill("f", spec.key, LONG, Side.BUY, 1, Decimal(1), LATER, cumulative=1)
    book = book.heard(news(spec, OrderStatus.FILLED, fill))
    _, spec = sent(book, next_move(book.open[FIRST], sight()))
    assert prices == [Decimal("1.00"), Decimal("1.05")] and spec.limit_price == Decimal("2.10")


def test_an_order_that_the_broker_throws_out_after_taking_it_counts_as_refused() -> None:
    book = entering(Manner.ATOMIC)
    for refusals in (1, 2):
        book, spec = sent(book, next_move(book.open[FIRST], sight(now=LATER + timedelta(minutes=refusals))))
        for role in spec.roles:
            book = book.heard(replace(news(spec, OrderStatus.REJECTED), role=role))
        there = book.open[FIRST]
        assert (there.refusals, there.rung, there.working) == (refusals, 0, ())
        assert there.retry_at is not None and next_move(there, sight()) != spec
    over = next_move(book.open[FIRST], sight(now=LATER + timedelta(minutes=5)))
    assert isinstance(over, SpreadTurned) and over.turn is Turn.ENTRY_OVER


# ---- rolls -----------------------------------------------------------------------------------------------------------------


def test_a_roll_that_failed_is_not_begun_again_into_the_same_spread() -> None:
    into = Spread(plan(1, key=SECOND, decided_at=LATER), LATER)
    there = Spread(plan(1), START, SpreadPhase.OPEN, short=1, long=1)
    assert next_move(there, sight(wish=ROLL, partner=into)) == ROLL
    assert next_move(replace(there, since=LATER), sight(wish=ROLL, partner=into)) is None
    assert next_move(there, sight(wish=ROLL)) is None


def test_no_more_is_rolled_than_the_spread_to_roll_into_is_for() -> None:
    into = Spread(plan(2, key=SECOND, decided_at=LATER), LATER, short=1, long=1)
    there = Spread(plan(5), LATER, SpreadPhase.ROLLING, short=4, long=4)
    move = next_move(there, sight(partner=into))
    assert isinstance(move, SpreadOrder) and move.spec.quantity == 1
    over = next_move(there, sight(partner=replace(into, short=2, long=2)))
    assert isinstance(over, SpreadTurned) and over.turn is Turn.ROLL_OVER


def test_old_news_of_a_late_order_that_has_ended_does_not_bring_it_back() -> None:
    book = entering(Manner.ATOMIC)
    book, spec = sent(book, next_move(book.open[FIRST], sight()))
    book = book.refused(BrokerRefusal(spec.key, None, None, "lost", explained=True, unsent=True), LATER)
    for role in spec.roles:
        book = book.heard(replace(news(spec, OrderStatus.CANCELED), role=role))
    assert book.open[FIRST].working == ()
    assert book.heard(news(spec, OrderStatus.WORKING)).open[FIRST].working == ()


# ---- what an account has to keep -------------------------------------------------------------------------------------------


def test_an_account_keeps_the_width_of_what_is_owed_or_about_to_be() -> None:
    """Five dollars of width, a hundred shares a contract."""
    width = (occ.parse(SHORT).strike - occ.parse(LONG).strike) * 100
    assert entering().reserved_usd() == width
    held = replace(entering(), open={FIRST: Spread(plan(3), START, SpreadPhase.OPEN, short=2, long=3)})
    assert held.reserved_usd() == 2 * width
    assert SpreadBook().reserved_usd() == 0
