"""The state file: the whole exchange as JSON, replaced atomically, so that a replay can go on where it stopped."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from desk.domain.errors import ConfigurationError
from desk.exchange.book import Book
from desk.exchange.jsontext import dumps, loads
from desk.exchange.ledger import Ledger
from desk.exchange.venue import Exchange

VERSION = 1
# A state belongs to its prices and rules: going on with others would tell a story that never happened.
BOUND = ("source", "seed", "cash_usd", "partial_fill_probability", "spread_bps")


def save(exchange: Exchange, path: Path) -> None:
    """Write the state beside `path` and put it in its place. Raises OSError when that cannot be done."""
    document = {
        "version": VERSION,
        "config": {name: getattr(exchange.config, name) for name in BOUND} | {"start": exchange.config.start.isoformat()},
        "now": encode(exchange.now),
        "book": encode(exchange.book),
        "ledger": encode(exchange.ledger),
    }
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(dumps(document))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def resume(exchange: Exchange, path: Path) -> None:
    """Put `exchange` where the saved one stood. Raises ConfigurationError for a file that is broken or of another replay."""
    try:
        document = loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise ValueError(f"not a state of version {VERSION}")
        _refuse_other(exchange, document["config"], path)
        now, book, ledger = (decode(kind, document[name]) for name, kind in _PARTS.items())
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise ConfigurationError(f"state_file {path}: {error}; move it away to start afresh") from error
    exchange.take_over(now, book, ledger)


_PARTS: Mapping[str, type] = {"now": datetime, "book": Book, "ledger": Ledger}


def _refuse_other(exchange: Exchange, saved: Mapping[str, object], path: Path) -> None:
    mine = {name: getattr(exchange.config, name) for name in BOUND} | {"start": exchange.config.start.isoformat()}
    for name, value in mine.items():
        if saved.get(name) != value:
            raise ValueError(f"it was saved with {name} {saved.get(name)!r}, this exchange has {value!r}")


def encode(value: Any) -> Any:
    """Frozen values as JSON: dataclasses by field, decimals and instants as text."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | datetime):
        return str(value) if isinstance(value, Decimal) else value.isoformat()
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    return [encode(item) for item in value] if isinstance(value, list | tuple) else value


def decode(kind: Any, value: Any) -> Any:
    """The inverse of `encode`, led by the declared types."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else decode(next(arm for arm in get_args(kind) if arm is not type(None)), value)
    if origin is not None:
        return _decode_container(origin, get_args(kind), value)
    if is_dataclass(kind):
        made: Any = kind
        return made(**{name: decode(hint, value[name]) for name, hint in _hints(made).items()})
    if kind is datetime:
        return datetime.fromisoformat(value)
    return kind(value) if issubclass(kind, Decimal | Enum) else value


def _decode_container(origin: Any, arms: tuple[Any, ...], value: Any) -> Any:
    if issubclass(origin, Mapping):
        return {key: decode(arms[1], item) for key, item in value.items()}
    items = [decode(arms[0], item) for item in value]
    return tuple(items) if origin is tuple else items


@lru_cache(maxsize=32)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
