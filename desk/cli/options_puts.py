"""The puts that a person names with `--short` and `--long`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation

from desk.domain.errors import UsageError
from desk.runtime.spread_orders import contract_named
from options.listing import contract_of, standard_root
from options.occ import Occ

LARGEST_STRIKE = Decimal("99999.999")
SMALLEST_STEP = Decimal("0.001")


def puts_named(symbol: str, short: str | None, long: str | None, expiration: str | None) -> tuple[str, str] | tuple[None, None]:
    """Symbols of the put to sell and of the one to buy, None where the rules choose. Raises UsageError."""
    if (short is None) != (long is None):
        raise UsageError("--short and --long go together: name both puts, or neither and let the rules choose")
    if short is None or long is None:
        if expiration is not None:
            raise UsageError(
                f"--expiration {expiration}: goes with --short and --long; spreads.min_days and max_days bound the rules"
            )
        return None, None
    try:
        day = None if expiration is None else date.fromisoformat(expiration)
    except ValueError:
        raise UsageError(f"--expiration {expiration}: is no date; write it as 2026-02-20") from None
    return _put(symbol, "--short", short, day), _put(symbol, "--long", long, day)


def _put(underlying: str, option: str, text: str, expiration: date | None) -> str:
    said = contract_of(text.upper().replace(" ", ""))
    problem = _of_strike(text) if said is None else _of_contract(said, underlying)
    if problem is not None:
        raise UsageError(f"{option} {text}: {problem}")
    return contract_named(underlying, text, expiration)


def _of_contract(said: Occ, underlying: str) -> str | None:
    """Why a contract is no put of the underlying. One of an adjusted class has digits behind the root, and is refused as that."""
    if said.type == "call":
        return "is a call; a bull put spread takes puts"
    if said.root.rstrip("0123456789") != standard_root(underlying).rstrip("0123456789"):
        return f"is a put on {said.root}, not on {underlying}"
    return None


def _of_strike(text: str) -> str | None:
    """Why a number can be no strike; what is no number at all is told elsewhere."""
    try:
        strike = Decimal(text)
    except InvalidOperation:
        return None
    if not strike.is_finite():
        return "give the strike in dollars, 167 say"
    if strike <= 0:
        return "a strike must be above zero"
    if strike > LARGEST_STRIKE:
        return f"a strike must be at most {LARGEST_STRIKE:,} dollars"
    return None if strike % SMALLEST_STEP == 0 else "a strike has at most three digits behind the point"
