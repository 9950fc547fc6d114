"""Filters of option chains, shared by the contracts of the trading API and the snapshots of the market data API."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.options.contract import Contract

Params = Mapping[str, str]
LONGEST_NUMBER = 20


class Unreadable(Exception):
    """A parameter that cannot be read; `str()` of it says which, as an answer's message."""


@dataclass(frozen=True, slots=True)
class ChainFilter:
    """Which contracts; None leaves a thing open. All bounds are included; strikes in dollars."""

    type: str | None = None
    root: str | None = None
    expiration: date | None = None
    expires_from: date | None = None
    expires_until: date | None = None
    strike_from: Decimal | None = None
    strike_until: Decimal | None = None

    def chosen(self, contracts: Iterable[Contract]) -> list[Contract]:
        """Those that fit, in their order."""
        return [contract for contract in contracts if self._has_terms(contract) and self.has_day(contract.expiration)]

    def listed(self, board: OptionBoard, underlying: str, today: date) -> list[Contract]:
        """Those that are listed on `today` and fit, sorted by symbol."""
        found = board.some_contracts(underlying, today, self.type, self.has_day)
        return [contract for contract in found if self._has_terms(contract)]

    def _has_terms(self, contract: Contract) -> bool:
        return (
            self.type in (None, contract.type)
            and self.root in (None, contract.root)
            and (self.strike_from is None or contract.strike >= self.strike_from)
            and (self.strike_until is None or contract.strike <= self.strike_until)
        )

    def has_day(self, expiration: date) -> bool:
        return (
            self.expiration in (None, expiration)
            and (self.expires_from is None or expiration >= self.expires_from)
            and (self.expires_until is None or expiration <= self.expires_until)
        )


def chain_filter(params: Params) -> ChainFilter:
    """The filters of a query. Raises Unreadable for a value that cannot be read."""
    return ChainFilter(
        type=choice(params, "type", ("call", "put")),
        root=params.get("root_symbol") or None,
        expiration=_day(params, "expiration_date"),
        expires_from=_day(params, "expiration_date_gte"),
        expires_until=_day(params, "expiration_date_lte"),
        strike_from=_dollars(params, "strike_price_gte"),
        strike_until=_dollars(params, "strike_price_lte"),
    )


def choice(params: Params, name: str, words: tuple[str, ...]) -> str | None:
    """One of `words`, or None when it is not said."""
    text = params.get(name) or None
    if text is not None and text not in words:
        raise Unreadable(f"invalid {name}: {text[:20]}")
    return text


def flag(params: Params, name: str) -> bool | None:
    text = choice(params, name, ("true", "false", "True", "False", "1", "0"))
    return None if text is None else text.lower() in ("true", "1")


def whole(params: Params, name: str, default: int, largest: int) -> int:
    """A whole number from 1 to `largest`."""
    text = params.get(name) or str(default)
    if not (text.isascii() and text.isdigit()) or len(text) > LONGEST_NUMBER or not 1 <= int(text) <= largest:
        raise Unreadable(f"invalid {name}: {text[:20]}, give 1 to {largest}")
    return int(text)


def encoded(token: str) -> str:
    """A page token that carries `token`."""
    return urlsafe_b64encode(token.encode()).decode()


def decoded(params: Params) -> str:
    """What the query's page token carries; empty without one."""
    try:
        return b64decode(params.get("page_token", ""), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise Unreadable("invalid page_token") from None


def _day(params: Params, name: str) -> date | None:
    text = params.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"invalid {name}: {text[:20]}, send YYYY-MM-DD") from None


def _dollars(params: Params, name: str) -> Decimal | None:
    text = params.get(name)
    if not text:
        return None
    try:
        found = Decimal(text if len(text) <= LONGEST_NUMBER else "")
    except InvalidOperation:
        raise Unreadable(f"invalid {name}: {text[:20]}") from None
    if not found.is_finite():
        raise Unreadable(f"invalid {name}: {text[:20]}")
    return found
