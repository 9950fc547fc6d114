"""Orders of option spreads from the desk's journal to the exchange and back: packages, rolls, single contracts, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, live_exchange
from order_path import At, OrderPath, order_path

from desk.domain.journal import BrokerRefusal
from desk.domain.orders import (
    GroupRole,
    Leg,
    OrderClass,
    OrderEvent,
    OrderSpec,
    OrderStatus,
    OrderType,
    PositionIntent,
)
from desk.domain.spreads import SpreadPlan, SpreadRules
from desk.domain.steps import Cancel, SpreadOrder
from desk.runtime.spreads import Spreads

pytestmark = pytest.mark.slow
I = PositionIntent  # noqa: E741  # the table of orders below is read by these words
PUT_100, PUT_95 = "ABC080905P00100000", "ABC080905P00095000"
LATER_100, LATER_95 = "ABC080919P00100000", "ABC080919P00095000"
SPREAD, ROLLED = "f00d-abc-1", "f00d-abc-2"
LOTS = 5
OPEN, CLOSE = (I.SELL_TO_OPEN, I.BUY_TO_OPEN), (I.BUY_TO_CLOSE, I.SELL_TO_CLOSE)
MORNING, LAST_HALF_HOUR, AFTER_THE_CLOSE = "2008-09-02T14:00:00Z", "2008-09-05T19:31:00Z", "2008-09-05T20:00:30Z"
LEGS = (GroupRole.LEG_1, GroupRole.LEG_2, GroupRole.LEG_3, GroupRole.LEG_4)


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[tuple[LiveExchange, OrderPath]]:
    """An exchange in the morning and a desk that has decided on a spread, of which it has sent nothing."""
    with live_exchange(**settings) as exchange:
        exchange.to(MORNING)
        with order_path(At(exchange.url, KEY, SECRET), folder / "spreads.sqlite") as path:
            decide(path, SPREAD, PUT_100, PUT_95)
            yield exchange, path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[LiveExchange, OrderPath]]:
    with opened(tmp_path) as both:
        yield both


@pytest.fixture
def path(running: tuple[LiveExchange, OrderPath]) -> OrderPath:
    return running[1]


def decide(path: OrderPath, key: str, short: str, long: str, rolled_from: str | None = None) -> None:
    now = path.clock.now()
    plan = SpreadPlan(
        key, "ABC", short, long, LOTS, Decimal("1.05"), Decimal("0.50"), SpreadRules(), "a test", now, rolled_from=rolled_from
    )
    path.desk.about_spreads(lambda spreads: spreads.open(plan))


def legs(intents: tuple[PositionIntent, PositionIntent], short: str = PUT_100, long: str = PUT_95) -> tuple[Leg, ...]:
    return Leg(short, 1, intents[0]), Leg(long, 1, intents[1])


def package(key: str, limit: str, *of: Leg, units: int = LOTS) -> OrderSpec:
    price = Decimal(limit)
    return OrderSpec(
        key=key,
        symbol="ABC",
        side=I.BUY_TO_OPEN.side,
        quantity=units,
        type=OrderType.LIMIT,
        order_class=OrderClass.MULTI_LEG,
        limit_price=price,
        legs=of,
    )


def single(key: str, symbol: str, intent: PositionIntent, limit: str, contracts: int = 2) -> OrderSpec:
    return OrderSpec(key, symbol, intent.side, contracts, OrderType.LIMIT, limit_price=Decimal(limit), position_intent=intent)


def do(path: OrderPath, *steps: SpreadOrder | Cancel) -> None:
    """Journal and send, as the keeper of the spreads does."""

    def work(spreads: Spreads) -> None:
        for step in steps:
            assert spreads._do(step, path.clock.now())

    path.desk.about_spreads(work)
    path.broker._orders_queue.join()
    path.desk.drain()


def send(path: OrderPath, spec: OrderSpec, into: str | None = None) -> dict[str, Any]:
    """Send an order of the spread. Returns it as the exchange has it."""
    do(path, SpreadOrder(spec, SPREAD, "a test", into))
    return found(path, spec.key)


def found(path: OrderPath, key: str) -> dict[str, Any]:
    (order,) = [each for each in path.orders() if each["client_order_id"] == key]
    return order


def filled(path: OrderPath, spec: OrderSpec, into: str | None = None) -> dict[str, Any]:
    send(path, spec, into)
    path.advance(seconds=5)
    path.wait_until(lambda: ended(path, spec.key) is OrderStatus.FILLED, f"{spec.key} fills")
    path.quiet()
    return found(path, spec.key)


def ended(path: OrderPath, key: str) -> OrderStatus | None:
    """What was heard last of an order itself, legs apart."""
    heard = [event.status for event in path.events if event.key == key and event.role is GroupRole.ENTRY]
    return heard[-1] if heard else None


def entered(path: OrderPath) -> dict[str, Any]:
    return filled(path, package("in", "-0.50", *legs(OPEN)))


def shape(order: dict[str, Any]) -> list[tuple[str, ...]]:
    return [tuple(str(leg[name]) for name in ("symbol", "side", "ratio_qty", "qty", "position_intent")) for leg in order["legs"]]


def events(path: OrderPath, key: str) -> list[OrderEvent]:
    return [event for event in path.events if event.key == key]


# ---- packages ---------------------------------------------------------------------------------------------------------------


def test_five_spreads_are_five_units_of_one_to_one_at_a_credit(path: OrderPath) -> None:
    order = send(path, package("in", "-4.90", *legs(OPEN)))
    assert (order["order_class"], order["type"], order["time_in_force"], order["qty"]) == ("mleg", "limit", "day", "5")
    assert Decimal(order["limit_price"]) == Decimal("-4.90")
    assert (order["symbol"], order["side"]) == ("", "")
    assert shape(order) == [
        (PUT_100, "sell", "1", "5", "sell_to_open"),
        (PUT_95, "buy", "1", "5", "buy_to_open"),
    ]


def test_each_leg_fills_at_a_price_above_zero_and_the_parent_ends_last(path: OrderPath) -> None:
    order = entered(path)
    told = events(path, "in")
    fills = [event.fill for event in told if event.fill is not None]
    assert [(fill.role, fill.symbol, fill.side.value, fill.quantity) for fill in fills] == [
        (GroupRole.LEG_1, PUT_100, "sell", LOTS),
        (GroupRole.LEG_2, PUT_95, "buy", LOTS),
    ]
    prices = [Decimal(leg["filled_avg_price"]) for leg in order["legs"]]
    assert [fill.price for fill in fills] == prices and min(prices) > 0
    assert prices[1] - prices[0] == Decimal(order["filled_avg_price"]) < 0, "a unit is a credit"
    last = [event for event in told if event.status is OrderStatus.FILLED]
    assert [event.role for event in last] == [GroupRole.LEG_1, GroupRole.LEG_2, GroupRole.ENTRY]
    assert [event.fill for event in told if event.role is GroupRole.ENTRY] == [None] * len(
        [event for event in told if event.role is GroupRole.ENTRY]
    )
    spread = path.desk.spreads.open[SPREAD]
    assert (spread.short, spread.long, spread.working) == (LOTS, LOTS, ())
    assert path.positions() == {PUT_100: -LOTS, PUT_95: LOTS}
    assert path.troubles == []


def test_a_spread_is_closed_by_flipped_intents_at_a_debit(path: OrderPath) -> None:
    entered(path)
    order = filled(path, package("out", "4.90", *legs(CLOSE)))
    assert Decimal(order["limit_price"]) == Decimal("4.90")
    assert shape(order) == [
        (PUT_100, "buy", "1", "5", "buy_to_close"),
        (PUT_95, "sell", "1", "5", "sell_to_close"),
    ]
    assert path.positions() == {}
    assert min(event.fill.price for event in events(path, "out") if event.fill is not None) > 0


def test_a_roll_closes_and_opens_in_one_order_of_four_legs(path: OrderPath) -> None:
    entered(path)
    decide(path, ROLLED, LATER_100, LATER_95, rolled_from=SPREAD)
    roll = package("roll", "-0.10", *legs(CLOSE), *legs(OPEN, LATER_100, LATER_95))
    order = filled(path, roll, into=ROLLED)
    assert [leg[-1] for leg in shape(order)] == [intent.value for intent in (*CLOSE, *OPEN)]
    assert {leg["qty"] for leg in order["legs"]} == {"5"}
    fills = [event.fill for event in events(path, "roll") if event.fill is not None]
    assert [(fill.role, fill.symbol) for fill in fills] == list(zip(LEGS, (PUT_100, PUT_95, LATER_100, LATER_95), strict=True))
    assert path.positions() == {LATER_100: -LOTS, LATER_95: LOTS}
    spread = path.desk.spreads.open[ROLLED]
    assert (spread.short, spread.long) == (LOTS, LOTS)


def test_a_package_that_fills_in_part_tells_each_part_of_each_leg(path: OrderPath) -> None:
    path.venue.admin.fault("partial_fill", {}, quantity=2)
    send(path, package("in", "-0.50", *legs(OPEN)))
    path.advance(minutes=5)
    path.wait_until(lambda: ended(path, "in") is OrderStatus.FILLED, "it fills")
    path.quiet()
    by_leg = {
        role: [event.fill.quantity for event in events(path, "in") if event.fill is not None and event.role is role]
        for role in LEGS[:2]
    }
    assert by_leg[GroupRole.LEG_1] == by_leg[GroupRole.LEG_2]
    assert [sum(parts) for parts in by_leg.values()] == [LOTS, LOTS] and len(by_leg[GroupRole.LEG_1]) > 1


def test_a_working_package_is_canceled_with_its_legs(path: OrderPath) -> None:
    spec = package("in", "-4.90", *legs(OPEN))
    send(path, spec)
    do(path, Cancel("in-x", "in", "ABC", "the next step of the ladder"))
    path.wait_until(lambda: ended(path, "in") is OrderStatus.CANCELED, "it ends")
    path.resync()
    ends = {event.role: event.status for event in events(path, "in")}
    assert ends == dict.fromkeys((GroupRole.ENTRY, *LEGS[:2]), OrderStatus.CANCELED)
    assert {each["status"] for each in (found(path, "in"), *found(path, "in")["legs"])} == {"canceled"}
    assert path.desk.spreads.open[SPREAD].working == ()


def test_the_next_step_of_a_ladder_goes_out_under_a_key_of_its_own(path: OrderPath) -> None:
    send(path, package("in", "-4.90", *legs(OPEN)))
    do(path, Cancel("in-x", "in", "ABC", "the next step of the ladder"))
    path.wait_until(lambda: ended(path, "in") is OrderStatus.CANCELED, "it ends")
    path.resync()
    filled(path, package("in2", "-0.50", *legs(OPEN)))
    assert path.positions() == {PUT_100: -LOTS, PUT_95: LOTS}


def test_a_package_whose_answer_was_lost_is_there_once(path: OrderPath) -> None:
    path.venue.admin.fault("timeout_after_taken", {"method": "POST", "path": "/v2/orders", "nth": 1})
    send(path, package("in", "-4.90", *legs(OPEN)))
    assert [order["client_order_id"] for order in path.orders()] == ["in"]
    assert path.troubles == []


# ---- single contracts ----------------------------------------------------------------------------------------------------


def test_a_spread_goes_in_and_out_leg_by_leg_the_protection_first_and_last(path: OrderPath) -> None:
    orders = [
        filled(path, spec)
        for spec in (
            single("1", PUT_95, I.BUY_TO_OPEN, "1.00"),
            single("2", PUT_100, I.SELL_TO_OPEN, "0.50"),
            single("3", PUT_100, I.BUY_TO_CLOSE, "3.00"),
            single("4", PUT_95, I.SELL_TO_CLOSE, "0.05"),
        )
    ]
    assert [(order["order_class"], order["side"], order["qty"], order["position_intent"]) for order in orders] == [
        ("", "buy", "2", "buy_to_open"),
        ("", "sell", "2", "sell_to_open"),
        ("", "buy", "2", "buy_to_close"),
        ("", "sell", "2", "sell_to_close"),
    ]
    assert [(fill.order_key, fill.symbol, fill.quantity, fill.role) for fill in path.fills] == [
        ("1", PUT_95, 2, GroupRole.ENTRY),
        ("2", PUT_100, 2, GroupRole.ENTRY),
        ("3", PUT_100, 2, GroupRole.ENTRY),
        ("4", PUT_95, 2, GroupRole.ENTRY),
    ]
    assert min(fill.price for fill in path.fills) > 0
    assert path.positions() == {} and path.troubles == []


# ---- refusals ---------------------------------------------------------------------------------------------------------------


def refused(path: OrderPath, spec: OrderSpec) -> BrokerRefusal:
    do(path, SpreadOrder(spec, SPREAD, "a test"))
    (refusal,) = [each for each in path.refusals if each.key == spec.key]
    assert path.desk.spreads.open[SPREAD].working == (), "the spread does not wait for it"
    return refusal


def test_too_little_buying_power_is_what_a_desk_can_meet(path: OrderPath) -> None:
    refusal = refused(path, package("in", "-0.50", *legs(OPEN), units=5_000))
    assert refusal.message.startswith("insufficient options buying power (required: ")
    assert (refusal.http_status, refusal.explained) == (403, True)


def test_a_level_that_allows_no_spreads_is_not(tmp_path: Path) -> None:
    """Whoever opens a spread has asked for the account's level before."""
    with opened(tmp_path, options_level=2) as (_, path):
        refusal = refused(path, package("in", "-0.50", *legs(OPEN)))
        assert refusal.message == "account not eligible to trade spreads or uncovered contracts"
        assert (refusal.http_status, refusal.explained) == (403, False)


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (LAST_HALF_HOUR, f'contract "{PUT_100}" expires soon, unable to open new positions'),
        (AFTER_THE_CLOSE, f'contract "{PUT_100}" is expired'),
    ],
)
@pytest.mark.parametrize(
    "spec", [package("in", "-0.50", *legs(OPEN)), single("in", PUT_100, I.SELL_TO_OPEN, "0.50")], ids=["package", "single"]
)
def test_a_contract_that_ends_between_look_and_order_is_what_a_desk_can_meet(
    running: tuple[LiveExchange, OrderPath], spec: OrderSpec, moment: str, message: str
) -> None:
    exchange, path = running
    exchange.to(moment)
    refusal = refused(path, spec)
    assert (refusal.message, refusal.http_status, refusal.explained) == (message, 422, True)


