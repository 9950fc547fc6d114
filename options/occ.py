"""Option symbols as the Options Clearing Corporation writes them, without its padding: root, YYMMDD, C or P, strike times 1000.

`AAPL250620C00100000` is the AAPL call struck at $100 that expires on 2025-06-20 (Options Symbology Initiative, OCC 2008).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

OptionType = Literal["call", "put"]

_SYMBOL = re.compile(r"([A-Z][A-Z0-9]{0,5})(\d{2})(\d{2})(\d{2})([CP])(\d{8})", re.ASCII)
_THOUSANDTHS = Decimal(1000)
_LARGEST = 99_999_999


@dataclass(frozen=True, slots=True)
class Occ:
    """What a symbol says. `root` is the underlying's symbol, with a digit for an adjusted contract; strike in dollars."""

    root: str
    expiration: date
    type: OptionType
    strike: Decimal

    @property
    def symbol(self) -> str:
        return format(self.root, self.expiration, self.type, self.strike)


def parse(symbol: str) -> Occ:
    """What `symbol` says. Raises ValueError when it is no option symbol, or names a day or a strike that cannot be."""
    found = _SYMBOL.fullmatch(symbol)
    if found is None:
        raise ValueError(f"{symbol!r} is no option symbol: write root, YYMMDD, C or P and eight digits of strike")
    root, year, month, day, letter, strike = found.groups()
    if int(strike) == 0:
        raise ValueError(f"{symbol!r}: the strike is zero")
    try:
        expiration = date(2000 + int(year), int(month), int(day))
    except ValueError as error:
        raise ValueError(f"{symbol!r}: {year}{month}{day} is no day: {error}") from None
    return Occ(root, expiration, "call" if letter == "C" else "put", int(strike) / _THOUSANDTHS)


def format(root: str, expiration: date, type: OptionType, strike: Decimal) -> str:
    """The symbol of a contract; strike in dollars. Raises ValueError for what a symbol cannot say."""
    thousandths = strike * _THOUSANDTHS
    if thousandths != thousandths.to_integral_value() or not 0 < thousandths <= _LARGEST:
        raise ValueError(f"strike {strike}: a symbol says tenths of a cent above zero, up to 99999.999 dollars")
    if not 2000 <= expiration.year <= 2099:
        raise ValueError(f"expiration {expiration}: a symbol has two digits for the year, 2000 to 2099")
    symbol = f"{root}{expiration:%y%m%d}{'C' if type == 'call' else 'P'}{int(thousandths):08d}"
    if _SYMBOL.fullmatch(symbol) is None:
        raise ValueError(f"root {root!r}: give one to six capital letters or digits, a letter first")
    return symbol
