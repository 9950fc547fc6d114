"""JSON text in bytes, strict both ways: NaN and Infinity are not JSON."""

from __future__ import annotations

import json


def dumps(value: object) -> bytes:
    """Compact JSON; keys in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def loads(text: bytes | str) -> object:
    """Parse JSON. Raises ValueError for anything else, NaN and Infinity included."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