@pytest.mark.parametrize(
    "spec",
    [package("out", "4.90", *legs(CLOSE)), single("out", PUT_100, I.BUY_TO_CLOSE, "4.90", LOTS)],
    ids=["package", "single"],
)
def test_an_assignment_that_no_stream_told_of_is_what_a_desk_can_meet(path: OrderPath, spec: OrderSpec) -> None:
    entered(path)
    path.venue.admin.assign(PUT_100, LOTS)
    refusal = refused(path, spec)
    assert refusal.message == "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"
    assert (refusal.http_status, refusal.explained) == (422, True)


def test_selling_the_protection_first_is_the_desks_own_mistake(path: OrderPath) -> None:
    entered(path)
    refusal = refused(path, single("out", PUT_95, I.SELL_TO_CLOSE, "0.05", LOTS))
    assert refusal.message == "account not eligible to trade uncovered option contracts"
    assert (refusal.http_status, refusal.explained) == (403, False)


def test_what_the_payload_rules_refuse_is_not_sent(path: OrderPath) -> None:
    bought = (Leg(PUT_100, 1, I.BUY_TO_OPEN), Leg(PUT_95, 1, I.BUY_TO_OPEN))
    refusal = refused(path, package("in", "-0.50", *bought))
    assert (refusal.http_status, refusal.explained) == (None, False)
    assert path.orders() == []


def test_a_day_order_ends_with_the_session(path: OrderPath) -> None:
    send(path, package("in", "-4.90", *legs(OPEN)))
    path.advance(hours=8)
    path.wait_until(lambda: ended(path, "in") is OrderStatus.EXPIRED, "it expires")
    path.resync()
    ends = {event.role: event.status for event in events(path, "in")}
    assert set(ends.values()) == {OrderStatus.EXPIRED} and len(ends) == 3


def test_news_of_a_spread_that_nobody_heard_is_found_by_a_resync(path: OrderPath) -> None:
    path.venue.admin.fault("lost_event", {"event": "fill"})
    send(path, package("in", "-0.50", *legs(OPEN)))
    path.advance(seconds=5)
    path.quiet()
    assert path.fills == []
    path.resync()
    assert [(fill.role, fill.quantity) for fill in path.fills] == [(GroupRole.LEG_1, LOTS), (GroupRole.LEG_2, LOTS)]
    assert min(fill.price for fill in path.fills) > 0
