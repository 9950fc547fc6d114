"""The limit of requests a minute, in the exchange's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from desk.exchange.config import AccountConfig

New = Callable[..., Any]
SECOND = AccountConfig("key-two", "secret-two")
KEYS_TWO = {"APCA-API-KEY-ID": "key-two", "APCA-API-SECRET-KEY": "secret-two"}


def statuses(http: Any, path: str, times: int) -> list[int]:
    return [http.get(path).status_code for _ in range(times)]


@pytest.mark.rule(
    "LIM-001", "An account may send 200 requests a minute; the next is answered with 429", source="OAS", status="documented"
)
def test_the_request_after_the_two_hundredth_is_refused(new_client: New) -> None:
    client = new_client(requests_per_minute=200)
    assert statuses(client.http, "/v2/clock", 201) == [200] * 200 + [429]


@pytest.mark.rule(
    "LIM-002",
    "Every answer tells X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset, the last in epoch seconds",
    source="OAS",
    status="documented",
)
def test_every_answer_tells_the_limit(new_client: New) -> None:
    client = new_client(requests_per_minute=3)
    answers = [client.http.get("/v2/account"), client.http.get("/v2/orders/unknown"), client.http.post("/v2/orders", json={})]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["3", "3", "3"]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]
    assert all(answer.headers["X-RateLimit-Reset"].isdigit() for answer in answers)


@pytest.mark.rule(
    "LIM-003",
    'The body of a 429 is {"code":42910000,"message":"rate limit exceeded"}',
    source="OAS, FORUM",
    status="measured",
)
def test_the_refusal_has_a_code(new_client: New) -> None:
    client = new_client(requests_per_minute=1)
    client.http.get("/v2/account")
    assert client.http.get("/v2/account").json() == {"code": 42910000, "message": "rate limit exceeded"}


@pytest.mark.rule("LIM-004", "Market data has a limit of its own beside the trading API's", source="DOC", status="documented")
def test_market_data_is_counted_apart(new_client: New) -> None:
    client = new_client(requests_per_minute=1)
    assert statuses(client.http, "/v2/account", 2) == [200, 429]
    assert statuses(client.http, "/v2/stocks/ABC/trades/latest", 2) == [200, 429]


@pytest.mark.rule("LIM-005", "The limit is each account's own", source="OAS", status="documented")
def test_another_account_has_its_own_limit(new_client: New) -> None:
    client = new_client(requests_per_minute=1, accounts=(SECOND,))
    assert statuses(client.http, "/v2/account", 2) == [200, 429]
    assert statuses(client.stranger(KEYS_TWO), "/v2/account", 2) == [200, 429]


@pytest.mark.rule("LIM-006", "A refused request changes nothing", source="DOC", status="documented")
def test_a_refused_order_is_not_taken(new_client: New) -> None:
    client = new_client(requests_per_minute=1)
    client.to("2008-09-02T14:00:00Z")
    client.http.get("/v2/account")
    assert client.send()[0] == 429
    assert client.exchange.first.book.orders == {}


@pytest.mark.rule("LIM-007", "A 429 may lack the rate-limit headers", source="FORUM", status="measured")
def test_a_refusal_without_headers_can_be_asked_for(client: Any) -> None:
    client.http.post("/admin/faults", json={"kind": "rate_limit", "with_headers": False})
    answer = client.http.get("/v2/account")
    assert answer.status_code == 429
    assert not [name for name in answer.headers if name.lower().startswith("x-ratelimit")]
