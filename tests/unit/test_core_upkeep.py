"""Covers, trims and what is ended in time: what a book needs between two decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from desk.core.book import with_event, with_refusal, with_step
from desk.core.covering import cover
from desk.core.protect import Stamp, protect
from desk.core.upkeep import (
    HALF_FILLED_AT_MOST,
    SALE_AT_MOST,
    SLOW_CANCEL,
    asked_again,
    crossed,
    exits_left_behind,
    half_filled,
    instead_of_stops,
    misfits,
    next_deadline,
    ratchets,
    stale_sales,
    unended,
)
from desk.domain.decisions import Approved, FixedExit, Intent, IntentKind
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.steps import Cancel, Replace, Submit
from desk.domain.trades import Book, Trade

NOW = datetime(2008, 9, 2, 14, 30, tzinfo=UTC)
STAMP = Stamp("f00d", NOW)
RULE = FixedExit(0.05, 0.15, break_even_after_fraction=0.03, trail_fraction=0.06)
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
S = OrderStatus


def later(seconds: float) -> Stamp:
    return Stamp("f00d", NOW + timedelta(seconds=seconds))


NOTHING = Book()


def opened(kind: IntentKind, shares: int, stamp: Stamp = STAMP, book: Book = NOTHING) -> tuple[Book, Submit]:
    (step,) = protect([Approved(Intent(kind, "AAA", shares, 100.0, RULE, "test"))], book, stamp)
    assert isinstance(step, Submit)
    return with_step(book, step, stamp.at), step


def told(book: Book, key: str, role: GroupRole, status: OrderStatus, shares: int = 0, price: str = "100") -> Book:
    owner = book.owner(key)
    assert owner is not None
    side = Side.BUY if role is ENTRY and key == owner.key else Side.SELL
    fill = Fill(f"{key}{role}{shares}", key, "AAA", side, shares, Decimal(price), NOW, role) if shares else None
    return with_event(book, OrderEvent(key, role, status, NOW, "b", fill))


def held(shares: int = 100) -> tuple[Book, Trade]:
    book, step = opened(IntentKind.OPEN, shares)
    book = told(book, step.key, ENTRY, S.FILLED, shares)
    book = told(book, step.key, TARGET, S.WORKING)
    return book, book.open[step.key]


def only(book: Book, trade: Trade) -> Book:
    return replace(book, open=MappingProxyType({trade.key: trade}))


# ---- more of a position --------------------------------------------------------------------------------------------------


def test_more_of_a_position_is_bought_plainly_and_gets_exits_of_its_own() -> None:
    book, first = held()
    book, step = opened(IntentKind.ADD, 40, later(3600), book)
    assert (step.spec.order_class, step.spec.take_profit, step.spec.stop_loss) == (OrderClass.SIMPLE, None, None)
    assert cover(book) == []
    book = told(book, step.key, ENTRY, S.FILLED, 40)
    (oco,) = cover(book)
    assert (oco.spec.order_class, oco.spec.quantity, oco.covers) == (OrderClass.OCO, 40, step.key)
    assert (oco.spec.take_profit, oco.spec.stop_loss) == (Decimal("115.00"), Decimal("95.00"))
    book = with_step(book, oco, NOW)
    assert cover(book) == []
    assert book.open[first.key] == first, "the older tranche is left alone"


def test_an_addition_that_was_canceled_half_filled_covers_what_it_bought() -> None:
    book, step = opened(IntentKind.ADD, 40)
    book = told(book, step.key, ENTRY, S.PARTIALLY_FILLED, 10)
    assert half_filled(book, later(1)) == []
    (cancel,) = half_filled(book, Stamp("f00d", NOW + HALF_FILLED_AT_MOST))
    assert isinstance(cancel, Cancel) and cancel.of_key == step.key
    assert next_deadline(book) == NOW + HALF_FILLED_AT_MOST
    book = told(with_step(book, cancel, NOW), step.key, ENTRY, S.CANCELED)
    (oco,) = cover(book)
    assert oco.spec.quantity == 10
    assert next_deadline(with_step(book, oco, NOW)) is None


# ---- less of a position --------------------------------------------------------------------------------------------------


def trimmed(book: Book, shares: int) -> tuple[Book, Cancel]:
    (step,) = protect([Approved(Intent(IntentKind.REDUCE, "AAA", shares, 100.0, RULE, "too large"))], book, STAMP)
    assert isinstance(step, Cancel)
    return with_step(book, step, NOW), step


def test_a_trim_ends_the_exits_protects_what_stays_and_sells_the_rest_in_that_order() -> None:
    book, trade = held()
    book, cancel = trimmed(book, 30)
    assert (cancel.role, cancel.keep, cancel.of_key) == (TARGET, 70, trade.key)
    assert cover(book) == [], "the exits hold the shares until they have ended"
    book = told(told(book, trade.key, STOP, S.CANCELED), trade.key, TARGET, S.CANCELED)
    stays, goes = cover(book)
    assert (stays.spec.order_class, stays.spec.quantity, stays.spec.stop_loss) == (OrderClass.OCO, 70, Decimal("95.00"))
    assert (goes.spec.type, goes.spec.side, goes.spec.quantity) == (OrderType.MARKET, Side.SELL, 30)
    book = with_step(with_step(book, stays, NOW), goes, NOW)
    assert book.shares_of("AAA") == 100
    assert [each.shares for each in book.trades_of("AAA")] == [70, 30]
    assert sum(each.entry_value for each in book.open.values()) == Decimal(10_000)
    book = told(book, goes.key, ENTRY, S.FILLED, 30, "101")
    assert book.shares_of("AAA") == 70
    assert [closed.exit_price for closed in book.closed] == [Decimal(101)]
    assert cover(book) == []


def test_what_the_target_sold_while_its_end_was_asked_for_is_not_sold_again() -> None:
    book, trade = held()
    book, _ = trimmed(book, 30)
    book = told(book, trade.key, TARGET, S.PARTIALLY_FILLED, 25, "115")
    book = told(told(book, trade.key, TARGET, S.CANCELED), trade.key, STOP, S.CANCELED)
    stays, goes = cover(book)
    assert (stays.spec.quantity, goes.spec.quantity) == (70, 5)
    book, trade = held()
    book, _ = trimmed(book, 30)
    book = told(book, trade.key, TARGET, S.PARTIALLY_FILLED, 40, "115")
    book = told(told(book, trade.key, TARGET, S.CANCELED), trade.key, STOP, S.CANCELED)
    assert [(each.spec.order_class, each.spec.quantity) for each in cover(book)] == [(OrderClass.OCO, 60)]


def test_a_trim_that_the_broker_refused_leaves_the_exits_and_may_be_asked_again() -> None:
    book, trade = held()
    book, cancel = trimmed(book, 30)
    book = with_refusal(book, cancel, "the order had ended")
    assert book.open[trade.key] == trade
    assert trimmed(book, 30)[1] == cancel


def test_a_part_that_is_not_sold_in_time_gets_exits_of_its_own() -> None:
    book, trade = held()
    book, _ = trimmed(book, 30)
    book = told(told(book, trade.key, STOP, S.CANCELED), trade.key, TARGET, S.CANCELED)
    stays, goes = cover(book)
    book = with_step(with_step(book, stays, NOW), goes, NOW)
    assert stale_sales(book, later(1)) == []
    (cancel,) = stale_sales(book, Stamp("f00d", NOW + SALE_AT_MOST))
    assert isinstance(cancel, Cancel) and cancel.of_key == goes.key
    book = told(with_step(book, cancel, NOW), goes.key, ENTRY, S.CANCELED)
    (oco,) = cover(book)
    assert (oco.spec.order_class, oco.spec.quantity) == (OrderClass.OCO, 30)
    assert with_refusal(book, goes, "insufficient qty").shares() == {"AAA": 100}


def test_a_tranche_that_fits_leaves_whole_without_losing_its_stop() -> None:
    book, _ = held()
    book, step = opened(IntentKind.ADD, 40, later(3600), book)
    book = told(book, step.key, ENTRY, S.FILLED, 40)
    (oco,) = cover(book)
    book = told(with_step(book, oco, NOW), oco.key, TARGET, S.WORKING)
    (out,) = protect([Approved(Intent(IntentKind.REDUCE, "AAA", 41, 100.0, RULE, "too large"))], book, STAMP)
    assert isinstance(out, Replace)
    assert (out.of_key, out.role) == (oco.key, TARGET)


def test_an_exit_that_the_market_left_behind_follows_it() -> None:
    book, _ = held()
    (out,) = protect([Approved(Intent(IntentKind.REDUCE, "AAA", 100, 100.0, RULE, "too large"))], book, STAMP)
    assert isinstance(out, Replace) and out.limit_price == Decimal("99.50")
    leaving = with_step(book, out, NOW)
    assert exits_left_behind(leaving, {"AAA": 99.5}, later(5)) == []
    (step,) = exits_left_behind(leaving, {"AAA": 98.0}, later(5))
    assert isinstance(step, Replace) and (step.role, step.limit_price) == (TARGET, Decimal("97.51"))
    assert exits_left_behind(with_step(leaving, step, NOW), {"AAA": 98.0}, later(9)) == []
    assert exits_left_behind(book, {"AAA": 98.0}, later(5)) == [], "nobody asked it to leave"


# ---- stops ---------------------------------------------------------------------------------------------------------------


def test_a_stop_rises_and_falls_back_when_the_broker_does_not_move_it() -> None:
    book, trade = held()
    (step,) = ratchets(book, {"AAA": 104.0}, STAMP)
    assert isinstance(step, Replace)
    assert (step.role, step.limit_price, step.of_key) == (STOP, Decimal("100.00"), trade.key)
    moved = with_step(book, step, NOW)
    assert moved.open[trade.key].stop_price == Decimal("100.00")
    assert ratchets(moved, {"AAA": 104.0}, STAMP) == []
    stiff = with_refusal(moved, step, "cannot replace order in held status", http_status=422)
    assert stiff.open[trade.key].stop_price == Decimal("95.00")
    (again,) = ratchets(stiff, {"AAA": 104.0}, STAMP)
    assert isinstance(again, Cancel)
    assert (again.role, again.keep, again.stop_price) == (TARGET, None, Decimal("100.00"))
    ended = with_step(stiff, again, NOW)
    ended = told(told(ended, trade.key, STOP, S.CANCELED), trade.key, TARGET, S.CANCELED)
    assert [oco.spec.stop_loss for oco in cover(ended)] == [Decimal("100.00")]


def test_a_stop_that_was_passed_and_did_nothing_is_replaced_by_a_sale() -> None:
    book, trade = held()
    assert crossed(book, {"AAA": 95.01}) == []
    below = crossed(book, {"AAA": 94.5})
    assert below == [trade]
    (cancel,) = instead_of_stops(below, {"AAA": 94.5}, book, STAMP)
    assert isinstance(cancel, Cancel) and cancel.keep == 0
    book = with_step(book, cancel, NOW)
    assert instead_of_stops(below, {"AAA": 94.5}, book, STAMP) == [], "asked once"
    book = told(told(book, trade.key, STOP, S.CANCELED), trade.key, TARGET, S.CANCELED)
    (sale,) = cover(book)
    assert (sale.spec.type, sale.spec.side, sale.spec.quantity) == (OrderType.MARKET, Side.SELL, 100)


def test_what_is_being_changed_is_left_alone() -> None:
    book, trade = held()
    for change in (
        {"is_renewing": True},
        {"is_being_sold": True},
        {"exit_requested": "time"},
        {"target_status": S.CANCELED, "stop_status": S.CANCELED},
    ):
        assert ratchets(only(book, replace(trade, **change)), {"AAA": 104.0}, STAMP) == []


def test_found_shares_have_a_spec_that_a_lot_can_be_cut_from() -> None:
    spec = OrderSpec("a-adopt", "AAA", Side.BUY, 7, OrderType.MARKET)
    trade = Trade(spec, NOW, 100.0, "adopted", target_price=Decimal(115), stop_price=Decimal(95))
    bought = replace(trade, entry_status=S.FILLED, entered=7, entry_value=Decimal(700), keep=3)
    trade = replace(bought, target_status=S.CANCELED, stop_status=S.CANCELED)
    stays, goes = cover(only(Book(), trade))
    book = with_step(with_step(only(Book(), trade), stays, NOW), goes, NOW)
    assert sorted(each.spec.quantity for each in book.open.values()) == [4, 7]
    assert sorted(each.shares for each in book.open.values()) == [3, 4]


# ---- what a broker does not carry out ------------------------------------------------------------------------------------

SLOW = SLOW_CANCEL.total_seconds()


def test_exits_that_do_not_end_are_asked_again_every_minute_and_a_person_is_told() -> None:
    book, trade = held()
    book, _ = trimmed(book, 30)
    book = told(book, trade.key, TARGET, S.PENDING_CANCEL)
    assert (asked_again(book, later(SLOW - 1)), unended(book, NOW)) == ([], [])
    assert next_deadline(book) == NOW + SLOW_CANCEL
    (again,) = asked_again(book, later(SLOW))
    assert isinstance(again, Cancel) and (again.of_key, again.role, again.keep) == (trade.key, TARGET, 70)
    assert [each.key for each in unended(book, later(SLOW).at)] == [trade.key]
    book = with_step(book, again, later(SLOW).at)
    assert asked_again(book, later(SLOW + 1)) == []
    assert next_deadline(book) == NOW + 2 * SLOW_CANCEL
    refused = with_refusal(book, again, "order pending cancel")
    assert refused.open[trade.key].is_renewing, "what is ending already is not there to be asked twice"
    ended = told(told(refused, trade.key, STOP, S.CANCELED), trade.key, TARGET, S.CANCELED)
    assert [each.spec.quantity for each in cover(ended)] == [70, 30], "the trim goes on as it was meant"


def test_exits_that_rest_again_after_they_were_ending_stand_as_before() -> None:
    book, trade = held()
    asked, _ = trimmed(book, 30)
    back = told(told(asked, trade.key, TARGET, S.PENDING_CANCEL), trade.key, TARGET, S.WORKING)
    assert replace(back.open[trade.key], target_status=trade.target_status) == trade
    (sale,) = protect([Approved(Intent(IntentKind.CLOSE, "AAA", 100, 90.0, RULE, "out"))], back, later(1))
    assert isinstance(sale, Replace) and sale.role is TARGET


def test_a_half_filled_entry_that_does_not_end_is_asked_again_every_minute() -> None:
    book, step = opened(IntentKind.OPEN, 100)
    book = told(book, step.key, ENTRY, S.PARTIALLY_FILLED, 40)
    (first,) = half_filled(book, Stamp("f00d", NOW + HALF_FILLED_AT_MOST))
    book = with_step(book, first, NOW + HALF_FILLED_AT_MOST)
    asked = HALF_FILLED_AT_MOST.total_seconds()
    assert half_filled(book, later(asked + SLOW - 1)) == []
    assert next_deadline(book) == NOW + HALF_FILLED_AT_MOST + SLOW_CANCEL
    (second,) = half_filled(book, later(asked + SLOW))
    assert second.key != first.key and isinstance(second, Cancel) and second.of_key == step.key


def test_an_addition_that_still_buys_is_ended_when_shares_of_its_symbol_are_to_be_sold() -> None:
    """The broker refuses to sell at the market what the account is buying: a wash trade."""
    book, first = held()
    book, added = opened(IntentKind.ADD, 40, later(3600), book)
    assert half_filled(book, later(3600)) == []
    gone = told(told(book, first.key, TARGET, S.CANCELED), first.key, STOP, S.CANCELED)
    (oco,) = cover(gone)
    refused = with_refusal(with_step(gone, oco, NOW), oco, "stop_loss.stop_price must be <= base_price - 0.01")
    assert refused.open[first.key].stop_passed
    (end,) = half_filled(refused, later(3600))
    assert isinstance(end, Cancel) and end.of_key == added.key


def test_exits_are_replaced_when_more_is_held_than_they_are_for() -> None:
    book, step = opened(IntentKind.OPEN, 100)
    book = told(told(book, step.key, ENTRY, S.PARTIALLY_FILLED, 40), step.key, ENTRY, S.CANCELED)
    (oco,) = cover(book)
    book = told(with_step(book, oco, NOW), oco.key, TARGET, S.WORKING)
    assert book.open[step.key].is_protected and misfits(book, STAMP) == []
    late = told(book, step.key, ENTRY, S.PARTIALLY_FILLED, 25, "101")
    assert (late.shares_of("AAA"), late.open[step.key].is_protected) == (65, False)
    assert next_deadline(late) == NOW
    (refit,) = misfits(late, STAMP)
    assert isinstance(refit, Cancel) and (refit.of_key, refit.role, refit.keep) == (oco.key, TARGET, None)
    ended = told(told(with_step(late, refit, NOW), oco.key, TARGET, S.CANCELED), oco.key, STOP, S.CANCELED)
    assert [each.spec.quantity for each in cover(ended)] == [65]


def test_what_the_exits_sold_is_no_misfit() -> None:
    book, step = opened(IntentKind.ADD, 40)
    (oco,) = cover(book := told(book, step.key, ENTRY, S.FILLED, 40))
    book = told(with_step(book, oco, NOW), oco.key, TARGET, S.PARTIALLY_FILLED, 15, "115")
    assert (book.shares_of("AAA"), misfits(book, STAMP)) == (25, [])


def test_a_stop_that_would_be_too_high_is_not_stiff_and_one_that_was_to_rise_goes_back() -> None:
    book, trade = held()
    (move,) = ratchets(book, {"AAA": 130.0}, STAMP)
    too_high = "stop_price must be <= base_price - 0.01"
    stays = with_refusal(with_step(book, move, NOW), move, too_high, http_status=422)
    assert (stays.open[trade.key].stop_is_stiff, stays.open[trade.key].stop_price) == (False, Decimal("95.00"))
    stiff = with_refusal(with_step(book, move, NOW), move, "cannot replace order in held status", http_status=422)
    (end,) = ratchets(stiff, {"AAA": 130.0}, STAMP)
    ended = told(told(with_step(stiff, end, NOW), trade.key, TARGET, S.CANCELED), trade.key, STOP, S.CANCELED)
    (oco,) = cover(ended)
    assert oco.spec.stop_loss is not None and oco.spec.stop_loss > Decimal(95)
    back = with_refusal(with_step(ended, oco, NOW), oco, f"stop_loss.{too_high}", http_status=422)
    assert not back.open[trade.key].stop_passed
    (again,) = cover(back)
    assert (again.spec.order_class, again.spec.stop_loss) == (OrderClass.OCO, Decimal("95.00"))
    passed = with_refusal(with_step(back, again, NOW), again, f"stop_loss.{too_high}", http_status=422)
    assert passed.open[trade.key].stop_passed, "the market is below the stop that was there all the time"


def test_nothing_is_asked_of_a_sale_that_may_not_have_arrived() -> None:
    book, trade = held()
    gone = told(told(book, trade.key, TARGET, S.CANCELED), trade.key, STOP, S.CANCELED)
    (step,) = protect([Approved(Intent(IntentKind.CLOSE, "AAA", 100, 90.0, RULE, "out"))], gone, STAMP)
    assert isinstance(step, Submit)
    sold = with_step(gone, step, NOW)
    late = Stamp("f00d", NOW + SALE_AT_MOST)
    assert len(stale_sales(sold, late)) == 1
    unknown = told(sold, step.key, ENTRY, S.UNKNOWN)
    assert (stale_sales(unknown, late), next_deadline(unknown)) == ([], None)
