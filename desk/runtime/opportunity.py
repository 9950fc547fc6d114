"""What is handed to the engine, read before a broker is asked anything: what cannot be meant is refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import Any

from desk.domain.errors import UsageError
from desk.runtime.spread_orders import Wanted
from options.gates import Opportunity
from options.listing import standard_root

LARGEST_RISK_USD = 1_000_000.0
LARGEST_SCORE = 10.0
# A symbol of up to six letters and digits, and perhaps a class of shares. The root of its contracts has no room for more.
UNDERLYING = re.compile(r"[A-Z][A-Z0-9]{0,5}([./][A-Z]{1,3})?", re.ASCII | re.IGNORECASE)
LONGEST_ROOT = 6


class BadArgument(UsageError, ValueError):
    """A value that cannot be meant: the text names the field, the value and the fix."""


def underlying_named(text: str) -> str:
    """The symbol of an underlying in capitals. Raises BadArgument for what can be none."""
    symbol = text.strip()
    if UNDERLYING.fullmatch(symbol) is None or len(standard_root(symbol)) > LONGEST_ROOT:
        raise BadArgument(f"symbol {text!r} can be no underlying's: write it as AAPL or BRK.B")
    return symbol.upper()


# ---- opportunities -----------------------------------------------------------------------------------------------------------


def read_opportunity(given: object, max_risk_usd: Decimal | None = None) -> Wanted:
    """An opportunity as the desk understands it. Raises ValueError naming key, value and fix."""
    if not isinstance(given, Mapping):
        found = "missing" if given is None else f"a {type(given).__name__} and no mapping"
        raise BadArgument(f"the opportunity is {found}: give one with symbol, final_score and confidence")
    symbol = _symbol(given.get("symbol"))
    _one_of(given, "asset_type", ("OPTIONS", "OPTION"))
    _one_of(given, "strategy", ("BULL_PUT_SPREAD",))
    score = _number(given, "final_score" if given.get("final_score") is not None else "score", 0.0, LARGEST_SCORE)
    confidence, price = _number(given, "confidence", 0.0, 1.0), _number(given, "price", 0.0, math.inf)
    for name, value in (("final_score", score), ("confidence", confidence)):
        if value is None:
            raise BadArgument(f"{name} is missing: the desk opens nothing of which nobody says how good it is")
    if price is not None and not 0 < price < math.inf:
        raise BadArgument(f"price is {price:g}: give the underlying's price in dollars, above zero")
    reason = str(given.get("reason") or "")
    return Wanted(Opportunity(symbol, score, confidence, price, reason), max_risk_usd=max_risk_usd)


def symbol_of(given: object) -> str:
    """What to call an opportunity that may not be one."""
    return str(given.get("symbol") or "?") if isinstance(given, Mapping) else "?"


def _symbol(given: object) -> str:
    if given is None:
        raise BadArgument("symbol is missing: give the underlying's symbol, AAPL say")
    if not isinstance(given, str):
        raise BadArgument(f"symbol is {given!r}: give the underlying's symbol as text, 'AAPL' say")
    return underlying_named(given)


def _one_of(given: Mapping[str, Any], key: str, accepted: tuple[str, ...]) -> None:
    value = given.get(key)
    if value is None:
        return
    words = [str(value.value), value.name] if isinstance(value, Enum) else [str(value)]
    if not any(word.strip().upper().replace(" ", "_").replace("-", "_") in accepted for word in words):
        raise BadArgument(f"{key} is {value!r}: this engine takes {accepted[0]}, or leave it out")


def _number(given: Mapping[str, Any], key: str, least: float, most: float) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    number = _as_float(value)
    if not least <= number <= most:
        upper = "" if math.isinf(most) else f" to {most:g}"
        raise BadArgument(f"{key} is {value!r}: give a number from {least:g}{upper}")
    return number


def _as_float(value: object) -> float:
    """Not a number for everything that is none: a text or a truth that is taken for one hides a mistake elsewhere."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


# ---- arguments of the engine -----------------------------------------------------------------------------------------------


def risk_told(given: object) -> Decimal:
    """`max_risk_per_trade`, dollars. Raises BadArgument."""
    number = _as_float(given)
    if not 0 < number <= LARGEST_RISK_USD:
        raise BadArgument(f"max_risk_per_trade is {given!r}: give dollars above 0 as a number, at most {LARGEST_RISK_USD:,.0f}")
    return Decimal(repr(number))


def paper_told(given: object) -> bool:
    """`paper_trading`. Raises BadArgument for anything but True and False: "no" would be true."""
    if not isinstance(given, bool):
        raise BadArgument(f"paper_trading is {given!r}: give True for the paper account, or False for real money")
    return given


def start_told(given: object) -> date | None:
    """`start`: a date, or one as ISO 8601 writes it; None for none. Raises BadArgument."""
    if isinstance(given, datetime):
        return given.date()
    if given is None or isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given) if isinstance(given, str) else _no_date(given)
    except ValueError:
        return _no_date(given)


def _no_date(given: object) -> date:
    raise BadArgument(f"start is {given!r}: give a date, datetime.date(2012, 1, 3) or '2012-01-03' say") from None
