"""Orders, changes and cancels through the guarded client while the exchange fails in every way it can: each happens once, and its
end is known."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from alpaca.trading.enums import OrderClass as AlpacaClass
from alpaca.trading.enums import PositionIntent
from alpaca.trading.enums import TimeInForce as AlpacaTimeInForce
from alpaca.trading.requests import GetOptionContractsRequest, LimitOrderRequest, OptionLegRequest, ReplaceOrderRequest
from fresh_exchange import MORNING
from guarded_desk import (
    DOUBTS,
    FAULTS,
    ONE_ORDER,
    ORDERS,
    READ_SECONDS,
    TOO_MUCH,
    Desk,
    failed,
    market,
    name_of,
    resting,
    sent,
    spec,
)

from desk.brokers.alpaca_orders import order_request
from desk.brokers.guarded.breaker import State
from desk.brokers.guarded.bucket import RateBudget, TokenBucket
from desk.brokers.guarded.errors import ErrorClass
from desk.brokers.guarded.outcomes import Ended, Mismatch, NotSent, Sent, Unknown
from desk.brokers.guarded.pacing import Pace
from desk.brokers.guarded.problems import Problem
from desk.brokers.guarded.submission import OrderSender, SendLimits
from desk.brokers.guarded.transport import protective
from desk.domain.orders import OrderClass, OrderSpec, OrderType, Side, TimeInForce
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(exchange: ExchangeProcess) -> Desk:
    return Desk(exchange)


# ---- sending


@pytest.mark.parametrize(("kind", "parameters"), FAULTS, ids=name_of)
def test_an_order_that_meets_a_fault_stands_once_and_is_known(
    exchange: ExchangeProcess, kind: str, parameters: dict[str, Any]
) -> None:
    desk = Desk(exchange, kind)
    exchange.admin.fault(kind, {**ORDERS, "nth": 1}, **parameters)
    order = sent(desk.send(spec()))
    if kind == "slow":
        threading.Event().wait(parameters["seconds"])
    assert [(each.client_order_id, str(each.id)) for each in desk.every_order()] == [("desk-1", order["id"])]
    assert sorted(leg["type"] for leg in order["legs"]) == ["limit", "stop"]


@pytest.mark.parametrize("spoiled", ["GET", "POST"])
@pytest.mark.parametrize(("kind", "parameters"), DOUBTS, ids=name_of)
def test_a_second_fault_on_the_way_changes_nothing(
    exchange: ExchangeProcess, kind: str, parameters: dict[str, Any], spoiled: str
) -> None:
    """The look-up fails too, twice so that it is not repeated, or the second sending does."""
    desk = Desk(exchange, kind)
    exchange.admin.fault(kind, {**ORDERS, "nth": 1}, **parameters)
    if spoiled == "GET":
        exchange.admin.fault("reset", {"method": "GET", "path": "/v2/orders:by_client_order_id", "count": 2})
    else:
        exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    order = sent(desk.send(spec()))
    assert [(each.client_order_id, str(each.id)) for each in desk.every_order()] == [("desk-1", order["id"])]


def test_an_order_that_arrives_late_is_found_when_its_repeat_is_refused(exchange: ExchangeProcess) -> None:
    desk = Desk(exchange, "slow", real_wait_seconds=3 * READ_SECONDS)
    exchange.admin.fault("slow", {**ORDERS, "nth": 1}, seconds=1.5 * READ_SECONDS)
    outcome = desk.send(spec())
    assert isinstance(outcome, Sent) and outcome.adopted  # the repeat was refused: the late one had come meanwhile
    assert len(desk.every_order()) == 1


def test_an_answer_at_the_first_attempt_is_not_looked_up(exchange: ExchangeProcess, desk: Desk) -> None:
    exchange.admin.fault("reset", {"method": "GET"})
    assert sent(desk.send(spec()))["group_id"]
    assert desk.elapsed == 0.0


def test_a_refusal_is_told_at_once_with_its_class(desk: Desk) -> None:
    refusal = failed(desk.send(TOO_MUCH))
    assert (refusal.error_class, refusal.status) == (ErrorClass.BUYING_POWER, 403)
    assert desk.elapsed == 0.0


def test_a_broker_that_refuses_for_rate_again_and_again_certainly_has_no_order(exchange: ExchangeProcess, desk: Desk) -> None:
    exchange.admin.fault("rate_limit", ORDERS)
    assert failed(desk.send(spec())).error_class is ErrorClass.RATE_LIMITED
    exchange.admin.clear_faults()
    assert desk.every_order() == []


def test_an_exchange_that_is_not_there_certainly_has_no_order(exchange: ExchangeProcess, desk: Desk) -> None:
    desk.client._base_url = "http://127.0.0.1:9"
    assert failed(desk.send(spec())).error_class is ErrorClass.NOT_REACHED


def test_when_nothing_is_answered_it_stays_unknown_and_can_be_settled_later(exchange: ExchangeProcess, desk: Desk) -> None:
    exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    exchange.admin.fault("reset", {})
    outcome = desk.send(spec())
    assert isinstance(outcome, Unknown) and "it may have" in outcome.why
    exchange.admin.clear_faults()
    desk.elapsed += 60
    again = desk.send(spec())
    assert isinstance(again, Sent) and again.adopted
    assert len(desk.every_order()) == 1


def test_a_refusal_after_a_doubt_settles_nothing(exchange: ExchangeProcess, desk: Desk) -> None:
    """The first may be what makes the broker refuse the second: here nothing shows it, so nobody knows."""
    exchange.admin.fault("reset", {**ORDERS, "nth": 1})
    outcome = desk.send(TOO_MUCH)
    assert isinstance(outcome, Unknown) and "buying power" in outcome.why


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": 11}, "qty"),
        ({"limit_price": Decimal("15.51")}, "limit_price"),
        ({"take_profit": Decimal("30.11")}, "take_profit.limit_price"),
        ({"stop_loss": Decimal("12.26")}, "stop_loss.stop_price"),
        ({"symbol": "IBM"}, "symbol"),
    ],
)
def test_another_order_under_the_same_id_is_never_adopted(desk: Desk, changes: dict[str, Any], field: str) -> None:
    sent(desk.send(spec()))
    outcome = desk.send(spec(**changes))
    assert isinstance(outcome, Mismatch)
    assert field in [difference.field for difference in outcome.differences]
    assert len(desk.every_order()) == 1


def test_the_same_order_of_another_time_is_not_adopted_and_of_its_own_time_is(desk: Desk) -> None:
    sent(desk.send(spec()))
    assert isinstance(desk.send(spec(), meant_at=MORNING + timedelta(hours=1)), Mismatch)
    assert isinstance(desk.send(spec(), meant_at=MORNING - timedelta(hours=1)), Sent)


def test_an_order_with_a_problem_is_not_sent(exchange: ExchangeProcess, desk: Desk) -> None:
    exchange.admin.fault("reset", {})
    outcome = desk.send(resting(price="15.001"))
    assert isinstance(outcome, NotSent) and isinstance(outcome.refusal, Problem)
    assert outcome.refusal.field == "limit_price"


def test_a_request_under_another_key_than_its_specs_is_a_bug(desk: Desk) -> None:
    with pytest.raises(ValueError, match="client_order_id 'desk-2'"):
        desk.sender.send(spec("desk-1"), order_request(spec("desk-2")))


@pytest.mark.parametrize(("kind", "parameters"), DOUBTS, ids=name_of)
def test_an_oco_that_meets_a_fault_protects_once(exchange: ExchangeProcess, kind: str, parameters: dict[str, Any]) -> None:
    desk = Desk(exchange, kind)
    sent(desk.send(market("entry", Side.BUY)))
    exits = {"take_profit": Decimal("40.00"), "stop_loss": Decimal("10.00")}
    oco = OrderSpec("oco", "AAPL", Side.SELL, 10, OrderType.LIMIT, OrderClass.OCO, TimeInForce.GTC, **exits)
    exchange.admin.fault(kind, {**ORDERS, "nth": 1}, **parameters)
    with protective():
        order = sent(desk.send(oco))
    assert [leg["type"] for leg in order["legs"]] == ["stop"]
    assert [each.client_order_id for each in desk.every_order()] == ["oco", "entry"]


def test_a_spread_whose_answer_was_lost_is_adopted_by_its_legs(exchange: ExchangeProcess, desk: Desk) -> None:
    first, last = (MORNING.date() + timedelta(days=days) for days in (20, 90))
    asked = GetOptionContractsRequest(
        underlying_symbols=["AAPL"], type="call", expiration_date_gte=first, expiration_date_lte=last, limit=1000
    )
    listed = desk.client.get_option_contracts(asked).option_contracts
    listed.sort(key=lambda contract: (contract.expiration_date, contract.strike_price))
    pair = [contract.symbol for contract in listed[:2]]
    intents = (PositionIntent.BUY_TO_OPEN, PositionIntent.SELL_TO_OPEN)
    legs = [
        OptionLegRequest(symbol=symbol, ratio_qty=1, position_intent=intent) for symbol, intent in zip(pair, intents, strict=True)
    ]
    request = LimitOrderRequest(
        qty=1,
        limit_price=0.01,
        time_in_force=AlpacaTimeInForce.DAY,
        order_class=AlpacaClass.MLEG,
        client_order_id="spread",
        legs=legs,
    )
    exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    outcome = desk.sender.send(resting("spread"), request)
    assert isinstance(outcome, Sent) and outcome.adopted
    assert len(outcome.order["legs"]) == 2
    other = request.model_copy(update={"legs": list(reversed(legs)), "limit_price": 0.02})
    assert isinstance(desk.sender.send(resting("spread"), other), Mismatch)


# ---- changing


@pytest.mark.parametrize(("kind", "parameters"), FAULTS, ids=name_of)
def test_a_change_that_meets_a_fault_happens_once_and_its_successor_is_known(
    exchange: ExchangeProcess, kind: str, parameters: dict[str, Any]
) -> None:
    desk = Desk(exchange, kind)
    old = sent(desk.send(resting()))
    exchange.admin.fault(kind, {"method": "PATCH", "path": ONE_ORDER, "nth": 1}, **parameters)
    new = sent(desk.sender.replace(old["id"], ReplaceOrderRequest(limit_price=14.5)))
    if kind == "slow":
        threading.Event().wait(parameters["seconds"])
    assert (new["replaces"], new["limit_price"]) == (old["id"], "14.5")
    assert sorted(each.status.value for each in desk.every_order()) == ["new", "replaced"]


def test_a_change_to_what_it_is_already_is_done(desk: Desk) -> None:
    old = sent(desk.send(resting()))
    outcome = desk.sender.replace(old["id"], ReplaceOrderRequest(limit_price=15.0))
    assert isinstance(outcome, Sent) and outcome.adopted and outcome.order["id"] == old["id"]


def test_a_change_that_comes_too_late_tells_how_the_order_ended(desk: Desk) -> None:
    filled = sent(desk.send(market("entry", Side.BUY)))
    outcome = desk.sender.replace(filled["id"], ReplaceOrderRequest(qty=11))
    assert isinstance(outcome, Ended) and outcome.order["status"] == "filled"


def test_a_change_between_two_states_is_for_later(exchange: ExchangeProcess, desk: Desk) -> None:
    exchange.admin.reset()  # to 08:00 New York, when an order is accepted and works nowhere yet
    waiting = sent(desk.send(resting()))
    refusal = failed(desk.sender.replace(waiting["id"], ReplaceOrderRequest(limit_price=14.5)))
    assert (waiting["status"], refusal.error_class) == ("accepted", ErrorClass.RETRY_LATER)
    assert desk.elapsed == 0.0


def test_a_change_whose_place_another_one_took_is_a_mismatch(desk: Desk) -> None:
    old = sent(desk.send(resting()))
    sent(desk.sender.replace(old["id"], ReplaceOrderRequest(limit_price=14.5)))
    outcome = desk.sender.replace(old["id"], ReplaceOrderRequest(limit_price=14.0))
    assert isinstance(outcome, Mismatch) and outcome.text == "limit_price: meant 14.0, found 14.5"


def test_a_change_whose_target_gave_way_to_the_stop_comes_too_late(exchange: ExchangeProcess, desk: Desk) -> None:
    bracket = sent(desk.send(spec(limit_price=Decimal("30.00"), take_profit=Decimal("60.00"), stop_loss=Decimal("21.50"))))
    target = next(leg["id"] for leg in bracket["legs"] if leg["type"] == "limit")
    for day in range(1, 90):
        exchange.admin.advance(MORNING + timedelta(days=day))
        if not desk.client.get_all_positions():
            break
    exchange.admin.fault("server_error", {"method": "PATCH", "path": ONE_ORDER, "nth": 1}, status=502)
    outcome = desk.sender.replace(target, ReplaceOrderRequest(limit_price=61.0))
    assert isinstance(outcome, Ended), outcome
    assert outcome.order["status"] == "replaced"


def test_a_groups_quantity_needs_a_cancel(desk: Desk) -> None:
    old = sent(desk.send(spec()))
    assert failed(desk.sender.replace(old["id"], ReplaceOrderRequest(qty=11))).error_class is ErrorClass.NEEDS_CANCEL


# ---- cancelling


@pytest.mark.parametrize(("kind", "parameters"), FAULTS, ids=name_of)
def test_a_cancel_that_meets_a_fault_ends_the_whole_group(
    exchange: ExchangeProcess, kind: str, parameters: dict[str, Any]
) -> None:
    desk = Desk(exchange, kind)
    old = sent(desk.send(spec()))
    exchange.admin.fault(kind, {"method": "DELETE", "path": ONE_ORDER, "nth": 1}, **parameters)
    outcome = desk.sender.cancel(old["id"])
    assert isinstance(outcome, Sent | Ended)
    if isinstance(outcome, Ended):
        assert outcome.order["status"] == "canceled"
    (group,) = desk.every_order()
    assert {member.status.value for member in (group, *group.legs)} == {"canceled"}


def test_a_cancel_that_comes_too_late_tells_how_the_order_ended(desk: Desk) -> None:
    filled = sent(desk.send(market("entry", Side.BUY)))
    outcome = desk.sender.cancel(filled["id"])
    assert isinstance(outcome, Ended) and outcome.order["status"] == "filled"


def test_a_cancel_that_is_on_its_way_already_is_taken(exchange: ExchangeProcess, desk: Desk) -> None:
    old = sent(desk.send(resting()))
    exchange.admin.fault("stuck_pending_cancel", {"symbol": "AAPL"})
    assert desk.sender.cancel(old["id"]) == Sent()
    outcome = desk.sender.cancel(old["id"])
    assert isinstance(outcome, Sent) and outcome.order["status"] == "pending_cancel"


def test_an_order_that_the_exchange_does_not_know_cannot_be_cancelled(desk: Desk) -> None:
    assert failed(desk.sender.cancel("61e69015-8549-4bfd-b9c3-01e75843f47d")).error_class is ErrorClass.NOT_FOUND


# ---- a broken broker, and a busy one


def test_while_the_broker_is_broken_an_exit_still_gets_through_when_it_can(exchange: ExchangeProcess, desk: Desk) -> None:
    sent(desk.send(market("entry", Side.BUY)))
    exchange.admin.fault("server_error", {"method": "GET", "path": "/v2/account"}, status=503)
    for _ in range(3):
        with pytest.raises(Exception, match=r"503|not sent"):
            desk.client.get_account()
    assert desk.breaker.state is State.OPEN
    with protective():
        assert sent(desk.send(market("exit", Side.SELL)))
    assert [change.after for change in desk.told] == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_an_order_that_opens_is_not_sent_when_the_budget_keeps_the_rest_for_exits(desk: Desk) -> None:
    """It waits once: what stands behind it is not kept for the whole of its patience."""
    desk.client._session.get_adapter("http://").bucket = TokenBucket(desk.time, desk.time, desk.wait, RateBudget(2, 1))
    desk.client.get_clock()
    refusal = failed(desk.send(spec()))
    assert (refusal.error_class, refusal.status, desk.elapsed) == (ErrorClass.RATE_LIMITED, None, 5.0)
    with protective():
        assert desk.every_order() == []
    assert desk.elapsed == 5.0


@pytest.mark.parametrize(("urgent", "least", "most"), [(False, 10.0, 20.0), (True, 30.0, 50.0)])
def test_what_opens_is_given_up_sooner_than_what_protects(
    exchange: ExchangeProcess, urgent: bool, least: float, most: float
) -> None:
    desk = Desk(exchange)
    patience, ordinary = (replace(each, attempts=1000) for each in (SendLimits().patience, SendLimits().ordinary_patience))
    limits = SendLimits(patience, ordinary_patience=ordinary)
    sender = OrderSender(desk.client, desk, Pace(desk.time, desk.wait, np.random.default_rng(3)), limits)
    exchange.admin.fault("rate_limit", ORDERS, with_headers=False)
    with protective() if urgent else nullcontext():
        failed(sender.send(spec(), order_request(spec())))
    assert least < desk.elapsed < most


def test_the_exchanges_own_limit_is_never_met(exchange: ExchangeProcess) -> None:
    """Its minute begins with the first request and is real time; the desk's budget holds whatever its minute is."""
    exchange.admin.reset(requests_per_minute=200)
    desk, statuses = Desk(exchange), list[int]()
    desk.client._session.hooks["response"].append(lambda answer, *_, **__: statuses.append(answer.status_code))
    for _ in range(140):
        desk.client.get_clock()
    assert desk.elapsed == 0.0
    with protective():
        for _ in range(40):
            desk.client.get_clock()
    assert (desk.elapsed, set(statuses)) == (0.0, {200})
    with protective():
        desk.client.get_clock()
    assert desk.elapsed == 60.0
