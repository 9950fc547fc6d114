"""The last hours of options: when orders may no longer open them, when they are over, and which ones the account cannot carry.

Source: https://docs.alpaca.markets/docs/options-trading-overview, "Expiration": from 15:30 New York of the last day no order
opens or extends a position in what expires, and what is in the money and could not be paid for, or delivered, is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from desk.data.calendars import NEW_YORK
from desk.exchange.machine.orders import CONTRACT_SHARES, ZERO
from desk.exchange.market.options.listing_dates import expires_at
from desk.exchange.rules.spread_margin import contract_of
from options.occ import Occ

LAST_HALF_HOUR = timedelta(minutes=30)
IN_THE_MONEY_USD = Decimal("0.01")


def entry_is_shut(expiration: date, now: datetime) -> bool:
    """Whether it is too late to open what ends on `expiration`: half an hour before its last close, 15:30 New York."""
    return now >= expires_at(expiration) - LAST_HALF_HOUR


def has_expired(expiration: date, now: datetime) -> bool:
    """Whether a contract has seen its last trade; `now` is aware."""
    return now >= expires_at(expiration)


def cannot_carry(
    held: Mapping[str, Decimal], day: date, price: Decimal, buying_power: Decimal, shares: Decimal
) -> tuple[str, ...]:
    """Symbols to close before they expire on `day`: long options whose exercise could not be paid for, or delivered.

    `held` are signed contracts by symbol, all on one underlying at `price` dollars, of which the account has `shares`. What
    exercise and assignment bring and take at the same time is netted, as for a spread whose legs both end in the money. The
    options that are least in the money go first, until the rest can be carried.
    """
    ending = {symbol: quantity for symbol, quantity in held.items() if _is_due(contract_of(symbol), day, price)}
    longs = sorted((symbol for symbol, quantity in ending.items() if quantity > 0), key=lambda symbol: _worth(symbol, price))
    closed: list[str] = []
    for is_call in (True, False):
        for symbol in (symbol for symbol in longs if (contract_of(symbol).type == "call") is is_call):
            cash, stock = _outcome(ending, shares)
            is_short_of = -cash > buying_power if is_call else stock < min(ZERO, shares)
            if is_short_of:
                closed.append(symbol)
                del ending[symbol]
    return tuple(closed)


def _is_due(contract: Occ, day: date, price: Decimal) -> bool:
    last_day = expires_at(contract.expiration).astimezone(NEW_YORK).date()
    return last_day == day and _intrinsic(contract, price) >= IN_THE_MONEY_USD


def _worth(symbol: str, price: Decimal) -> Decimal:
    return _intrinsic(contract_of(symbol), price)


def _intrinsic(contract: Occ, price: Decimal) -> Decimal:
    return price - contract.strike if contract.type == "call" else contract.strike - price


def _outcome(ending: Mapping[str, Decimal], shares: Decimal) -> tuple[Decimal, Decimal]:
    """(cash that comes, shares afterwards) when everything in `ending` is exercised or assigned."""
    cash, stock = ZERO, shares
    for symbol, quantity in ending.items():
        contract = contract_of(symbol)
        moved = quantity * CONTRACT_SHARES * (1 if contract.type == "call" else -1)
        cash, stock = cash - moved * contract.strike, stock + moved
    return cash, stock
