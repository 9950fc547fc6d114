"""Faults of requests on real sockets: a small app behind the faults, served as the exchange serves its own."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import uvicorn
from starlette.types import Receive, Scope, Send

from desk.exchange.faults.http_faults import HttpFaults
from desk.exchange.faults.load import parse_fault
from desk.exchange.faults.plan import FaultPlan
from desk.exchange.protocol import LARGEST_HEAD, BoundedProtocol

pytestmark = pytest.mark.slow
NOW = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
CLOCK = {"timestamp": "2008-09-02T10:00:00-04:00", "is_open": True}


class Served:
    """A small app in a thread: it counts what it is asked, and answers with the clock."""

    def __init__(self) -> None:
        self.plan = FaultPlan(1)
        self.handled = 0
        self.flushed = 0
        self._faults = HttpFaults(self.plan)
        config = uvicorn.Config(
            self._door,
            interface="asgi3",
            http=BoundedProtocol,
            lifespan="off",
            log_level="warning",
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([self._listener])))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def fault(self, kind: str, **given: Any) -> None:
        self.plan.add(parse_fault({"kind": kind, **given}))

    def get(self, path: str = "/v2/clock", timeout: float = 5) -> requests.Response:
        return requests.get(self.url + path, timeout=timeout)

    async def _door(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._faults.serve(scope, receive, send, self._clock, NOW, self._flush)

    async def _clock(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.handled += 1
        body = json.dumps(CLOCK).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _flush(self) -> None:
        self.flushed += 1


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.stop()


def test_without_a_fault_the_app_answers_with_the_date_of_virtual_time(served: Served) -> None:
    answer = served.get()
    assert (answer.status_code, answer.json()) == (200, CLOCK)
    assert answer.headers["date"] == "Tue, 02 Sep 2008 14:00:00 GMT"


@pytest.mark.parametrize("with_headers", [True, False])
def test_a_rate_limit_tells_its_limits_or_not(served: Served, with_headers: bool) -> None:
    served.fault("rate_limit", with_headers=with_headers)
    answer = served.get()
    assert (answer.status_code, answer.json()) == (429, {"code": 42910000, "message": "rate limit exceeded"})
    assert ("X-RateLimit-Limit" in answer.headers) is with_headers
    assert served.handled == 0


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("taken", [True, False])
def test_a_server_error_is_a_page_of_html(served: Served, status: int, taken: bool) -> None:
    served.fault("server_error", status=status, taken=taken)
    answer = served.get()
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert f"<h1>{status} " in answer.text
    assert served.handled == taken


def test_a_hang_never_answers_and_the_server_goes_on(served: Served) -> None:
    served.fault("hang", when={"nth": 1})
    with pytest.raises(requests.ReadTimeout):
        served.get(timeout=0.2)
    assert served.get().status_code == 200


def test_a_hang_after_the_request_was_taken_streams_what_it_caused(served: Served) -> None:
    served.fault("hang", taken=True)
    with pytest.raises(requests.ReadTimeout):
        served.get(timeout=0.2)
    assert (served.handled, served.flushed) == (1, 1)


@pytest.mark.parametrize("taken", [True, False])
def test_a_slow_answer_comes_after_the_seconds(served: Served, taken: bool) -> None:
    served.fault("slow", seconds=0.15, taken=taken)
    began = time.monotonic()
    assert served.get().json() == CLOCK
    assert time.monotonic() - began >= 0.15
    assert served.flushed == taken


@pytest.mark.parametrize("taken", [True, False])
def test_a_reset_is_one_of_the_connection_itself(served: Served, taken: bool) -> None:
    """Read from the bare socket: an RST raises, where an orderly end would read as empty."""
    served.fault("reset", taken=taken)
    with socket.create_connection(served.address, timeout=5) as bare:
        bare.sendall(b"GET /v2/clock HTTP/1.1\r\nhost: localhost\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            bare.recv(1)
    assert served.handled == taken


def test_a_timeout_after_the_order_was_taken(served: Served) -> None:
    served.fault("timeout_after_taken", when={"path": "/v2/orders"})
    assert served.get().status_code == 200
    answer = served.get("/v2/orders")
    assert answer.status_code == 504
    assert (served.handled, served.flushed) == (2, 1)


def test_a_skewed_clock_is_off_in_its_answer_and_in_every_date(served: Served) -> None:
    served.fault("clock_skew", seconds=-90)
    clock, orders = served.get(), served.get("/v2/orders")
    assert clock.json() == {**CLOCK, "timestamp": "2008-09-02T09:58:30-04:00"}
    assert clock.headers["date"] == orders.headers["date"] == "Tue, 02 Sep 2008 13:58:30 GMT"
    assert orders.json() == CLOCK


@pytest.mark.parametrize("path", ["/admin/status", "/healthz", "/metrics", "/", "/page.json"])
def test_the_exchanges_own_paths_are_spared(served: Served, path: str) -> None:
    served.fault("server_error")
    assert served.get(path).status_code == 200


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_head_that_is_too_large_is_refused(served: Served, end: bytes) -> None:
    """Whether its end ever comes or not."""
    with socket.create_connection(served.address, timeout=5) as bare:
        bare.sendall(b"GET /v2/clock HTTP/1.1\r\nx: " + b"a" * LARGEST_HEAD + end)
        assert bare.recv(100).startswith(b"HTTP/1.1 431 ")
    assert served.handled == 0
