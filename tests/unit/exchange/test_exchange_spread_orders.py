"""Multi-leg orders: one signed net price, executions in whole units, all legs together or none."""

from __future__ import annotations

from decimal import Decimal

from machine_story import CALL_105, PUT_90, PUT_95, Desk, kinds, quote

from desk.exchange.words import PositionIntent, Side, Status, TimeInForce

CREDIT = {PUT_95: 300, PUT_90: 170}  # sold at 2.95, bought at 1.75: a credit of 1.20


def test_credit_spread_fills_when_the_credit_is_there() -> None:
    desk = Desk()
    parent = desk.spread("-1.20")
    assert kinds(desk.options({PUT_95: 299, PUT_90: 170})) == ["new"]  # 1.19 only
    events = desk.options(CREDIT)
    assert kinds(events) == ["fill"]
    assert (events[0].price, events[0].quantity) == (Decimal("-1.20"), 1)
    assert desk.book.cash_usd == Decimal(100_000) + 120
    assert {symbol: int(held.quantity) for symbol, held in desk.book.holdings.items()} == {PUT_95: -1, PUT_90: 1}
    assert desk.now(parent).average_price == Decimal("-1.20")


def test_a_better_net_price_is_taken() -> None:
    desk = Desk()
    parent = desk.spread("-1.00")
    desk.options(CREDIT)
    assert desk.now(parent).average_price == Decimal("-1.20")


def test_debit_spread_pays_at_most_its_limit() -> None:
    desk = Desk()
    parent = desk.spread("1.30", legs={PUT_95: 1, PUT_90: -1})
    assert kinds(desk.options({PUT_95: 310, PUT_90: 170})) == ["new"]  # 3.15 - 1.65
    assert kinds(desk.options({PUT_95: 290, PUT_90: 170})) == ["fill"]
    assert desk.now(parent).average_price == Decimal("1.30")
    assert desk.book.cash_usd == Decimal(100_000) - 130


def test_legs_have_ids_sides_sizes_and_prices_of_their_own() -> None:
    desk = Desk()
    parent = desk.spread("-1.00", units=3, legs={PUT_95: -1, PUT_90: 2}, client_order_id="mine")
    legs = desk.book.legs(parent.id)
    assert (parent.symbol, parent.side, parent.is_spread) == ("", None, True)
    assert [(leg.symbol, leg.side, leg.quantity, leg.ratio) for leg in legs] == [
        (PUT_95, Side.SELL, 3, 1),
        (PUT_90, Side.BUY, 6, 2),
    ]
    assert [leg.position_intent for leg in legs] == [PositionIntent.SELL_TO_OPEN, PositionIntent.BUY_TO_OPEN]
    assert len({parent.client_order_id, *(leg.client_order_id for leg in legs)}) == 3
    event = desk.options({PUT_95: 500, PUT_90: 170})[-1]
    assert [(fill.price, fill.quantity, fill.position_quantity) for fill in event.legs] == [
        (Decimal("4.95"), 3, -3),
        (Decimal("1.75"), 6, 6),
    ]
    assert [desk.now(leg).average_price for leg in legs] == [Decimal("4.95"), Decimal("1.75")]
    assert event.price == Decimal("-1.45")
    assert len({event.execution_id, *(fill.execution_id for fill in event.legs)}) == 3


def test_cash_moves_by_the_net_price_of_all_units() -> None:
    desk = Desk()
    desk.spread("-1.00", units=3, legs={PUT_95: -1, PUT_90: 2})
    event = desk.options({PUT_95: 500, PUT_90: 170})[-1]
    assert event.price is not None and event.quantity is not None
    assert desk.book.cash_usd == Decimal(100_000) - event.price * event.quantity * 100


def test_part_of_a_spread_is_whole_units_of_every_leg() -> None:
    desk = Desk()
    parent = desk.spread("-1.00", units=10, legs={PUT_95: -1, PUT_90: 2})
    desk.book.forced_parts[parent.id] = Decimal(4)
    assert kinds(desk.options({PUT_95: 500, PUT_90: 170})) == ["new", "partial_fill"]
    assert (desk.now(parent).status, desk.now(parent).filled_quantity) == (Status.PARTIALLY_FILLED, 4)
    assert [leg.filled_quantity for leg in desk.book.legs(parent.id)] == [4, 8]
    assert desk.options({PUT_95: 500, PUT_90: 170}, minutes=0.5) == []
    event = desk.options({PUT_95: 400, PUT_90: 140})[-1]
    assert (event.kind.value, event.quantity) == ("fill", 6)
    assert [leg.status for leg in desk.book.legs(parent.id)] == [Status.FILLED, Status.FILLED]
    assert [leg.filled_quantity for leg in desk.book.legs(parent.id)] == [10, 20]
    assert desk.book.forced_parts == {}


