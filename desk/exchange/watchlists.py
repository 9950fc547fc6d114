"""Watchlists: named, ordered lists of symbols (https://docs.alpaca.markets/reference/postwatchlist). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid5

from desk.exchange.machine.book import NAMESPACE
from desk.exchange.rules.rejections import Rejection, invalid, not_found

LONGEST_NAME = 64
# Alpaca names no bound; without one a client could make the exchange hold any amount.
MOST_SYMBOLS, MOST_LISTS = 1000, 200


@dataclass(frozen=True, slots=True)
class Watchlist:
    """A list of symbols in the order in which they were registered."""

    id: str
    name: str
    symbols: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


Lists = Mapping[str, Watchlist]
IsKnown = Callable[[str], bool]


def find(lists: Lists, list_id: str) -> Watchlist | Rejection:
    return lists.get(list_id) or not_found("watchlist not found")


def find_by_name(lists: Lists, name: str | None) -> Watchlist | Rejection:
    if not name:
        return invalid("watchlist name is required")
    return next((each for each in lists.values() if each.name == name), None) or not_found("watchlist not found")


def created(lists: Lists, body: object, owner: str, now: datetime, is_known: IsKnown) -> Watchlist | Rejection:
    """The watchlist of a POST; `owner` is the account's id, which the list's id is made from."""
    if not isinstance(body, Mapping):
        return invalid("request body format is invalid: send a JSON object with a name")
    name = _name(lists, body.get("name"), own_id=None)
    if isinstance(name, Rejection):
        return name
    symbols = _symbols(body.get("symbols") or [], is_known)
    if isinstance(symbols, Rejection):
        return symbols
    if len(lists) >= MOST_LISTS:
        return invalid(f"an account has at most {MOST_LISTS} watchlists; delete one first")
    list_id = str(uuid5(NAMESPACE, f"{owner}/watchlist/{len(lists)}/{name}/{now.isoformat()}"))
    return Watchlist(list_id, name, symbols, now, now)


def updated(lists: Lists, old: Watchlist, body: object, now: datetime, is_known: IsKnown) -> Watchlist | Rejection:
    """The watchlist after a PUT of a name, of symbols (which replace the old ones), or of both."""
    if not isinstance(body, Mapping) or (body.get("name") is None and body.get("symbols") is None):
        return invalid("name or symbols is required")
    name = old.name if body.get("name") is None else _name(lists, body["name"], own_id=old.id)
    if isinstance(name, Rejection):
        return name
    symbols = old.symbols if body.get("symbols") is None else _symbols(body["symbols"], is_known)
    if isinstance(symbols, Rejection):
        return symbols
    return replace(old, name=name, symbols=symbols, updated_at=now)


def with_symbol(old: Watchlist, body: object, now: datetime, is_known: IsKnown) -> Watchlist | Rejection:
    """The watchlist after a POST of one symbol, which goes to its end."""
    symbol = body.get("symbol") if isinstance(body, Mapping) else None
    if not isinstance(symbol, str) or not symbol:
        return invalid("symbol is required")
    symbols = _symbols([*old.symbols, symbol], is_known)
    return symbols if isinstance(symbols, Rejection) else replace(old, symbols=symbols, updated_at=now)


def without_symbol(old: Watchlist, symbol: str, now: datetime) -> Watchlist | Rejection:
    if symbol not in old.symbols:
        return not_found(f"symbol {symbol} is not in the watchlist")
    return replace(old, symbols=tuple(each for each in old.symbols if each != symbol), updated_at=now)


def _name(lists: Lists, given: object, own_id: str | None) -> str | Rejection:
    if not isinstance(given, str) or not given:
        return invalid("watchlist name is required")
    if len(given) > LONGEST_NAME:
        return invalid(f"watchlist name must be no more than {LONGEST_NAME} characters")
    if any(each.name == given and each.id != own_id for each in lists.values()):
        return invalid("watchlist name must be unique")
    return given


def _symbols(given: object, is_known: IsKnown) -> tuple[str, ...] | Rejection:
    if not isinstance(given, list) or not all(isinstance(symbol, str) for symbol in given):
        return invalid("symbols must be a list of symbols")
    if len(given) > MOST_SYMBOLS:
        return invalid(f"a watchlist has at most {MOST_SYMBOLS} symbols")
    unknown = next((symbol for symbol in given if not is_known(symbol)), None)
    if unknown is not None:
        return not_found(f"asset not found for {unknown}")
    repeated = next((symbol for place, symbol in enumerate(given) if symbol in given[:place]), None)
    if repeated is not None:
        return invalid(f"duplicate symbol {repeated}")
    return tuple(given)
