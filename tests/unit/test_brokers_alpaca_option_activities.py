"""Rows of Alpaca's activities and positions, in the words of its documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_option_activities import AlpacaOptionActivities, read_activity, read_position, read_trade
from desk.brokers.endpoint import Endpoint
from desk.core.ports import OptionActivity
from desk.domain.spreads import Settlement

PUT = "AAPL250620P00190000"
# As documented (https://docs.alpaca.markets/docs/options-trading-overview): a day, and no moment.
ROW: dict[str, Any] = {
    "id": "20250620000000000::d65a2e8b-0000-4000-8000-000000000001",
    "activity_type": "OPASN",
    "date": "2025-06-20",
    "net_amount": "0",
    "description": "Option Assignment",
    "symbol": PUT,
    "qty": "2",
    "status": "executed",
}
END_OF_DAY = datetime(2025, 6, 21, 4, 0, tzinfo=UTC)
NOON = datetime(2025, 6, 20, 16, 0, tzinfo=UTC)


class Account:
    """A server that answers pages of activities by their tokens, and keeps what it was asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.asked: list[dict[str, str]] = []
        account = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server calls
                asked = dict(parse_qsl(urlsplit(self.path).query))
                account.asked.append(asked)
                first = [row["id"] for row in rows].index(asked["page_token"]) + 1 if "page_token" in asked else 0
                body = json.dumps(rows[first : first + int(asked["page_size"])]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def activities(self) -> AlpacaOptionActivities:
        url = f"http://127.0.0.1:{self.server.server_port}"
        return AlpacaOptionActivities(trading_client(Endpoint("key", "secret", True, url)))


@contextmanager
def account(*rows: dict[str, Any]) -> Iterator[Account]:
    made = Account(list(rows))
    thread = Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@pytest.mark.parametrize(
    ("kind", "settlement"),
    [("OPASN", Settlement.ASSIGNED), ("OPEXC", Settlement.EXERCISED), ("OPEXP", Settlement.EXPIRED)],
)
def test_each_kind_has_its_word(kind: str, settlement: Settlement) -> None:
    assert read_activity(ROW | {"activity_type": kind}).kind is settlement


@pytest.mark.parametrize("quantity", ["2", "-2", 2, -2.0, "2.000000000"])
def test_contracts_count_above_zero_on_whichever_side_they_were(quantity: Any) -> None:
    assert read_activity(ROW | {"qty": quantity}).contracts == 2


def test_a_row_with_a_day_alone_happened_by_the_end_of_that_day_in_new_york() -> None:
    assert read_activity(ROW) == OptionActivity(ROW["id"], PUT, Settlement.ASSIGNED, 2, END_OF_DAY)


def test_a_row_that_says_when_it_was_entered_happened_then() -> None:
    entered = "2025-06-21T10:00:00.123456789Z"
    assert read_activity(ROW | {"created_at": entered}).at == datetime(2025, 6, 21, 10, 0, 0, 123456, tzinfo=UTC)


def test_a_day_that_has_begun_is_asked_for_from_its_beginning() -> None:
    """A broker that judges a row by its day alone would leave out one of a day that has begun."""
    with account(ROW) as there:
        assert [each.id for each in there.activities.since(NOON)] == [ROW["id"]]
    assert there.asked[0]["after"] == "2025-06-19T16:00:00+00:00"
    assert there.asked[0]["activity_types"] == "OPASN,OPEXC,OPEXP"


def test_what_happened_before_the_moment_is_left_out() -> None:
    with account(ROW | {"created_at": "2025-06-20T15:59:59Z"}) as there:
        assert there.activities.since(NOON) == ()


def test_what_was_taken_back_is_left_out() -> None:
    with account(ROW | {"status": "canceled"}) as there:
        assert there.activities.since(NOON) == ()


def test_pages_are_followed_and_joined_oldest_first() -> None:
    stamps = (f"2025-06-21T10:{n // 60:02d}:{n % 60:02d}Z" for n in range(250))
    with account(*(ROW | {"id": f"{n:04d}", "created_at": at, "qty": str(n + 1)} for n, at in enumerate(stamps))) as there:
        assert [each.contracts for each in there.activities.since(NOON)] == list(range(1, 251))
    assert [asked.get("page_token") for asked in there.asked] == [None, "0099", "0199"]


def test_a_row_that_cannot_be_read_is_not_passed_over() -> None:
    with account(ROW | {"activity_type": "OPCA"}) as there, pytest.raises(KeyError):
        there.activities.since(NOON)


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        ({"qty": "5", "side": "long"}, 5),
        ({"qty": "-5", "side": "short"}, -5),
        ({"qty": "5", "side": "short"}, -5),
        ({"qty": "-5"}, -5),
        ({"qty": "100.75", "side": "long"}, 100),
        ({"qty": "-0.5", "side": "short"}, 0),
    ],
)
def test_a_position_is_below_zero_when_it_is_short(raw: dict[str, Any], count: int) -> None:
    assert read_position(raw) == count


TRADE: dict[str, Any] = {"id": "t", "order_id": "o", "side": "sell", "transaction_time": "2025-06-20T17:00:00Z"}


@pytest.mark.parametrize(
    ("raw", "count", "cash"),
    [
        ({"symbol": PUT, "qty": "2", "price": "1.05"}, 2, 210),
        ({"symbol": "SPY", "qty": "100", "price": "99.5"}, 100, 9950),
        ({"symbol": "SPY", "qty": "100", "price": "99.5", "side": "buy"}, 100, -9950),
        ({"symbol": "SPY", "qty": "3.7", "price": "100"}, 3, 300),
    ],
)
def test_an_execution_brings_its_price_for_a_share_or_for_a_hundred(raw: dict[str, Any], count: int, cash: int) -> None:
    found = read_trade(TRADE | raw, "client")
    assert (found.symbol, found.contracts, found.cash_usd) == (raw["symbol"], count, cash)
