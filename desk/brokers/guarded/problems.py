"""A problem of an order that has not been sent, and the reading of an order's fields, which may hold anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

Body = Mapping[str, Any]
CENT = Decimal("0.01")
LARGEST_PRICE = Decimal(10**7)
LARGEST_QUANTITY = Decimal(10**9)
_MOST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an order must not be sent: the field as Alpaca names it, its value as text, and what to give instead."""

    field: str
    value: str
    fix: str

    @property
    def text(self) -> str:
        return f"{self.field} {self.value}: {self.fix}"


def problem(field: str, value: object, fix: str) -> Problem:
    return Problem(field, repr(getattr(value, "value", value))[:100], fix)


def word_of(body: Body, field: str) -> str:
    """A word, whatever enumeration it comes in; "" for none, and for what is no word."""
    value = body.get(field)
    value = getattr(value, "value", value)
    return value if isinstance(value, str) else ""


def number_of(body: Body, field: str) -> Decimal | None:
    """A finite decimal from a number or a text; a float by its shortest text. None for none, and for what is no number."""
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int) and value.bit_length() > _MOST_DIGITS:
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and "_" not in str(value) else None


def number_problem(
    body: Body, field: str, step: Decimal, largest: Decimal, name: str = "", signed: bool = False
) -> Problem | None:
    """A number that is given has to be one, above zero unless `signed`, at most `largest`, and a multiple of `step`."""
    given, value, name = body.get(field), number_of(body, field), name or field
    if given is None:
        return None
    if value is None:
        return problem(name, given, "give a number")
    if abs(value) > largest or (value <= 0 and not signed):
        return problem(name, given, f"give a number {'' if signed else 'above 0 and '}up to {largest}")
    return None if is_multiple(value, step) else problem(name, given, f"give a multiple of {step}")


def is_multiple(value: Decimal, step: Decimal) -> bool:
    try:
        return value == value.quantize(step)
    except InvalidOperation:  # more digits than arithmetic carries
        return False


def is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


def enum_problem(body: Body, field: str, words: tuple[str, ...], optional: bool = False) -> Problem | None:
    given = body.get(field)
    if (optional and given is None) or word_of(body, field) in words:
        return None
    return problem(field, given, f"give one of {', '.join(words)}")
