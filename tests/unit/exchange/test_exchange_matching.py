"""The matching state machine: one order at a time, then brackets and OCOs, rule by rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from desk.domain.orders import GroupRole, OrderClass, OrderType, Side, TimeInForce
from desk.exchange.account import available, buying_power, unprotected_shares
from desk.exchange.book import Book
from desk.exchange.matching import Cancel, Replace, Submit, Tick, step
from desk.exchange.orders import Amendment, Event, Order, Quote, Status, Ticket

OPEN = datetime(2008, 9, 2, 13, 30, tzinfo=UTC)
AT_100 = Quote(bid=9999, ask=10001, last=10000)


def quote(last: int) -> Quote:
    return Quote(last - 1, last + 1, last)


class Desk:
    """A book with a clock, so that a test reads as a story."""

    def __init__(self, partial: float = 0.0, seed: int = 1) -> None:
        self.book = Book(seed=seed, cash_usd=Decimal(100_000), partial_fill_probability=partial)
        self.at = OPEN

    def send(self, **fields: object) -> Order:
        defaults = {"symbol": "ABC", "side": Side.BUY, "type": OrderType.MARKET, "order_class": OrderClass.SIMPLE}
        ticket = Ticket(**{**defaults, "time_in_force": TimeInForce.GTC, "quantity": 10, **fields})  # type: ignore[arg-type]
        known = set(self.book.orders)
        self.book, _ = step(self.book, Submit(ticket, self.at, in_session=True))
        return next(order for order_id, order in self.book.orders.items() if order_id not in known)

    def bracket(self, target: str = "110", stop: str = "95", **fields: object) -> tuple[Order, Order, Order]:
        entry = self.send(order_class=OrderClass.BRACKET, take_profit=Decimal(target), stop_loss=Decimal(stop), **fields)
        return self.group(entry)

    def group(self, order: Order) -> tuple[Order, Order, Order]:
        entry, target, stop = (self.book.orders[member.id] for member in self.book.members(order.group_id)[:3])
        return entry, target, stop

    def tick(self, last: int, minutes: int = 1, closing: bool = False) -> list[Event]:
        self.at += timedelta(minutes=minutes)
        self.book, events = step(self.book, Tick(self.at, {"ABC": quote(last)}, closing))
        return list(events)

    def now(self, order: Order) -> Order:
        return self.book.orders[order.id]

    def cancel(self, order: Order) -> list[Event]:
        self.book, events = step(self.book, Cancel(order.id, self.at))
        return list(events)

    def replace(self, order: Order, **change: object) -> tuple[Order, list[Event]]:
        self.book, events = step(self.book, Replace(order.id, Amendment(**change), self.at))  # type: ignore[arg-type]
        return self.book.orders[self.now(order).replaced_by or ""], list(events)


def told(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.kind.value, event.order.group_role and event.order.group_role.value) for event in events]


def test_market_buy_fills_at_the_ask_and_market_sell_at_the_bid() -> None:
    desk = Desk()
    buy = desk.send()
    assert buy.status is Status.PENDING_NEW
    assert told(desk.tick(10_000)) == [("new", None), ("fill", None)]
    assert desk.now(buy).average_price == Decimal("100.01")
    sell = desk.send(side=Side.SELL)
    desk.tick(10_000)
    assert desk.now(sell).average_price == Decimal("99.99")
    assert desk.book.cash_usd == Decimal(100_000) - Decimal("0.20")
    assert desk.book.holdings == {}


def test_limit_waits_for_its_price_and_takes_a_better_one() -> None:
    desk = Desk()
    buy = desk.send(type=OrderType.LIMIT, limit_price=Decimal("99.50"))
    assert told(desk.tick(10_000)) == [("new", None)]
    assert desk.tick(9_950) == []  # the ask is a cent above
    assert told(desk.tick(9_900)) == [("fill", None)]
    assert desk.now(buy).average_price == Decimal("99.01")


def test_stop_is_elected_by_a_trade_and_fills_there() -> None:
    desk = Desk()
    desk.send()
    desk.tick(10_000)
    stop = desk.send(side=Side.SELL, type=OrderType.STOP, stop_price=Decimal("95"))
    desk.tick(9_501)
    assert desk.now(stop).status is Status.NEW
    assert told(desk.tick(9_300)) == [("fill", None)]
    assert desk.now(stop).average_price == Decimal("93")


def test_buy_stop_waits_above_the_market() -> None:
    desk = Desk()
    stop = desk.send(type=OrderType.STOP, stop_price=Decimal("101"))
    desk.tick(10_099)
    assert desk.now(stop).status is Status.NEW
    desk.tick(10_110)
    assert desk.now(stop).average_price == Decimal("101.10")


def test_day_order_expires_at_the_close_and_gtc_stays() -> None:
    desk = Desk()
    day = desk.send(type=OrderType.LIMIT, limit_price=Decimal(90), time_in_force=TimeInForce.DAY)
    gtc = desk.send(type=OrderType.LIMIT, limit_price=Decimal(90))
    desk.tick(10_000)
    assert told(desk.tick(10_000, closing=True)) == [("expired", None)]
    assert (desk.now(day).status, desk.now(gtc).status) == (Status.EXPIRED, Status.NEW)
    assert desk.now(day).expired_at == desk.at


def test_gtc_order_is_cancelled_after_ninety_days() -> None:
    desk = Desk()
    order = desk.send(type=OrderType.LIMIT, limit_price=Decimal(90))
    desk.tick(10_000)
    assert told(desk.tick(10_000, minutes=90 * 24 * 60, closing=True)) == [("canceled", None)]
    assert desk.now(order).status is Status.CANCELED


def test_partly_filled_order_gets_its_rest_a_minute_later() -> None:
    desk = Desk(partial=1.0)
    buy = desk.send(quantity=100)
    first = desk.tick(10_000)
    assert told(first) == [("new", None), ("partial_fill", None)]
    assert 0 < (first[1].quantity or 0) < 100
    assert desk.now(buy).status is Status.PARTIALLY_FILLED
    desk.book, events = step(desk.book, Tick(desk.at + timedelta(seconds=59), {"ABC": AT_100}))
    assert events == ()
    rest = desk.tick(10_000)
    assert told(rest) == [("fill", None)]
    assert (first[1].quantity or 0) + (rest[0].quantity or 0) == 100
    assert rest[0].position_quantity == 100


def test_single_share_is_never_split_and_the_closing_print_fills_whole() -> None:
    desk = Desk(partial=1.0)
    desk.send(quantity=1)
    assert told(desk.tick(10_000)) == [("new", None), ("fill", None)]
    desk.send(quantity=50)
    assert told(desk.tick(10_000, closing=True)) == [("new", None), ("fill", None)]


def test_buy_that_cash_cannot_pay_any_more_is_rejected_at_the_open() -> None:
    desk = Desk()
    order, target, stop = desk.bracket(target="300", stop="95", quantity=900)
    assert told(desk.tick(20_000)) == [("new", "entry"), ("rejected", "entry")]
    assert desk.now(order).status is Status.REJECTED
    assert desk.now(target).status is desk.now(stop).status is Status.CANCELED
    assert desk.book.cash_usd == Decimal(100_000)


# brackets


def test_legs_are_held_until_the_entry_is_completely_filled() -> None:
    desk = Desk(partial=1.0)
    entry, target, stop = desk.bracket(quantity=100)
    assert {target.status, stop.status} == {Status.HELD}
    desk.tick(10_000)
    entry, target, stop = desk.group(entry)
    assert (entry.status, target.status, stop.status) == (Status.PARTIALLY_FILLED, Status.HELD, Status.HELD)
    assert unprotected_shares(desk.book) == {"ABC": entry.filled_quantity}
    assert available(desk.book, "ABC") == 0
    assert told(desk.tick(10_000)) == [("fill", "entry"), ("new", "take_profit")]
    entry, target, stop = desk.group(entry)
    assert (entry.status, target.status, stop.status) == (Status.FILLED, Status.NEW, Status.HELD)
    assert unprotected_shares(desk.book) == {}


def test_group_members_share_an_id_and_name_their_roles() -> None:
    desk = Desk()
    members = desk.bracket(client_order_id="mine")
    assert [member.group_role for member in members] == [GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS]
    assert len({member.group_id for member in members}) == 1
    assert members[0].client_order_id == "mine"
    assert len({member.client_order_id for member in members}) == 3


def test_triggered_stop_replaces_the_target_and_fills() -> None:
    desk = Desk()
    entry, _, _ = desk.bracket()
    desk.tick(10_000)
    assert told(desk.tick(9_400)) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]
    _, target, stop = desk.group(entry)
    assert (target.status, stop.status) == (Status.REPLACED, Status.FILLED)
    assert (target.replaced_by, stop.replaces) == (stop.id, target.id)
    assert stop.average_price == Decimal("94")
    assert desk.book.live == ()


def test_filled_target_cancels_the_stop_without_an_event() -> None:
    desk = Desk()
    entry, _, _ = desk.bracket()
    desk.tick(10_000)
    assert told(desk.tick(11_200)) == [("fill", "take_profit")]
    _, target, stop = desk.group(entry)
    assert (target.status, stop.status) == (Status.FILLED, Status.CANCELED)
    assert target.average_price == Decimal("111.99")


def test_partly_filled_target_reduces_the_stop() -> None:
    desk = Desk(partial=1.0, seed=3)
    entry, _, _ = desk.bracket(quantity=100)
    desk.tick(10_000)
    desk.tick(10_000)
    assert told(desk.tick(11_200)) == [("partial_fill", "take_profit")]
    _, target, stop = desk.group(entry)
    assert stop.quantity == target.remaining < 100
    assert desk.book.shares("ABC") == stop.quantity
    assert unprotected_shares(desk.book) == {}
    desk.tick(9_000)
    _, target, stop = desk.group(entry)
    assert target.status is Status.REPLACED
    while desk.book.shares("ABC"):
        desk.tick(9_000)
    assert desk.group(entry)[2].filled_quantity == stop.quantity


def test_gap_through_entry_and_stop_sells_at_once() -> None:
    desk = Desk()
    entry, _, _ = desk.bracket(type=OrderType.LIMIT, limit_price=Decimal(100))
    events = desk.tick(9_000)
    assert told(events)[-1] == ("fill", "stop_loss")
    assert desk.group(entry)[2].average_price == Decimal("90")


def test_cancelling_any_member_cancels_the_group_and_keeps_the_position() -> None:
    for place in range(3):
        desk = Desk()
        members = desk.bracket(type=OrderType.LIMIT, limit_price=Decimal(90), target="120", stop="80")
        desk.tick(10_000)
        told_of = {event.order.id for event in desk.cancel(members[place])}
        assert {member.status for member in desk.group(members[0])} == {Status.CANCELED}
        assert told_of == {members[0].id, members[place].id}
    for place in (1, 2):
        desk = Desk()
        members = desk.bracket()
        desk.tick(10_000)
        desk.cancel(members[place])
        assert [member.status for member in desk.group(members[0])] == [Status.FILLED, Status.CANCELED, Status.CANCELED]
        assert desk.book.shares("ABC") == 10
        assert unprotected_shares(desk.book) == {"ABC": 10}
        assert available(desk.book, "ABC") == 10


def test_cancelled_half_filled_entry_leaves_a_bare_rest() -> None:
    desk = Desk(partial=1.0)
    entry, _, _ = desk.bracket(quantity=100)
    desk.tick(10_000)
    desk.cancel(entry)
    bought = desk.now(entry).filled_quantity
    assert desk.book.live == ()
    assert unprotected_shares(desk.book) == {"ABC": bought}
    assert available(desk.book, "ABC") == bought


def test_replacing_the_target_keeps_the_group() -> None:
    desk = Desk()
    entry, target, _ = desk.bracket()
    desk.tick(10_000)
    fresh, events = desk.replace(target, limit_price=Decimal(105))
    assert told(events) == [("replaced", "take_profit"), ("new", "take_profit")]
    assert desk.now(target).status is Status.REPLACED
    assert (fresh.replaces, desk.now(target).replaced_by) == (target.id, fresh.id)
    assert fresh.group_id == entry.group_id
    assert told(desk.tick(10_600)) == [("fill", "take_profit")]
    assert desk.book.live == ()


def test_replacing_the_held_stop_keeps_it_held_and_watched() -> None:
    desk = Desk()
    _, target, stop = desk.bracket()
    desk.tick(10_000)
    fresh, events = desk.replace(stop, stop_price=Decimal(98))
    assert told(events) == [("replaced", "stop_loss")]
    assert (fresh.status, fresh.quantity) == (Status.HELD, 10)
    assert unprotected_shares(desk.book) == {}
    assert told(desk.tick(9_790))[-1] == ("fill", "stop_loss")
    assert desk.now(target).status is Status.REPLACED


def test_replacing_the_entry_keeps_the_legs_waiting() -> None:
    desk = Desk()
    entry, target, _ = desk.bracket(type=OrderType.LIMIT, limit_price=Decimal(98))
    desk.tick(10_000)
    desk.replace(entry, limit_price=Decimal(99))
    assert told(desk.tick(9_890)) == [("fill", "entry"), ("new", "take_profit")]
    assert desk.now(target).status is Status.NEW


def test_day_bracket_whose_entry_never_filled_ends_with_it() -> None:
    desk = Desk()
    members = desk.bracket(type=OrderType.LIMIT, limit_price=Decimal(98), time_in_force=TimeInForce.DAY)
    desk.tick(10_000)
    assert told(desk.tick(10_000, closing=True)) == [("expired", "entry")]
    assert [member.status for member in desk.group(members[0])] == [Status.EXPIRED, Status.CANCELED, Status.CANCELED]


def test_day_bracket_leaves_the_position_bare_overnight() -> None:
    desk = Desk()
    members = desk.bracket(time_in_force=TimeInForce.DAY)
    desk.tick(10_000)
    assert told(desk.tick(10_000, closing=True)) == [("expired", "take_profit")]
    assert [member.status for member in desk.group(members[0])][1:] == [Status.EXPIRED, Status.EXPIRED]
    assert unprotected_shares(desk.book) == {"ABC": 10}


# OCO


def oco(desk: Desk, quantity: int = 10) -> tuple[Order, Order]:
    exits = {"take_profit": Decimal(110), "stop_loss": Decimal(95)}
    parent = desk.send(side=Side.SELL, type=OrderType.LIMIT, order_class=OrderClass.OCO, quantity=quantity, **exits)
    target, stop = desk.book.members(parent.group_id)
    return target, stop


def test_oco_is_a_working_target_over_a_held_stop() -> None:
    desk = Desk()
    desk.send()
    desk.tick(10_000)
    target, stop = oco(desk, quantity=6)
    assert target.is_top_level and not stop.is_top_level
    assert (target.status, stop.status) == (Status.PENDING_NEW, Status.HELD)
    assert unprotected_shares(desk.book) == {"ABC": 4}
    assert available(desk.book, "ABC") == 4
    assert told(desk.tick(10_000)) == [("new", "take_profit")]
    assert told(desk.tick(9_400)) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]
    assert desk.book.shares("ABC") == 4


def test_oco_goes_as_a_whole() -> None:
    desk = Desk()
    desk.send()
    desk.tick(10_000)
    target, stop = oco(desk)
    desk.tick(10_000)
    assert told(desk.cancel(target)) == [("canceled", "take_profit")]
    assert desk.now(stop).status is Status.CANCELED
    assert available(desk.book, "ABC") == 10


# the machine as such


def test_open_buys_reserve_cash_at_their_limit() -> None:
    desk = Desk()
    desk.send(type=OrderType.LIMIT, limit_price=Decimal(90), quantity=100)
    assert buying_power(desk.book) == Decimal(91_000)


def test_a_command_leaves_the_book_it_started_from_alone() -> None:
    desk = Desk()
    desk.bracket()
    before = desk.book
    copy = (dict(before.orders), before.live, dict(before.holdings), before.cash_usd, before.minted)
    step(before, Tick(OPEN, {"ABC": AT_100}))
    assert copy == (dict(before.orders), before.live, dict(before.holdings), before.cash_usd, before.minted)


def test_same_seed_gives_the_same_ids_and_another_seed_others() -> None:
    def story(seed: int) -> list[str]:
        desk = Desk(partial=0.5, seed=seed)
        desk.bracket(quantity=100)
        return [event.execution_id for last in (10_000, 10_010, 9_400) for event in desk.tick(last)] + list(desk.book.orders)

    assert story(7) == story(7)
    assert not set(story(7)) & set(story(8))


def test_nothing_happens_without_a_price_for_the_symbol() -> None:
    desk = Desk()
    order = desk.send()
    desk.book, events = step(desk.book, Tick(OPEN, {"XYZ": AT_100}))
    assert events == ()
    assert desk.now(order).status is Status.PENDING_NEW
