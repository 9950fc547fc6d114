"""What alpaca-py does with the exchange's answers and failures (alpaca-py 0.44.0, alpaca/common/rest.py), over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed
from alpaca.data.historical.option import OptionHistoricalDataClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockLatestQuoteRequest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetOptionContractsRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
MORNING = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
ORDERS = {"method": "POST", "path": "/v2/orders"}
SOURCE = "SDK"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    folder: Path = tmp_path_factory.mktemp("exchange")
    config = ExchangeConfig("bundled", date(2008, 9, 2), partial_fill_probability=0.0, access_log=folder / "access.log")
    with ExchangeProcess(config, folder / "log") as running:
        yield running


@pytest.fixture
def exchange(process: ExchangeProcess) -> ExchangeProcess:
    process.admin.reset()
    process.admin.advance(MORNING)
    return process


def client_of(exchange: ExchangeProcess, raw_data: bool = False) -> Any:
    client = TradingClient(exchange.api_key, exchange.api_secret, paper=True, url_override=exchange.url, raw_data=raw_data)
    client._session.trust_env = False
    client._retry_wait = 0
    return client


def buy(client_order_id: str | None = None) -> MarketOrderRequest:
    return MarketOrderRequest(
        symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=client_order_id
    )


def taken(client: Any) -> list[str]:
    return [order.client_order_id for order in client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL))]


def hits(exchange: ExchangeProcess) -> list[int]:
    return [int(fault["hits"]) for fault in exchange.admin.faults()]


@pytest.mark.rule("SDK-001", "alpaca-py asks again three times after a 429, orders included", source=SOURCE, status="measured")
def test_a_rate_limit_is_asked_again_three_times(exchange: ExchangeProcess) -> None:
    client = client_of(exchange)
    exchange.admin.fault("rate_limit", {**ORDERS, "count": 3})
    assert client.submit_order(buy("mine")).client_order_id == "mine"
    assert (hits(exchange), taken(client)) == ([3], ["mine"])
    exchange.admin.clear_faults()
    exchange.admin.fault("rate_limit", ORDERS)
    with pytest.raises(APIError) as refused:
        client.submit_order(buy())
    assert (refused.value.status_code, hits(exchange)) == (429, [4])


@pytest.mark.rule("SDK-002", "alpaca-py waits 3 seconds between two attempts", source=SOURCE, status="measured")
def test_the_wait_between_attempts(exchange: ExchangeProcess) -> None:
    client = client_of(exchange)
    del client._retry_wait
    client._retry_wait = TradingClient("a", "b", url_override=exchange.url)._retry_wait
    exchange.admin.fault("rate_limit", {"path": "/v2/account", "nth": 1})
    began = time.monotonic()
    client.get_account()
    assert 3 <= time.monotonic() - began < 6


@pytest.mark.rule(
    "SDK-003",
    "After a 504 alpaca-py sends the order again: with its own id it hears 422, and the order stands once",
    source=SOURCE,
    status="measured",
)
def test_a_504_with_an_own_id_places_the_order_once(exchange: ExchangeProcess) -> None:
    client = client_of(exchange)
    exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    with pytest.raises(APIError) as refused:
        client.submit_order(buy("mine"))
    assert (refused.value.status_code, taken(client)) == (422, ["mine"])


@pytest.mark.rule("SDK-004", "After a 504 an order without an own id is placed twice", source=SOURCE, status="measured")
def test_a_504_without_an_own_id_places_the_order_twice(exchange: ExchangeProcess) -> None:
    client = client_of(exchange)
    exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    client.submit_order(buy())
    assert len(taken(client)) == 2


@pytest.mark.rule("SDK-005", "500, 502, 503 and broken connections are not asked again", source=SOURCE, status="measured")
@pytest.mark.parametrize(
    "fault", [{"kind": "server_error", "status": 500}, {"kind": "server_error", "status": 503}, {"kind": "reset"}]
)
def test_other_failures_are_not_asked_again(exchange: ExchangeProcess, fault: dict[str, Any]) -> None:
    exchange.admin.fault(fault["kind"], ORDERS, **{name: value for name, value in fault.items() if name != "kind"})
    with pytest.raises((APIError, requests.ConnectionError)):
        client_of(exchange).submit_order(buy())
    assert hits(exchange) == [1]


@pytest.mark.rule("SDK-006", "alpaca-py sets no timeout on a request", source=SOURCE, status="measured")
def test_no_request_has_a_timeout(exchange: ExchangeProcess) -> None:
    client, seen = client_of(exchange), []
    send = client._session.send
    client._session.send = lambda request, **options: seen.append(options["timeout"]) or send(request, **options)
    client.get_account()
    client.submit_order(buy())
    assert seen == [None, None]


@pytest.mark.rule(
    "SDK-007",
    "APIError's code cannot be read from a page of HTML, nor from a body without one; its status can",
    source=SOURCE,
    status="measured",
)
def test_an_error_without_json_has_a_status_only(exchange: ExchangeProcess) -> None:
    exchange.admin.fault("server_error", {"path": "/v2/account"}, status=502)
    with pytest.raises(APIError) as refused:
        client_of(exchange).get_account()
    assert refused.value.status_code == 502
    with pytest.raises(JSONDecodeError):
        _ = refused.value.code


@pytest.mark.rule(
    "SDK-008", "Keys and the client's name go in headers; redirects are not followed", source=SOURCE, status="measured"
)
def test_headers_of_a_request(exchange: ExchangeProcess) -> None:
    client, seen = client_of(exchange), []
    client._session.hooks["response"].append(lambda answer, *_, **__: seen.append(answer))
    client.get_account()
    headers = seen[0].request.headers
    assert (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) == (exchange.api_key, exchange.api_secret)
    assert headers["User-Agent"].startswith("APCA-PY/0.44.0")
    assert seen[0].history == []


@pytest.mark.rule("SDK-009", "With raw_data the answers are dictionaries, group_id and all", source=SOURCE, status="measured")
def test_raw_data_keeps_what_the_models_drop(exchange: ExchangeProcess) -> None:
    bracket = {"order_class": "bracket", "take_profit": {"limit_price": 900}, "stop_loss": {"stop_price": 1}}
    request = LimitOrderRequest(
        symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=500, **bracket
    )
    order = client_of(exchange, raw_data=True).submit_order(request)
    assert isinstance(order, dict) and order["group_id"] and order["group_role"] == "entry"


@pytest.mark.rule("SDK-010", "A replacement's quantity is a whole number for alpaca-py", source=SOURCE, status="measured")
def test_a_replacement_has_whole_shares() -> None:
    with pytest.raises(ValueError, match="qty"):
        ReplaceOrderRequest(qty=1.5)
    assert ReplaceOrderRequest(qty=2).to_request_fields() == {"qty": 2}


@pytest.mark.rule(
    "SDK-011",
    "url_override takes the base address for trading, stock and option data: their versions are appended",
    source=SOURCE,
    status="measured",
)
def test_one_address_serves_every_client(exchange: ExchangeProcess) -> None:
    keys = exchange.api_key, exchange.api_secret
    stocks = StockHistoricalDataClient(*keys, url_override=exchange.url)
    quote: Any = stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL", feed=DataFeed.IEX))
    assert quote["AAPL"].ask_price > 0
    assert client_of(exchange).get_option_contracts(GetOptionContractsRequest(underlying_symbols=["AAPL"])).option_contracts
    assert OptionHistoricalDataClient(*keys, url_override=exchange.url).get_option_exchange_codes()
