"""Reading one field of a request's JSON: a word, a number, a price, or the refusal that Alpaca would send.

Prices and quantities may be JSON numbers or strings: alpaca-py sends the first, other clients the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from desk.domain.prices import tick_size
from desk.exchange.rules.rejections import Rejection, invalid, sub_penny, unprocessable

Body = Mapping[str, object]
Word = TypeVar("Word", bound=StrEnum)
LONGEST_CLIENT_ID = 128
LONGEST_SYMBOL = 32
LONGEST_NUMBER = 64
LARGEST_QUANTITY = Decimal(10**9)
LARGEST_PRICE = Decimal(10**7)
CENT = Decimal("0.01")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Refusal(Exception):
    """Carries a rejection out of the reading of one field."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def refuse_first(*rejections: Rejection | None) -> None:
    for rejection in rejections:
        if rejection is not None:
            raise Refusal(rejection)


def word(value: object, words: type[Word], message: str) -> Word:
    """The value as a member of `words`; JSON may hold anything in its place."""
    if isinstance(value, str) and value in {member.value for member in words}:
        return words(value)
    raise Refusal(invalid(message))


def optional_word(body: Body, field: str, words: type[Word]) -> Word | None:
    return None if body.get(field) is None else word(body[field], words, f"invalid {field}")


def symbol_of(body: Body) -> str:
    """The symbol, which may be unknown but can be written back into an answer."""
    value = body.get("symbol")
    if not isinstance(value, str) or not value:
        raise Refusal(invalid("symbol is required"))
    if len(value) > LONGEST_SYMBOL or not (value.isascii() and value.isprintable()):
        raise Refusal(unprocessable("invalid symbol"))
    return value


def client_id(body: Body) -> str | None:
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Refusal(invalid("client_order_id must be a string"))
    if len(value) > LONGEST_CLIENT_ID:
        raise Refusal(invalid(f"client_order_id must be no more than {LONGEST_CLIENT_ID} characters"))
    if not value.isprintable():  # half a surrogate pair, say, which no answer could carry
        raise Refusal(invalid("invalid client_order_id"))
    return value


def flag(body: Body, field: str) -> bool:
    value = body.get(field)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Refusal(invalid(f"invalid {field}"))


def number(value: object, field: str, largest: Decimal = LARGEST_QUANTITY) -> Decimal:
    """A decimal from a JSON number or string; a float by its shortest text, so 151.1 stays 151.1."""
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) and _is_short(value) else ""
    if _NUMBER.fullmatch(text) is None:
        raise Refusal(invalid(f"invalid {field}"))
    found = Decimal(text)
    if abs(found) > largest:
        raise Refusal(invalid(f"invalid {field}"))
    return found


def whole_number(value: object, field: str, message: str) -> Decimal:
    found = number(value, field)
    if found != found.to_integral_value():
        raise Refusal(unprocessable(message))
    return found.quantize(Decimal(1))


def amount(body: Body, field: str) -> Decimal | None:
    """Shares, contracts or dollars above zero."""
    if body.get(field) is None:
        return None
    found = number(body[field], field)
    if found <= 0:
        raise Refusal(invalid(f"{field} must be > 0"))
    return found


def price(body: Body, field: str, name: str | None = None) -> Decimal | None:
    """A stock's price on the tick grid: two decimals from one dollar up, four below."""
    if body.get(field) is None:
        return None
    name = name or field
    found = number(body[field], name, LARGEST_PRICE)
    if found <= 0:
        raise Refusal(unprocessable(f"{name} must be > 0"))
    tick = tick_size(found)
    if not is_multiple(found, tick):
        raise Refusal(sub_penny(name, found))
    return found.quantize(tick)


def option_price(body: Body, field: str) -> Decimal | None:
    """A contract's price, dollars a share with two decimals."""
    if body.get(field) is None:
        return None
    found = number(body[field], field, LARGEST_PRICE)
    if found <= 0:
        raise Refusal(unprocessable(f"{field} must be > 0"))
    if not is_multiple(found, CENT):
        raise Refusal(unprocessable(f"{field.replace('_', ' ')} must be limited to 2 decimal places"))
    return found.quantize(CENT)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    return value == value.quantize(step)


def _is_short(value: int | float | str) -> bool:
    """Whether the number's text is of a sensible length; Python refuses to write integers of thousands of digits."""
    if isinstance(value, int):
        return value.bit_length() <= LONGEST_NUMBER
    return len(str(value)) <= LONGEST_NUMBER
