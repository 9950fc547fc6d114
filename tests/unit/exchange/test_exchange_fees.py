"""Regulatory fees by hand-worked examples."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from desk.data.calendars import session_on
from desk.exchange.fees import TABLE, charge, day_fees, pending_fees, rates_on
from desk.exchange.ledger import Execution, Ledger
from desk.exchange.machine.book import Book

D = Decimal
DAY = date(2026, 9, 2)
AT = datetime(2026, 9, 2, 15, tzinfo=UTC)
OPTION = "SPY260918P00500000"


def fill(side: str, quantity: str, price: str, symbol: str = "ABC") -> Execution:
    return Execution("e", AT, "o", "c", symbol, side, "fill", D(price), D(quantity), D(quantity), D(0), "filled")


def fees(*executions: Execution) -> dict[str | None, Decimal]:
    return {posting.sub_kind: posting.net_amount for posting in day_fees(executions, DAY)}


def test_sales_pay_the_sec_finra_and_the_audit_trail_rounded_up_to_the_cent() -> None:
    # 1,000,000 sold: 20.60 to the SEC; 10,000 shares: 1.66 to FINRA; 10,000 x 0.000046 = 0.46
    assert fees(fill("sell", "10000", "100")) == {"REG": D("-20.60"), "TAF": D("-1.66"), "CAT": D("-0.46")}
    assert fees(fill("sell", "1", "100")) == {"REG": D("-0.01"), "TAF": D("-0.01"), "CAT": D("-0.01")}


def test_purchases_pay_the_audit_trail_alone() -> None:
    assert fees(fill("buy", "100", "50")) == {"CAT": D("-0.01")}


def test_a_days_fees_are_summed_before_they_are_rounded() -> None:
    many = [fill("sell", "10", "10") for _ in range(20)]  # 200 shares, 2,000 dollars
    assert fees(*many) == {"REG": D("-0.05"), "TAF": D("-0.04"), "CAT": D("-0.01")}


def test_the_trading_activity_fee_has_a_cap_for_each_execution() -> None:
    assert fees(fill("sell", "60000", "1"))["TAF"] == D("-8.30")
    assert fees(fill("sell", "60000", "1"), fill("sell", "60000", "1"))["TAF"] == D("-16.60")


def test_options_pay_by_the_contract() -> None:
    # 10 contracts at 2.00 are 2,000 dollars and 1,000 shares
    sold = {"REG": D("-0.05"), "TAF": D("-0.03"), "CAT": D("-0.05"), "ORF": D("-0.27"), "OCC": D("-0.20")}
    assert fees(fill("sell", "10", "2", OPTION)) == sold
    assert fees(fill("buy", "10", "2", OPTION)) == {name: sold[name] for name in ("CAT", "ORF", "OCC")}
    assert fees(fill("buy", "5000", "2", OPTION))["OCC"] == D("-55.00")


def test_a_day_without_executions_costs_nothing() -> None:
    assert day_fees([], DAY) == []


@pytest.mark.parametrize(
    ("day", "rate"),
    [("2024-05-22", "27.80"), ("2025-05-13", "27.80"), ("2025-05-14", "0"), ("2026-12-31", "20.60"), ("2008-09-02", "20.60")],
)
def test_rates_follow_their_dates_and_old_days_have_the_newest(day: str, rate: str) -> None:
    assert rates_on(date.fromisoformat(day)).sec_per_million == D(rate)
    assert [rates.since for rates in TABLE] == sorted(rates.since for rates in TABLE)


def test_the_close_takes_the_fees_from_the_cash_once() -> None:
    book, ledger, session = Book(seed=1, cash_usd=D(1000)), Ledger(AT), session_on(DAY)
    assert session is not None
    ledger.executions.append(fill("sell", "10000", "100"))
    assert pending_fees(ledger, DAY) == D("22.72")
    charge(book, ledger, session, session.closes_at)
    assert book.cash_usd == D("977.28") and pending_fees(ledger, DAY) == 0
    charge(book, ledger, session, session.closes_at)
    assert book.cash_usd == D("977.28")
    assert [(entry.kind, entry.sub_kind, entry.day) for entry in ledger.entries] == [
        ("FEE", name, DAY) for name in ("REG", "TAF", "CAT")
    ]
    assert ledger.entries[0].created_at.date() == date(2026, 9, 3)
