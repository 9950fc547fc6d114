"""Rules of fees: none on paper, what regulators charge when asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

PATH = "/v2/account/activities"


@pytest.fixture
def seller(new_client: Any) -> Any:
    """Bought 1,000 shares and sold them again on the first day, with fees; now after the close."""
    client = new_client(with_fees=True)
    client.to("2008-09-02T14:00:00Z")
    client.send(qty="900")
    client.send(side="sell", qty="900")
    client.to("2008-09-02T21:00:00Z")
    return client


def proceeds(client: Any) -> Decimal:
    sold = [fill for fill in client.get(f"{PATH}/FILL") if fill["side"] == "sell"]
    return sum((Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in sold), Decimal(0))


@pytest.mark.rule("PAP-111", "a paper account pays no fees", source="DOC", status="documented")
def test_paper_trades_without_fees(client: Any) -> None:
    client.send()
    client.send(side="sell")
    client.to("2008-09-04T12:00:00Z")
    assert client.get(f"{PATH}/FEE") == []


@pytest.mark.rule(
    "PAP-112",
    "with fees, sales pay the SEC $20.60 a million and FINRA $0.000166 a share, everything the audit trail",
    source="DOC",
    status="documented",
)
def test_what_a_sale_costs(seller: Any) -> None:
    seller.to("2008-09-03T12:00:00Z")
    fees = {fee["activity_sub_type"]: Decimal(fee["net_amount"]) for fee in seller.get(f"{PATH}/FEE")}
    sec = (proceeds(seller) * Decimal("20.60") / 1_000_000).quantize(Decimal("0.01"), "ROUND_UP")
    assert fees == {"REG": -sec, "TAF": Decimal("-0.15"), "CAT": Decimal("-0.09")}


@pytest.mark.rule("PAP-113", "fees leave the cash at the close and are listed on the next day", source="OAS", status="documented")
def test_when_fees_are_charged(seller: Any) -> None:
    assert seller.get(f"{PATH}/FEE") == []
    flows = [Decimal(fill["price"]) * Decimal(fill["qty"]) * (1 if fill["side"] == "sell" else -1) for fill in seller.get(PATH)]
    cash = Decimal(seller.get("/v2/account")["cash"])
    seller.to("2008-09-03T12:00:00Z")
    fees = sum(Decimal(fee["net_amount"]) for fee in seller.get(f"{PATH}/FEE"))
    assert fees < 0 and cash == 100_000 + sum(flows) + fees


@pytest.mark.rule("PAP-114", "a day's fees of one kind are summed and rounded up to the cent", source="DOC", status="documented")
def test_fees_are_rounded_up_once_a_day(new_client: Any) -> None:
    client = new_client(with_fees=True)
    client.to("2008-09-02T14:00:00Z")
    client.send(qty="6")
    for _ in range(6):
        client.send(side="sell", qty="1")
    client.to("2008-09-03T12:00:00Z")
    fees = {fee["activity_sub_type"]: fee["net_amount"] for fee in client.get(f"{PATH}/FEE")}
    assert fees == {"REG": "-0.02", "TAF": "-0.01", "CAT": "-0.01"}
