"""The guarded transport against a real server on this machine: what goes out how often, how fast, and who may go first."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest, ReplaceOrderRequest

from desk.brokers.guarded.breaker import BreakerLimits, CircuitBreaker, State
from desk.brokers.guarded.bucket import RateBudget, TokenBucket
from desk.brokers.guarded.errors import ErrorClass, NeverSent, OverBudget, Retry, failure_of
from desk.brokers.guarded.pacing import Pace, Patience
from desk.brokers.guarded.time_limits import TimeLimits
from desk.brokers.guarded.transport import GuardedTransport, guard, is_protecting, protective

ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"
BUY = MarketOrderRequest(symbol="ABC", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id="a")
Answer = tuple[int, dict[str, str], bytes]
SILENCE: Answer = (0, {}, b"")
CUT_OFF: Answer = (200, {"Content-Length": "100"}, b'{"id": ')
PAGE: Answer = (502, {}, b"<html><h1>502 Bad Gateway</h1></html>")
FINE: Answer = (200, {}, b'{"is_open": true}')
TOO_MANY: Answer = (429, {"Retry-After": "4"}, b'{"code": 42910000, "message": "rate limit exceeded"}')


class Broker:
    """Answers with what `script` holds, the last of it for ever; remembers what it was asked."""

    def __init__(self) -> None:
        self.script: list[Answer] = [FINE]
        self.seen: list[str] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.seen.append(f"{handler.command} {handler.path}")
        status, headers, body = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        handler.close_connection = True
        if status == 0:
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Broker, Callable[[], None]]]:
    told = Broker()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.answer(self)

        do_POST = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{listener.server_address[1]}"
    yield told, listener.shutdown
    listener.shutdown()
    thread.join(5)
    listener.server_close()


@pytest.fixture
def broker(server: tuple[Broker, Callable[[], None]]) -> Broker:
    told, _ = server
    told.script, told.seen = [FINE], []
    return told


QUICK = TimeLimits(1.0, 5.0)


class Desk:
    """A guarded client whose time only waiting moves."""

    def __init__(self, url: str, budget: RateBudget | None = None, limits: TimeLimits = QUICK) -> None:
        self.now, self.waits, self.told = 0.0, [], []
        self.bucket = TokenBucket(self.time, self.time, self.wait, budget)
        self.breaker = CircuitBreaker(self.time, self.told.append, BreakerLimits(failures=3))
        pace = Pace(self.time, self.wait, np.random.default_rng(7))
        self.client: Any = TradingClient("key", "secret", url_override=url, raw_data=True)
        self.client._session.trust_env = False
        guard(self.client, GuardedTransport(self.bucket, self.breaker, pace, Patience(3, 60.0), limits))

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


REPEATED: list[tuple[str, Callable[[Any], object]]] = [
    ("GET /v2/clock", lambda client: client.get_clock()),
    (f"DELETE /v2/orders/{ORDER_ID}", lambda client: client.cancel_order_by_id(ORDER_ID)),
]
ONCE: list[tuple[str, Callable[[Any], object]]] = [
    ("POST /v2/orders", lambda client: client.submit_order(BUY)),
    (f"PATCH /v2/orders/{ORDER_ID}", lambda client: client.replace_order_by_id(ORDER_ID, ReplaceOrderRequest(qty=2))),
    ("DELETE /v2/positions/ABC", lambda client: client.close_position("ABC")),
    ("DELETE /v2/positions?cancel_orders=True", lambda client: client.close_all_positions(cancel_orders=True)),
    ("DELETE /v2/orders", lambda client: client.cancel_orders()),
]


@pytest.mark.parametrize("fault", [PAGE, SILENCE, CUT_OFF, TOO_MANY, (504, {}, b"{}"), (503, {}, b"")])
@pytest.mark.parametrize(("line", "ask"), REPEATED)
def test_what_can_be_asked_twice_is_asked_again_until_it_is_answered(
    broker: Broker, line: str, ask: Callable[[Any], object], fault: Answer
) -> None:
    broker.script = [fault, fault, FINE]
    desk = Desk(broker.url)
    ask(desk.client)
    assert broker.seen == [line] * 3
    assert desk.breaker.state is State.CLOSED


@pytest.mark.parametrize("fault", [PAGE, SILENCE, CUT_OFF, TOO_MANY, (504, {}, b"{}"), (503, {}, b"")])
@pytest.mark.parametrize(("line", "ask"), ONCE)
def test_what_would_happen_twice_is_sent_once(broker: Broker, line: str, ask: Callable[[Any], object], fault: Answer) -> None:
    broker.script = [fault]
    with pytest.raises((APIError, requests.RequestException)):
        ask(Desk(broker.url).client)
    assert broker.seen == [line]


def test_a_cancel_that_may_have_arrived_once_is_not_reported_as_one_that_did_not(broker: Broker) -> None:
    for after in (TOO_MANY, (401, {}, b"{}")):
        broker.script = [(504, {}, b"{}"), after]
        with pytest.raises(APIError) as error:
            Desk(broker.url).client.cancel_order_by_id(ORDER_ID)
        assert error.value.status_code == 504


def test_a_cancel_is_reported_by_its_last_answer_when_that_says_more(broker: Broker) -> None:
    ended = (422, {}, b'{"code": 42210000, "message": "order is already in \\"canceled\\" state"}')
    broker.script = [(504, {}, b"{}"), ended]
    with pytest.raises(APIError) as error:
        Desk(broker.url).client.cancel_order_by_id(ORDER_ID)
    assert error.value.status_code == 422


def test_a_refusal_is_an_answer_and_is_not_repeated(broker: Broker) -> None:
    broker.script = [(403, {}, b'{"code": 40310000, "message": "insufficient buying power"}')]
    desk = Desk(broker.url)
    for _ in range(5):
        with pytest.raises(APIError):
            desk.client.get_clock()
    assert len(broker.seen) == 5
    assert desk.told == []


def test_waits_between_repeats_double_with_a_jitter_that_a_seed_repeats(broker: Broker) -> None:
    broker.script = [PAGE]
    waits = []
    for _ in range(2):
        desk = Desk(broker.url)
        with pytest.raises(APIError):
            desk.client.get_clock()
        waits.append(desk.waits)
    first, second = waits[0]
    assert waits[0] == waits[1]
    assert 0.25 <= first <= 0.5 <= second <= 1.0


def test_a_retry_after_holds_the_next_request_back(broker: Broker) -> None:
    broker.script = [TOO_MANY, FINE]
    desk = Desk(broker.url)
    desk.client.get_clock()
    assert desk.now == pytest.approx(4.0)


def test_an_ordinary_request_does_not_outwait_a_long_retry_after_and_a_cancel_does(broker: Broker) -> None:
    told_to_wait: Answer = (429, {"Retry-After": "100"}, b"{}")
    for ask, waited, seen in ((REPEATED[0][1], 5.0, 1), (REPEATED[1][1], 100.0, 2)):
        broker.script, broker.seen, desk = [told_to_wait, FINE], [], Desk(broker.url)
        with nullcontext() if seen == 2 else pytest.raises(OverBudget):
            ask(desk.client)
        assert len(broker.seen) == seen
        assert desk.now == pytest.approx(waited, abs=1.0)  # and what it rests before it asks again


def test_a_server_that_says_nothing_is_given_up(broker: Broker) -> None:
    """It accepts the connection and never reads it."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url, limits = f"http://127.0.0.1:{deaf.getsockname()[1]}", TimeLimits(1.0, 0.05)
        for _, ask in (*REPEATED, *ONCE):
            with pytest.raises(requests.ReadTimeout):
                ask(Desk(url, limits=limits).client)


