"""What the exchange says of the account after a schedule, asked with plain requests and none of the desk's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

Json = dict[str, Any]
PAGE = 500
ENDED = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


@dataclass(frozen=True, slots=True)
class Execution:
    """Shares that an order filled at `at`; negative for a sale."""

    order_id: str
    symbol: str
    at: datetime
    shares: int


@dataclass(frozen=True, slots=True)
class Truth:
    """`orders` by id, each flat and with `parent` (the id of the order that carries its key) and `key`; `positions` by symbol."""

    orders: dict[str, Json]
    executions: tuple[Execution, ...]
    positions: dict[str, int]


def ask(url: str, key: str, secret: str) -> Truth:
    """Everything about the account. Raises requests' errors."""
    with connected(key, secret) as session:
        orders = {str(order["id"]): order for order in _orders(session, url)}
        activities = tuple(execution(each) for each in activities_of(session, url, "FILL"))
        held = get(session, f"{url}/v2/positions")
    return Truth(orders, activities, {str(each["symbol"]): int(Decimal(each["qty"])) for each in held})


@contextmanager
def connected(key: str, secret: str) -> Iterator[requests.Session]:
    """Plain requests in the name of an account."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
        yield session


def _orders(session: requests.Session, url: str) -> Iterator[Json]:
    """Parents with their legs, and every order that the nested listing leaves out: replaced members of a group."""
    seen: set[str] = set()
    for parent in _pages(session, url, "true"):
        for order in (parent, *(parent.get("legs") or ())):
            seen.add(str(order["id"]))
            yield {**order, "parent": parent["id"], "key": parent["client_order_id"]}
    for order in _pages(session, url, "false"):
        if str(order["id"]) not in seen:
            yield {**order, "parent": None, "key": order["client_order_id"]}


def _pages(session: requests.Session, url: str, nested: str) -> Iterator[Json]:
    """Each order once: a page begins with the instant that the one before it ended with, of which it may have had a part."""
    since: Json = {}
    seen: set[str] = set()
    while page := get(session, f"{url}/v2/orders", status="all", nested=nested, limit=PAGE, direction="asc", **since):
        fresh = [order for order in page if order["id"] not in seen]
        yield from fresh
        seen |= {order["id"] for order in fresh}
        if len(page) < PAGE or not fresh:
            return
        since = {"after": (instant(page[-1]["submitted_at"]) - timedelta(microseconds=1)).isoformat()}


def activities_of(session: requests.Session, url: str, kind: str) -> Iterator[Json]:
    """Every activity of a kind that clients see by now, the oldest first."""
    token: Json = {}
    while page := get(session, f"{url}/v2/account/activities/{kind}", direction="asc", page_size=100, **token):
        yield from page
        token = {"page_token": page[-1]["id"]}


def execution(activity: Json) -> Execution:
    """What a FILL says."""
    shares = int(Decimal(str(activity["qty"])))
    signed = shares if activity["side"] == "buy" else -shares
    return Execution(str(activity["order_id"]), str(activity["symbol"]), instant(activity["transaction_time"]), signed)


def get(session: requests.Session, address: str, wait_seconds: float = 20.0, **parameters: Any) -> Any:
    """What is answered, as JSON. Raises requests' errors."""
    answer = session.get(address, params=parameters, timeout=wait_seconds)
    answer.raise_for_status()
    return answer.json()


def instant(text: Any) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
