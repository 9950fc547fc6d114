"""What regulators and the options clearing house charge, as Alpaca passes it on: summed by day, rounded up to the cent.

Alpaca's paper accounts charge none of it (https://docs.alpaca.markets/docs/paper-trading), so it is off unless asked for.
Rules and rates: https://docs.alpaca.markets/docs/regulatory-fees
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_UP, Decimal

from desk.data.calendars import Session
from desk.exchange.ledger import Execution, Ledger, Posting
from desk.exchange.machine.book import Book, is_option, multiplier
from desk.exchange.machine.orders import ZERO
from desk.exchange.words import Side

CENT = Decimal("0.01")
MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars from the day `since` on.

    `sec_per_million` of the proceeds of sales; `taf_per_share` of stock sold, at most `taf_cap` an execution, and
    `taf_per_contract` of options sold; `cat_per_share` of everything traded, an option contract counting as its shares; and for
    options bought or sold `orf_per_contract` and `occ_per_contract`, the latter at most `occ_cap` an execution.
    """

    since: date
    sec_per_million: Decimal
    taf_per_share: Decimal
    taf_cap: Decimal
    taf_per_contract: Decimal
    cat_per_share: Decimal
    orf_per_contract: Decimal
    occ_per_contract: Decimal
    occ_cap: Decimal


def _rates(since: date, sec_per_million: str) -> Rates:
    """Rates that differ in the SEC's only; the others are those of Alpaca's page, read in 2025 and 2026."""
    others = ("0.000166", "8.30", "0.00279", "0.000046", "0.02685", "0.02", "55")
    return Rates(since, Decimal(sec_per_million), *(Decimal(rate) for rate in others))


# SEC fee rate advisories: https://www.sec.gov/newsroom/press-releases/2024-47 ($27.80 from 2024-05-22), 2025-04-08 ($0 from
# 2025-05-14), order 34-104909 of 2026-02-27 ($20.60).
TABLE = (
    _rates(date(2024, 5, 22), "27.80"),
    _rates(date(2025, 5, 14), "0"),
    _rates(date(2026, 4, 4), "20.60"),
)


def rates_on(day: date) -> Rates:
    """The rates of `day`. Days before the table have the newest: old prices are replayed to learn what trading costs today."""
    if day < TABLE[0].since:
        return TABLE[-1]
    return next(rates for rates in reversed(TABLE) if rates.since <= day)


def day_fees(executions: Iterable[Execution], day: date) -> list[Posting]:
    """One FEE posting for each kind of fee that the executions of one day owe."""
    rates, traded = rates_on(day), list(executions)
    owed = {name: sum((fee(execution, rates) for execution in traded), ZERO) for name, fee in _FEES.items()}
    return [
        Posting("FEE", day, -amount.quantize(CENT, ROUND_UP), sub_kind=name, description=f"{_NAMES[name]} for {day}")
        for name, amount in owed.items()
        if amount > 0
    ]


def charge(book: Book, ledger: Ledger, session: Session, at: datetime) -> None:
    """At a session's close: book what the executions since the last close owe, and take it from the cash."""
    uncharged = ledger.executions[ledger.fees_charged :]
    ledger.fees_charged = len(ledger.executions)
    for posting in day_fees(uncharged, session.day):
        book.cash_usd += posting.net_amount
        ledger.post(posting, at)


def pending_fees(ledger: Ledger, day: date) -> Decimal:
    """Dollars that the executions since the last charge will cost (the account's pending_reg_taf_fees)."""
    return -sum((posting.net_amount for posting in day_fees(ledger.executions[ledger.fees_charged :], day)), ZERO)


def _is_sale(execution: Execution) -> bool:
    return execution.side == Side.SELL.value


def _sec(execution: Execution, rates: Rates) -> Decimal:
    proceeds = execution.price * execution.quantity * multiplier(execution.symbol)
    return proceeds * rates.sec_per_million / MILLION if _is_sale(execution) else ZERO


def _taf(execution: Execution, rates: Rates) -> Decimal:
    if not _is_sale(execution):
        return ZERO
    if is_option(execution.symbol):
        return execution.quantity * rates.taf_per_contract
    return min(rates.taf_cap, execution.quantity * rates.taf_per_share)


def _cat(execution: Execution, rates: Rates) -> Decimal:
    return execution.quantity * multiplier(execution.symbol) * rates.cat_per_share


def _orf(execution: Execution, rates: Rates) -> Decimal:
    return execution.quantity * rates.orf_per_contract if is_option(execution.symbol) else ZERO


def _occ(execution: Execution, rates: Rates) -> Decimal:
    return min(rates.occ_cap, execution.quantity * rates.occ_per_contract) if is_option(execution.symbol) else ZERO


# By Alpaca's activity sub-types.
_FEES: dict[str, Callable[[Execution, Rates], Decimal]] = {"REG": _sec, "TAF": _taf, "CAT": _cat, "ORF": _orf, "OCC": _occ}
_NAMES = {
    "REG": "SEC transaction fee",
    "TAF": "FINRA trading activity fee",
    "CAT": "Consolidated audit trail fee",
    "ORF": "Options regulatory fee",
    "OCC": "Options clearing fee",
}
