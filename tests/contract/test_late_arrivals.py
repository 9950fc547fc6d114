"""Orders that were given up as never sent, and arrive after all: found, followed, and no others taken for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import requests
from fresh_exchange import MORNING
from late_arrivals import journaled_only
from order_path import order_path

from desk.brokers.alpaca_orders import order_request
from desk.domain.orders import GroupRole
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
ENTRY = GroupRole.ENTRY
FAR = 0.5


def test_an_entry_that_arrives_after_it_was_given_up_is_followed_and_ended(exchange: ExchangeProcess, journal: Path) -> None:
    submit = journaled_only(exchange, journal)
    exchange.admin.advance(MORNING + timedelta(minutes=2))
    with order_path(exchange, journal) as path:
        path.adopt()
        assert [refusal.unsent for refusal in path.refusals] == [True]
        exchange.admin.fault("halted_symbol", {"symbol": "AAPL"})
        body = order_request(submit.spec).to_request_fields()
        path.ask("POST", "/v2/orders", json=body)  # the message of the dead process, at last
        path.wait_until(lambda: path.desk.book.open, "the entry is followed again")
        path.hold("IBM", 0)
        path.advance(seconds=1)
        path.quiet()
        (order,) = path.orders()
        assert (order["status"], dict(path.desk.book.open), path.troubles) == ("canceled", {}, [])


def test_an_entry_that_arrives_between_two_processes_is_found_at_the_start(exchange: ExchangeProcess, journal: Path) -> None:
    submit = journaled_only(exchange, journal)
    exchange.admin.advance(MORNING + timedelta(minutes=2))
    with order_path(exchange, journal) as first:
        first.adopt()
        assert [refusal.unsent for refusal in first.refusals] == [True]
        body = order_request(submit.spec).to_request_fields()
    keys = {"APCA-API-KEY-ID": exchange.api_key, "APCA-API-SECRET-KEY": exchange.api_secret}
    assert requests.post(f"{exchange.url}/v2/orders", json=body, headers=keys, timeout=10).ok
    for _ in range(2):
        with order_path(exchange, journal) as again:
            again.adopt()
            again.quiet()
            assert (again.desk.book.shares(), again.positions()) == ({"AAPL": 10}, {"AAPL": 10})
            assert (again.troubles, again.trade("AAPL").is_protected) == ([], True)


def test_looks_at_what_ended_long_ago_write_nothing(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal) as first:
        first.hold("AAPL", 10)
        first.wait_until(lambda: first.filled_shares(ENTRY) == 10, "the entry fills")
        first.hold("AAPL", 0)
        first.wait_until(lambda: not first.positions(), "the exit fills")
        first.hold("IBM", 5, stop_fraction=FAR, target_fraction=0.4)
        first.wait_until(lambda: first.filled_shares(ENTRY) == 15, "the other entry fills")
    with order_path(exchange, journal) as second:
        second.adopt()
        rows = len(second.rows)
        second.broker._intake._groups.drop_ended(most=0)
        for _ in range(3):
            second.resync()
        assert (len(second.rows), second.troubles, second.desk.book.shares()) == (rows, [], {"IBM": 5})
