"""Rules of assets."""

from __future__ import annotations

from typing import Any

import pytest
from alpaca.trading.models import Asset

from desk.data.source import Instrument

PATH = "/v2/assets"


@pytest.mark.rule(
    "AST-001", "an asset has the documented fields, requirements as text among them", source="OAS", status="documented"
)
def test_an_asset_is_described(client: Any) -> None:
    asset = client.get(f"{PATH}/ABC")
    assert (asset["class"], asset["symbol"], asset["name"], asset["status"]) == ("us_equity", "ABC", "ABC Inc.", "active")
    flags = ("tradable", "marginable", "shortable", "easy_to_borrow", "fractionable")
    assert all(asset[flag] is True for flag in flags) and asset["borrow_status"] == "easy_to_borrow"
    assert (asset["margin_requirement_long"], asset["margin_requirement_short"]) == ("30", "30")
    assert Asset(**asset).maintenance_margin_requirement == 30


@pytest.mark.rule("AST-002", "an asset is found by its symbol and by its id", source="OAS", status="documented")
def test_an_asset_has_two_names(client: Any) -> None:
    asset = client.get(f"{PATH}/ABC")
    assert client.get(f"{PATH}/{asset['id']}") == asset


@pytest.mark.rule("AST-003", "an unknown asset is 404 40410000, asset not found for X", source="3P", status="documented")
def test_an_unknown_asset_is_not_found(client: Any) -> None:
    answer = client.http.get(f"{PATH}/NONE")
    assert (answer.status_code, answer.json()) == (404, {"code": 40410000, "message": "asset not found for NONE"})


@pytest.mark.rule(
    "AST-004", "the list is filtered by status, class, exchange and any of some attributes", source="OAS", status="documented"
)
def test_assets_are_filtered(client: Any) -> None:
    def symbols(**params: str) -> list[str]:
        return [asset["symbol"] for asset in client.get(PATH, **params)]

    assert symbols() == ["ABC", "NEW", "XYZ"] == symbols(asset_class="us_equity", exchange="NASDAQ")
    assert symbols(status="active") == ["ABC", "XYZ"] and symbols(status="inactive") == ["NEW"]
    assert symbols(asset_class="crypto") == symbols(exchange="ARCA") == symbols(attributes="ipo") == []
    assert symbols(attributes="ipo,has_options") == symbols(attributes="has_options") != []
    assert client.http.get(PATH, params={"status": "sleeping"}).status_code == 422


@pytest.mark.rule(
    "AST-005", "funds that pay twice an index keep 50 % of margin, three times 75 %, both ways", source="DOC", status="documented"
)
@pytest.mark.parametrize(("leverage", "requirement"), [(2.0, "50"), (-2.0, "50"), (3.0, "75"), (-3.0, "75"), (-1.0, "30")])
def test_leveraged_funds_ask_for_more_margin(client: Any, leverage: float, requirement: str) -> None:
    client.exchange.market.source.instruments["ABC"] = Instrument("ABC", "a fund", leverage)
    asset = client.get(f"{PATH}/ABC")
    assert (asset["margin_requirement_long"], asset["maintenance_margin_requirement"]) == (requirement, int(requirement))


@pytest.mark.rule(
    "AST-006", "an asset that does not trade yet or any more is inactive and not tradable", source="OAS", status="documented"
)
def test_assets_come_and_go(client: Any) -> None:
    assert client.get(f"{PATH}/NEW")["tradable"] is False and client.get(f"{PATH}/XYZ")["tradable"] is True
    client.to("2008-09-04T14:00:00Z")
    new, gone = client.get(f"{PATH}/NEW"), client.get(f"{PATH}/XYZ")
    assert (new["status"], new["tradable"]) == ("active", True)
    assert (gone["status"], gone["tradable"], gone["shortable"]) == ("inactive", False, False)
