"""alpaca-py against a real server on this machine: nothing hangs for ever, and no order is posted twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout

from desk.brokers.alpaca_clients import stock_data_client, trading_client
from desk.brokers.endpoint import Endpoint
from desk.brokers.guarded.time_limits import TimeLimitedAdapter, TimeLimits
from desk.brokers.stream_socket import address_of

ORDER = MarketOrderRequest(symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id="k1")


@dataclass
class Server:
    """Answers every request with `status`, or with nothing at all until `release` is set."""

    url: str = ""
    status: int = 504
    silent: bool = False
    seen: list[tuple[str, str]] = field(default_factory=list)
    release: Event = field(default_factory=Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.seen.append((handler.command, handler.path))
        if self.silent:
            self.release.wait(5)
            return
        body = json.dumps({"code": self.status * 100_000, "message": "not now"}).encode()
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.answer(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            told.answer(self)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{listener.server_address[1]}"
    yield told
    told.release.set()
    listener.shutdown()
    thread.join(5)
    listener.server_close()


def endpoint(server: Server) -> Endpoint:
    return Endpoint("key", "secret", True, server.url, server.url, server.url.replace("http", "ws") + "/stream")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_order_that_may_have_arrived_is_not_posted_again(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(APIError) as error:
        trading_client(endpoint(server)).submit_order(ORDER)
    assert error.value.status_code == status
    assert server.seen == [("POST", "/v2/orders")]


def test_a_refusal_for_rate_is_repeated(server: Server) -> None:
    server.status = 429
    client = trading_client(endpoint(server))
    client._retry, client._retry_wait = 2, 0
    with pytest.raises(APIError):
        client.submit_order(ORDER)
    assert len(server.seen) > 1


def test_a_server_that_says_nothing_is_given_up(server: Server) -> None:
    server.silent = True
    client: Any = trading_client(endpoint(server))
    client._session.get_adapter(server.url).limits = TimeLimits(1.0, 0.1)
    with pytest.raises(ReadTimeout):
        client.get_account()


def test_a_proxy_of_the_environment_does_not_stand_between_the_desk_and_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    server.status = 403
    with pytest.raises(APIError):
        trading_client(endpoint(server)).get_account()
    assert server.seen == [("GET", "/v2/account")]


class Recorder(HTTPAdapter):
    """The end of the line: remembers what it was given instead of sending it."""

    given: dict[str, Any]

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        self.given = kwargs
        return Response()


class Limited(TimeLimitedAdapter, Recorder):
    """TimeLimitedAdapter on top of the recorder."""


@pytest.mark.parametrize(("asked", "given"), [({}, (5.0, 20.0)), ({"timeout": None}, (5.0, 20.0)), ({"timeout": 3}, 3)])
def test_a_request_without_a_time_limit_gets_one(asked: dict[str, Any], given: object) -> None:
    adapter = Limited()
    adapter.send(PreparedRequest(), **asked)
    assert adapter.given["timeout"] == given


@pytest.mark.parametrize("make", [trading_client, stock_data_client])
def test_clients_for_alpaca_itself_are_limited_too_and_use_the_persons_proxy(make: Any) -> None:
    session = make(Endpoint("key", "secret"))._session
    assert isinstance(session.get_adapter("https://paper-api.alpaca.markets"), TimeLimitedAdapter)
    assert session.trust_env


@pytest.mark.parametrize(("is_paper", "host"), [(True, "paper-api.alpaca.markets"), (False, "api.alpaca.markets")])
def test_without_an_address_of_its_own_an_endpoint_is_alpaca(is_paper: bool, host: str) -> None:
    real = Endpoint("key", "secret", is_paper=is_paper)
    assert trading_client(real)._base_url == f"https://{host}"
    assert address_of(real) == f"wss://{host}/stream"


def test_keys_never_show() -> None:
    shown = repr(Endpoint("PKVERYSECRET", "alsosecret"))
    assert "SECRET" not in shown.upper()
    assert "is_paper=True" in shown
