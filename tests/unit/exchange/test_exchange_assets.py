"""Assets: margin requirements and filters, without a server."""

from __future__ import annotations

import pytest

from desk.data.source import Instrument
from desk.exchange.api.assets import asset_json, parse_filters
from desk.exchange.rules.rejections import Rejection


@pytest.mark.parametrize(
    ("leverage", "long", "short"),
    [(1.0, "30", "30"), (-1.0, "30", "30"), (2.0, "50", "50"), (-2.0, "50", "50"), (3.0, "75", "75"), (-3.0, "75", "75")],
)
def test_requirements_grow_with_leverage(leverage: float, long: str, short: str) -> None:
    asset = asset_json(Instrument("SPXS", "Bear 3X", leverage), True, True, [])
    assert (asset["margin_requirement_long"], asset["margin_requirement_short"]) == (long, short)
    assert asset["maintenance_margin_requirement"] == int(long)


def test_where_nobody_has_margin_nothing_is_lent() -> None:
    asset = asset_json(Instrument("ABC", "ABC Inc."), True, False, [])
    assert (asset["marginable"], asset["shortable"], asset["easy_to_borrow"]) == (False, False, False)
    assert (asset["margin_requirement_long"], asset["borrow_status"]) == ("100", "hard_to_borrow")


def test_an_asset_that_does_not_trade_can_be_neither_sold_short_nor_split() -> None:
    asset = asset_json(Instrument("ABC", "ABC Inc."), False, True, [])
    assert (asset["status"], asset["tradable"], asset["shortable"], asset["fractionable"]) == ("inactive", False, False, False)


@pytest.mark.parametrize("name", ["status", "asset_class", "exchange", "attributes"])
def test_a_filter_that_does_not_exist_is_refused_by_its_name(name: str) -> None:
    refusal = parse_filters({name: "nonsense"})
    assert isinstance(refusal, Rejection) and refusal.status == 422 and name in refusal.message
