"""What stock Lumibot's Alpaca broker sends for five credit spreads, beside what the desk's broker sends for the same call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
BACKTESTS = Path(__file__).parents[2] / "backtests"


@pytest.fixture(scope="module")
def sent() -> dict[str, Any]:
    sys.path.insert(0, str(BACKTESTS))
    try:
        import stock_lumibot_spread
    finally:
        sys.path.remove(str(BACKTESTS))
    return {each.name: each for each in stock_lumibot_spread.compare()}


def test_both_are_asked_for_the_same_five_at_the_same_credit(sent: dict[str, Any]) -> None:
    stock, desk = sent["stock Lumibot"], sent["the desk"]
    assert stock.credit == desk.credit > 0
    assert [leg["symbol"] for leg in stock.body["legs"]] == [leg["symbol"] for leg in desk.body["legs"]]


def test_stock_lumibot_sends_one_spread_at_a_price_to_pay(sent: dict[str, Any]) -> None:
    stock = sent["stock Lumibot"]
    assert (stock.body["qty"], stock.body["limit_price"]) == ("1", stock.credit)
    assert [leg["ratio_qty"] for leg in stock.body["legs"]] == ["1", "1"]


def test_the_exchange_takes_it_for_a_debit_and_fills_it_for_less_than_was_asked(sent: dict[str, Any]) -> None:
    stock = sent["stock Lumibot"]
    assert stock.order["status"] == "filled"
    assert 0 < -float(stock.order["filled_avg_price"]) < stock.credit
    assert sorted(stock.positions.values()) == ["-1", "1"]


def test_the_desk_sends_five_spreads_that_take_no_less_than_was_asked(sent: dict[str, Any]) -> None:
    desk = sent["the desk"]
    assert (desk.body["qty"], desk.body["limit_price"]) == (5, -desk.credit)
    assert [leg["ratio_qty"] for leg in desk.body["legs"]] == [1, 1]
    assert (desk.order["status"], desk.positions) == ("new", {})