def test_ordinary_requests_wait_for_the_budget_a_moment_while_exits_and_cancels_go(broker: Broker) -> None:
    desk = Desk(broker.url, RateBudget(4, 2))
    for _ in range(2):
        desk.client.get_clock()
    with protective():
        desk.client.submit_order(BUY)
    desk.client.cancel_order_by_id(ORDER_ID)
    assert desk.waits == []
    with pytest.raises(OverBudget, match="GET /v2/clock was not sent: within 5 seconds") as held_back:
        desk.client.get_clock()
    assert desk.now == 5.0
    failure = failure_of(held_back.value)
    assert (failure.error_class, failure.is_certain, failure.retry) == (ErrorClass.RATE_LIMITED, True, Retry.DECIDE_AGAIN)
    assert len(broker.seen) == 4
    with protective():
        desk.client.get_clock()
    assert desk.now == 60.0


def test_a_broken_broker_is_left_alone_but_for_what_protects(broker: Broker) -> None:
    broker.script = [PAGE]
    desk = Desk(broker.url)
    with pytest.raises(APIError):
        desk.client.get_clock()
    assert [change.after for change in desk.told] == [State.OPEN]
    sent, free = len(broker.seen), desk.bucket.free()
    with pytest.raises(NeverSent, match=r"POST /v2/orders was not sent\. The broker failed 3 times.*GET /v2/clock: HTTP 502"):
        desk.client.submit_order(BUY)
    assert (len(broker.seen), desk.bucket.free()) == (sent, free)
    broker.script = [FINE]
    desk.now += 1.0
    with protective():
        desk.client.submit_order(BUY)
    assert [change.after for change in desk.told] == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    assert desk.client.get_clock() == json.loads(FINE[2])


def test_silence_opens_the_breaker_as_errors_do(broker: Broker) -> None:
    broker.script = [SILENCE]
    desk = Desk(broker.url)
    with pytest.raises(requests.ConnectionError):
        desk.client.get_clock()
    assert desk.breaker.state is State.OPEN


def test_protection_ends_with_its_block(broker: Broker) -> None:
    desk = Desk(broker.url, RateBudget(2, 1))
    with protective(), protective():
        desk.client.get_clock()
        assert is_protecting()
    assert not is_protecting()
    with pytest.raises(OverBudget):
        desk.client.get_clock()


def test_alpaca_py_repeats_nothing_of_its_own(broker: Broker) -> None:
    broker.script = [TOO_MANY]
    desk = Desk(broker.url)
    with pytest.raises(APIError) as error:
        desk.client.submit_order(BUY)
    assert (error.value.status_code, len(broker.seen)) == (429, 1)
