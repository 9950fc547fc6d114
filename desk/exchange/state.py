"""The state file: the whole exchange as JSON, replaced atomically, so that a replay can go on where it stopped.

Keys are not in it. Accounts are known by their number, so they may have other keys when the exchange goes on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from desk.domain.errors import ConfigurationError
from desk.exchange.account_settings import AccountSettings
from desk.exchange.api.jsontext import dumps, loads
from desk.exchange.codec import decode, encode
from desk.exchange.config import ExchangeConfig
from desk.exchange.ledger import Ledger
from desk.exchange.machine.book import Book
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange
from desk.exchange.watchlists import Watchlist

VERSION = 4
# A state belongs to its prices and rules: going on with others would tell a story that never happened.
BOUND = (
    *("source", "start", "seed", "spread_bps", "partial_fill_probability", "latency", "switches", "with_fees"),
    *("not_fractionable", "not_shortable", "hard_to_borrow"),
)
BOUND_OF_ACCOUNTS = ("cash_usd", "multiplier", "options_level")
# What is kept of an account, by attribute.
PARTS: Mapping[str, Any] = {"book": Book, "ledger": Ledger, "settings": AccountSettings, "watchlists": dict[str, Watchlist]}


def save(exchange: Exchange, path: Path) -> None:
    """Write the state beside `path` and put it in its place. Raises OSError when that cannot be done."""
    document = {
        "version": VERSION,
        "config": _bound(exchange.config),
        "now": encode(exchange.now),
        "accounts": [{name: encode(getattr(account, name)) for name in PARTS} for account in _by_number(exchange)],
    }
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(dumps(document))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def resume(exchange: Exchange, path: Path) -> None:
    """Put `exchange` where the saved one stood. Raises ConfigurationError for a file that is broken or of another replay, and
    changes neither the file nor the exchange then."""
    try:
        document: Any = loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise ValueError(f"it is not a state of version {VERSION}")
        _refuse_other(_bound(exchange.config), document["config"])
        now = decode(datetime, document["now"])
        saved = [{name: decode(kind, account[name]) for name, kind in PARTS.items()} for account in document["accounts"]]
        pairs = list(zip(_by_number(exchange), saved, strict=True))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ConfigurationError(f"state_file {path}: {_told(error)}; move it away to start afresh") from error
    for account, parts in pairs:
        for name, value in parts.items():
            setattr(account, name, value)
    exchange.take_over(now)


def _by_number(exchange: Exchange) -> list[Account]:
    return sorted(exchange.accounts.values(), key=lambda account: account.number)


def _bound(config: ExchangeConfig) -> dict[str, Any]:
    accounts = [
        {name: getattr(account, name) for name in BOUND_OF_ACCOUNTS} | {"holdings": dict(account.holdings)}
        for account in config.all_accounts()
    ]
    return {name: encode(getattr(config, name)) for name in BOUND} | {"accounts": accounts}


def _refuse_other(mine: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    for name, value in mine.items():
        if saved.get(name) != value:
            raise ValueError(f"it was saved with {name} {saved.get(name)!r}, this exchange has {value!r}")


def _told(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
