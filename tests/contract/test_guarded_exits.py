"""Exits for shares that the exchange lets go a moment after the order that held them: sent until taken, once, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.client import TradingClient
from fresh_exchange import MORNING
from guarded_desk import ORDERS, Desk, failed, market, sent, spec

from desk.brokers.alpaca_orders import order_request
from desk.brokers.guarded.errors import ErrorClass
from desk.brokers.guarded.outcomes import Outcome, Sent
from desk.brokers.guarded.transport import protective
from desk.domain.orders import OrderClass, OrderSpec, OrderType, Side, TimeInForce
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
ATTEMPTS = 4  # the patience of `Desk`
MOST_SOON = 11  # looks close together, before that
FAR = {"take_profit": Decimal("60.00"), "stop_loss": Decimal("10.00")}
COVER = OrderSpec("cover", "AAPL", Side.SELL, 10, OrderType.LIMIT, OrderClass.OCO, TimeInForce.GTC, **FAR)
SALE = OrderSpec("sale", "AAPL", Side.SELL, 10, OrderType.LIMIT, limit_price=Decimal("60.00"))
# A cancel is done after 15 ms, and its shares are free 63 ms after that.
CANCELED = timedelta(milliseconds=16)


class LivingDesk(Desk):
    """A desk at an exchange that takes its time, which passes there while the desk waits."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        super().__init__(exchange)
        self.statuses: list[int] = []  # of every answer to a POST
        self.meanwhile: Callable[[], object] = lambda: None
        self._admin, self._there = exchange.admin, MORNING
        self.client._session.hooks["response"].append(self._note)

    def _note(self, answer: Any, *_: object, **__: object) -> None:
        if answer.request.method == "POST":
            self.statuses.append(answer.status_code)

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        self.meanwhile()
        self.let_pass(timedelta(seconds=seconds))

    def let_pass(self, step: timedelta) -> None:
        self._there += step
        while not self._admin.advance(self._there).reached:
            pass

    def protect(self, order: OrderSpec) -> Outcome:
        with protective():
            return self.send(order)


@pytest.fixture
def desk(exchange: ExchangeProcess) -> LivingDesk:
    exchange.admin.reset(latency="measured")
    exchange.admin.advance(MORNING)
    return LivingDesk(exchange)


def held(desk: LivingDesk) -> str:
    """Ten shares with exits at the exchange. Returns the id of one of these."""
    bracket = sent(desk.send(spec(limit_price=Decimal("40.00"), **FAR)))
    desk.let_pass(timedelta(seconds=2))
    desk.statuses.clear()
    return str(bracket["legs"][0]["id"])


def bare(desk: LivingDesk) -> None:
    """Ten shares without exits, which the exchange has canceled and still keeps the shares for."""
    with protective():
        assert desk.sender.cancel(held(desk)) == Sent()
    desk.let_pass(CANCELED)
    assert open_orders(desk) == []


def open_orders(desk: LivingDesk) -> list[str]:
    return [each.client_order_id for each in desk.client.get_orders()]


@pytest.mark.parametrize("order", [COVER, SALE], ids=["cover", "sale"])
def test_an_exit_whose_shares_are_let_go_a_moment_later_is_taken(desk: LivingDesk, order: OrderSpec) -> None:
    bare(desk)
    began = desk.elapsed
    assert sent(desk.protect(order))["client_order_id"] == order.key
    assert desk.statuses in ([403] * count + [200] for count in range(1, 8))
    assert desk.elapsed - began < 0.15, "its shares stood bare for longer than they had to"
    assert open_orders(desk) == [order.key]


def test_an_exit_that_overtakes_the_news_of_its_fill_is_taken(exchange: ExchangeProcess, desk: LivingDesk) -> None:
    somebody = TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)
    bought: list[object] = []
    desk.meanwhile = lambda: bought or bought.append(somebody.submit_order(order_request(market("entry", Side.BUY))))
    assert sent(desk.protect(COVER))["client_order_id"] == COVER.key
    assert desk.statuses == [422, 200]
    assert open_orders(desk) == [COVER.key]


def test_an_exit_whose_repeat_gets_no_answer_stands_once(exchange: ExchangeProcess, desk: LivingDesk) -> None:
    bare(desk)
    desk.let_pass(timedelta(milliseconds=60))  # the next look finds the shares free
    exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 2})
    outcome = desk.protect(COVER)
    assert isinstance(outcome, Sent) and outcome.adopted
    assert desk.statuses == [403, 504]
    assert open_orders(desk) == [COVER.key]


def test_an_exit_of_an_earlier_process_that_holds_the_shares_is_found(desk: LivingDesk) -> None:
    bare(desk)
    first = sent(desk.protect(COVER))
    again = desk.protect(COVER)
    assert isinstance(again, Sent) and again.adopted and again.order["id"] == first["id"]
    assert open_orders(desk) == [COVER.key]


def test_an_exit_whose_shares_stay_held_is_given_up_within_its_patience(desk: LivingDesk) -> None:
    held(desk)
    assert failed(desk.protect(COVER)).error_class is ErrorClass.SHARES_HELD
    assert set(desk.statuses) == {403}
    assert ATTEMPTS < len(desk.statuses) <= ATTEMPTS + MOST_SOON


def test_an_exit_of_shares_that_nobody_has_is_given_up_within_its_patience(desk: LivingDesk) -> None:
    assert failed(desk.protect(COVER)).error_class is ErrorClass.WRONG_SIDE_OF_POSITION
    assert desk.statuses == [422] * ATTEMPTS


def test_an_order_that_does_not_protect_is_told_at_once(desk: LivingDesk) -> None:
    bare(desk)
    elapsed = desk.elapsed
    assert failed(desk.send(COVER)).error_class is ErrorClass.SHARES_HELD
    assert (desk.statuses, desk.elapsed) == ([403], elapsed)


def test_a_refusal_that_time_does_not_mend_is_told_at_once(desk: LivingDesk) -> None:
    bare(desk)
    elapsed, big = desk.elapsed, OrderSpec("buy", "AAPL", Side.BUY, 10**6, OrderType.LIMIT, limit_price=Decimal("20.00"))
    assert failed(desk.protect(big)).error_class is ErrorClass.BUYING_POWER
    assert desk.elapsed == elapsed
