"""Shares that cover a sold call stay, whether a sell asks for shares or for dollars."""

from __future__ import annotations

from typing import Any

import pytest

CALL = "ABC080905C00105000"
INSUFFICIENT = 40310000


@pytest.fixture
def covered(client: Any) -> Any:
    """150 shares at about 100 dollars, of which 100 cover a sold call."""
    client.send(qty="150")
    assert client.send(symbol=CALL, side="sell", qty="1", time_in_force="day")[0] == 200
    return client


@pytest.mark.parametrize("dollars", ["5200", "14000"])
def test_sell_by_dollars_beyond_what_is_free_is_refused(covered: Any, dollars: str) -> None:
    status, said = covered.send(side="sell", qty=None, notional=dollars, time_in_force="day")
    assert (status, said["code"], said["existing_qty"], said["held_for_orders"]) == (403, INSUFFICIENT, "150", "100")


def test_sell_by_dollars_of_what_is_free_goes_through(covered: Any) -> None:
    status, _ = covered.send(side="sell", qty=None, notional="4900", time_in_force="day")
    assert status == 200
    assert 100 <= float(covered.get("/v2/positions/ABC")["qty"]) < 102
