"""Values as JSON and back, led by their declared types: dataclasses, enums, decimals, instants, dates, spans, paths."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MICROSECOND = timedelta(microseconds=1)


def encode(value: Any) -> Any:
    """Values as JSON: dataclasses by field, decimals and instants as text, spans as whole microseconds."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | PurePath) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value // MICROSECOND
    return _encode_parts(value)


def _encode_parts(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [encode(item) for item in sorted(value)]
    return [encode(item) for item in value] if isinstance(value, list | tuple) else value


def decode(kind: Any, value: Any) -> Any:
    """The inverse of `encode`, led by the declared types. Raises ValueError, TypeError, LookupError or ArithmeticError."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else decode(next(arm for arm in get_args(kind) if arm is not type(None)), value)
    if origin is Literal or kind is Any:
        return value
    if origin is not None:
        return _decode_container(origin, get_args(kind), value)
    if is_dataclass(kind):
        made: Any = kind
        return made(**{name: decode(hint, value[name]) for name, hint in _hints(made).items()})
    return _decode_scalar(kind, value)


def _decode_scalar(kind: Any, value: Any) -> Any:
    if kind is None or kind is types.NoneType:
        return None
    if kind is timedelta:
        return value * MICROSECOND
    if issubclass(kind, date):
        return kind.fromisoformat(value)
    if issubclass(kind, Decimal | Enum | PurePath) or (kind is float and isinstance(value, str)):
        return kind(value)
    wanted = (int, float) if kind is float else kind
    if not isinstance(value, wanted):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _decode_container(origin: Any, arms: tuple[Any, ...], value: Any) -> Any:
    if issubclass(origin, Mapping):
        return {key: decode(arms[1], item) for key, item in value.items()}
    if origin is tuple and Ellipsis not in arms:
        return tuple(decode(arm, item) for arm, item in zip(arms, value, strict=True))
    items = [decode(arms[0], item) for item in value]
    return items if origin is list else origin(items)


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