def test_random_part_of_a_spread_is_whole_units() -> None:
    desk = Desk(partial=1.0)
    parent = desk.spread("-1.00", units=10)
    desk.options(CREDIT)
    part = desk.now(parent).filled_quantity
    assert 0 < part < 10 and part == part.to_integral_value()


def test_market_order_of_several_legs_takes_what_there_is() -> None:
    desk = Desk()
    parent = desk.spread(None, legs={PUT_95: 1, CALL_105: 1})
    desk.options({PUT_95: 300, CALL_105: 200})
    assert desk.now(parent).average_price == Decimal("5.10")


def test_without_a_quote_for_every_leg_nothing_happens() -> None:
    desk = Desk()
    desk.spread("-1.00")
    assert kinds(desk.options({PUT_95: 500})) == ["new"]
    bare = {PUT_95: quote(500, spread=10), PUT_90: quote(5, spread=10)}
    assert bare[PUT_90].bid == 0
    assert kinds(desk.see(bare)) == ["fill"]  # the leg is bought: it needs no bid


def test_leg_without_a_bid_cannot_be_sold() -> None:
    desk = Desk()
    parent = desk.spread("10", legs={PUT_95: 1, PUT_90: -1})
    assert kinds(desk.see({PUT_95: quote(300, spread=10), PUT_90: quote(5, spread=10)})) == ["new"]
    assert desk.now(parent).status is Status.NEW


def test_queued_spread_is_taken_in_one_event_with_its_legs() -> None:
    desk = Desk()
    parent = desk.spread("-9.00", works_now=False)
    events = desk.options(CREDIT, takes_queue=True)
    assert [(event.kind.value, event.order.id) for event in events] == [("new", parent.id)]
    assert [leg.status for leg in desk.book.legs(parent.id)] == [Status.NEW, Status.NEW]


def test_halted_leg_holds_up_the_whole() -> None:
    desk = Desk()
    desk.spread("-1.00")
    desk.book.halted = {PUT_90: None}
    assert kinds(desk.options(CREDIT)) == ["new"]
    desk.book.halted = {}
    assert kinds(desk.options(CREDIT)) == ["fill"]


def test_no_leg_takes_a_position_through_zero() -> None:
    desk = Desk()
    desk.own(1, 300, PUT_95)
    parent = desk.spread("-1.00", units=2)
    assert kinds(desk.options(CREDIT)) == ["new", "rejected"]
    assert [leg.status for leg in desk.book.legs(parent.id)] == [Status.REJECTED, Status.REJECTED]
    assert desk.book.holdings.keys() == {PUT_95}


def test_outside_regular_hours_options_do_not_trade() -> None:
    desk = Desk()
    desk.spread("-1.00")
    assert kinds(desk.options(CREDIT, is_regular=False)) == ["new"]


def test_cancel_of_a_leg_is_a_cancel_of_the_whole() -> None:
    desk = Desk()
    parent = desk.spread("-1.00")
    desk.options({PUT_95: 100, PUT_90: 100})
    events = desk.cancel(desk.book.legs(parent.id)[0])
    assert [(event.kind.value, event.order.id) for event in events] == [("canceled", parent.id)]
    assert [leg.status for leg in desk.book.legs(parent.id)] == [Status.CANCELED, Status.CANCELED]


def test_day_spread_expires_with_its_legs_in_one_event() -> None:
    desk = Desk()
    parent = desk.spread("-9.00", time_in_force=TimeInForce.DAY)
    desk.options(CREDIT)
    assert kinds(desk.tick(10_000, closing=True)) == ["expired"]
    assert [leg.status for leg in desk.book.legs(parent.id)] == [Status.EXPIRED, Status.EXPIRED]
    assert not desk.book.live


def test_partial_fill_while_a_cancel_is_pending_leaves_it_pending() -> None:
    desk = Desk()
    parent = desk.spread("-1.00", units=10)
    desk.options({PUT_95: 100, PUT_90: 100})
    desk.book.stuck_cancels[parent.id] = None
    desk.book.forced_parts[parent.id] = Decimal(4)
    assert kinds(desk.cancel(parent)) == ["pending_cancel"]
    assert kinds(desk.options(CREDIT)) == ["partial_fill"]
    assert desk.now(parent).status is Status.PENDING_CANCEL
