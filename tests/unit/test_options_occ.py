"""Option symbols: what they say, and what no symbol can say."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from options import occ


def test_symbol_of_alpacas_documents_is_read() -> None:
    found = occ.parse("AAPL250620C00100000")
    assert found == occ.Occ("AAPL", date(2025, 6, 20), "call", Decimal(100))
    assert found.symbol == "AAPL250620C00100000"


def test_strike_has_tenths_of_a_cent() -> None:
    assert occ.parse("F251219P00012500").strike == Decimal("12.5")
    assert occ.parse("F251219P00012505").strike == Decimal("12.505")


def test_root_of_an_adjusted_contract_has_a_digit() -> None:
    assert occ.parse("AAPL1140621C00600000").root == "AAPL1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAPL",
        "AAPL250620X00100000",
        "AAPL250631C00100000",
        "AAPL251320C00100000",
        "AAPL250620C0010000",
        "AAPL250620C00000000",
        "aapl250620C00100000",
        "AAPL  250620C00100000",
        "TOOLONGS250620C00100000",
        "1250620C00100000",
        "AAPL250620C0010000٠",
        "AAPL250620C00100000\n",
    ],
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"symbol|strike|no day"):
        occ.parse(text)


@pytest.mark.parametrize("strike", ["0", "-5", "0.0005", "100000"])
def test_strike_that_a_symbol_cannot_say_is_refused(strike: str) -> None:
    with pytest.raises(ValueError, match="strike"):
        occ.format("SPY", date(2025, 6, 20), "put", Decimal(strike))


def test_root_and_year_that_a_symbol_cannot_say_are_refused() -> None:
    with pytest.raises(ValueError, match="root"):
        occ.format("BRK.B", date(2025, 6, 20), "put", Decimal(400))
    with pytest.raises(ValueError, match="expiration"):
        occ.format("SPY", date(1999, 6, 18), "put", Decimal(130))
