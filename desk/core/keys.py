"""Client order ids: deterministic within a journal, unique across journals by the journal's nonce."""

from __future__ import annotations

from datetime import datetime

# Alpaca refuses more than 128 characters; Interactive Brokers shows about 40 of an order reference.
MAX_LENGTH = 128


def order_key(nonce: str, at: datetime, symbol: str, action: str) -> str:
    """Key of the one `action` (open, exit, cancel) on `symbol` decided at `at` (aware, UTC).

    The same decision taken again after a restart gets the same key, so the journal's unique index stops a second order.
    """
    key = f"{nonce}-{at:%Y%m%dT%H%M%S}-{symbol}-{action}"
    if len(key) > MAX_LENGTH:
        raise ValueError(f"client order id {key!r} is longer than {MAX_LENGTH} characters")
    return key
