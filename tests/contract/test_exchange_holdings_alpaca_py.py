"""An account that holds shares from the start, seen by unmodified alpaca-py through the pytest plugin."""

from __future__ import annotations

from typing import Any

import pytest
from alpaca.trading.enums import OrderClass, OrderSide, PositionSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, StopLossRequest, TakeProfitRequest

pytestmark = pytest.mark.slow
EVERY_ORDER = GetOrdersRequest(status=QueryOrderStatus.ALL)
WINDOW = ["symbol", "from", "to", "most_shares", "share_seconds"]


def cover(client: Any, shares: int) -> Any:
    price = float(client.get_open_position("AAPL").current_price)
    return client.submit_order(
        LimitOrderRequest(
            symbol="AAPL",
            qty=shares,
            side=OrderSide.SELL,
            time_in_force=TimeInForce.GTC,
            order_class=OrderClass.OCO,
            take_profit=TakeProfitRequest(limit_price=round(price * 2, 2)),
            stop_loss=StopLossRequest(stop_price=round(price / 2, 2)),
        )
    )


@pytest.mark.paper_exchange(holdings={"AAPL": 30}, latency="measured")
def test_held_shares_are_positions_that_can_be_covered_before_the_open(paper_exchange: Any) -> None:
    client = paper_exchange.trading_client()
    position, account = client.get_open_position("AAPL"), client.get_account()
    assert (position.qty, position.qty_available, position.side) == ("30", "30", PositionSide.LONG)
    assert position.avg_entry_price == position.current_price == position.lastday_price
    assert float(account.equity) == 100_000 and float(account.cash) == 100_000 - float(position.cost_basis)
    assert client.get_orders(EVERY_ORDER) == []
    paper_exchange.advance("2008-09-02T08:00:01-04:00")
    cover(client, 30)
    assert client.get_open_position("AAPL").qty_available == "0"
    paper_exchange.advance("2008-09-02T10:00:00-04:00")
    report = paper_exchange.admin.report()
    said = ["AAPL", "2008-09-02T12:00:00Z", "2008-09-02T12:00:01Z", 30.0, 30.0]
    assert [[window[name] for name in WINDOW] for window in report["unprotected_windows"]] == [said]
    assert (report["unprotected_window_count"], report["unprotected_share_seconds"]) == (1, 30.0)


@pytest.mark.paper_exchange(holdings={"AAPL": 30}, latency="measured")
def test_a_trim_by_cancel_wait_and_cover_leaves_the_window_of_the_release(paper_exchange: Any) -> None:
    client = paper_exchange.trading_client()
    paper_exchange.advance("2008-09-02T10:00:00-04:00")
    first = cover(client, 30)
    paper_exchange.advance("2008-09-02T10:30:00-04:00")
    client.cancel_order_by_id(first.id)
    paper_exchange.advance("2008-09-02T10:30:00.077999-04:00")
    assert client.get_open_position("AAPL").qty_available == "0"
    paper_exchange.advance("2008-09-02T10:30:00.078-04:00")
    assert client.get_open_position("AAPL").qty_available == "30"
    cover(client, 20)
    paper_exchange.advance("2008-09-02T10:31:00-04:00")
    trim = paper_exchange.admin.report()["unprotected_windows"][-1]
    assert (trim["from"], trim["to"], trim["most_shares"]) == ("2008-09-02T14:30:00.015000Z", None, 30.0)
    cover(client, 10)
    trim = paper_exchange.admin.report()["unprotected_windows"][-1]
    assert trim["to"] == "2008-09-02T14:31:00Z" and trim["share_seconds"] == pytest.approx(30 * 0.063 + 10 * 59.922)


def test_who_asks_for_none_holds_none(paper_exchange: Any) -> None:
    assert paper_exchange.trading_client().get_all_positions() == []
