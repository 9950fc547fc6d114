"""What Alpaca's snapshots say of contracts and of stocks, whatever is missing in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.alpaca_options import read_quotes, read_spot
from desk.domain.options import OptionQuote

NOW = datetime(2025, 6, 2, 14, 0, 1, tzinfo=UTC)
PUT = "AAPL250718P00170000"
STAMP = "2025-06-02T14:00:00.123456789Z"
AT = datetime(2025, 6, 2, 14, 0, 0, 123456, tzinfo=UTC)
WHOLE: dict[str, Any] = {
    "latestQuote": {"t": STAMP, "ap": 1.29, "as": 12, "ax": "C", "bp": 1.25, "bs": 7, "bx": "A", "c": "A"},
    "latestTrade": {"t": "2025-06-02T13:44:00Z", "p": 1.3, "s": 2, "x": "C", "c": "I"},
    "impliedVolatility": 0.3127,
    "greeks": {"delta": -0.31, "gamma": 0.02, "rho": -0.1, "theta": -0.05, "vega": 0.2},
    "dailyBar": {"t": "2025-06-02T04:00:00Z", "o": 1.2, "h": 1.4, "l": 1.1, "c": 1.3, "v": 412, "n": 30, "vw": 1.25},
}


def read(raw: Mapping[str, Any] | None, interests: Mapping[str, int] | None = None) -> OptionQuote | None:
    return dict(read_quotes({PUT: raw}, interests or {})).get(PUT)


def without(*names: str) -> dict[str, Any]:
    return {name: part for name, part in WHOLE.items() if name not in names}


def quoted(**sides: Any) -> dict[str, Any]:
    return {"latestQuote": {"t": STAMP, "bp": 1.25, "ap": 1.29, **sides}}


def test_a_whole_snapshot_is_read() -> None:
    expected = OptionQuote(PUT, Decimal("1.25"), Decimal("1.29"), AT, -0.31, 0.3127, 77, 412)
    assert read(WHOLE, {PUT: 77}) == expected


@pytest.mark.parametrize(
    ("missing", "field"),
    [("greeks", "delta"), ("impliedVolatility", "implied_volatility"), ("dailyBar", "volume"), ("nothing", "open_interest")],
)
def test_what_the_broker_does_not_tell_is_none(missing: str, field: str) -> None:
    found = read(without(missing))
    assert found is not None and getattr(found, field) is None
    assert found.bid == Decimal("1.25")


def test_a_delta_that_is_null_is_none() -> None:
    found = read(WHOLE | {"greeks": {"delta": None}})
    assert found is not None and found.delta is None


@pytest.mark.parametrize("side", [0, None])
def test_a_side_that_nobody_offers_is_zero(side: float | None) -> None:
    found = read(quoted(bp=side))
    assert found is not None and (found.bid, found.ask) == (Decimal(0), Decimal("1.29"))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        without("latestQuote"),
        {"latestQuote": None},
        {"latestQuote": {"bp": 1.0, "ap": 1.1}},
        quoted(t="yesterday"),
        quoted(bp="one dollar"),
        quoted(ap=float("nan")),
        quoted(ap=-0.01),
        quoted(bp=[1.0]),
    ],
)
def test_a_contract_without_a_quote_that_can_be_read_is_left_out_alone(raw: Mapping[str, Any] | None) -> None:
    other = "AAPL250718P00165000"
    assert list(dict(read_quotes({PUT: raw, other: WHOLE}, {}))) == [other]


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_prices_are_exact_to_the_cent(bid: int, ask: int) -> None:
    found = read(quoted(bp=bid / 100, ap=ask / 100))
    assert found is not None and (found.bid * 100, found.ask * 100) == (bid, ask)


# ---- what a stock costs -------------------------------------------------------------------------------------------------


def stock(
    last: float | None = None, bid: float | None = None, ask: float | None = None, age: float = 1, quote_age: float = 1
) -> Any:
    def stamp(seconds: float) -> str:
        return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    said: dict[str, Any] = {}
    if last is not None:
        said["latestTrade"] = {"t": stamp(age), "p": last}
    if bid is not None or ask is not None:
        said["latestQuote"] = {"t": stamp(quote_age), "bp": bid, "ap": ask}
    return said


OLD = 15 * 60 + 1.0


@pytest.mark.parametrize(
    ("raw", "spot"),
    [
        (stock(100.0, 99.9, 100.1), 100.0),
        (stock(99.0, 99.9, 100.1), 99.9),  # the market has risen since the last trade
        (stock(101.0, 99.9, 100.1), 100.1),
        (stock(100.0), 100.0),
        (stock(100.0, 90.0, 110.0), 100.0),  # a placeholder says nothing
        (stock(100.0, 0.0, 100.1), 100.0),
        (stock(100.0, 100.1, 99.9), 100.0),
        (stock(99.0, 99.9, 100.1, age=OLD), 100.0),
        (stock(None, 99.9, 100.1), 100.0),
        (stock(99.0, 99.9, 100.1, quote_age=OLD), 99.0),
        (stock(99.0, 99.9, 100.1, age=OLD, quote_age=OLD), None),
        (stock(None, 90.0, 110.0), None),
        (stock(float("nan")), None),
        (stock(0.0), None),
        ({}, None),
        ({"latestTrade": None, "latestQuote": None}, None),
        ({"latestTrade": {"p": 100.0}}, None),
        ({"latestTrade": {"p": 100.0, "t": "now"}}, None),
    ],
)
def test_a_stock_costs_what_its_fresh_trade_and_quote_agree_on(raw: Mapping[str, Any], spot: float | None) -> None:
    assert read_spot(raw, NOW) == (None if spot is None else pytest.approx(spot))
