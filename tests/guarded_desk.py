"""A guarded sender for an exchange, what it sends, and the faults that it meets."""

from __future__ import annotations

import threading
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import GetOrdersRequest
from fresh_exchange import MORNING

from desk.brokers.alpaca_orders import order_request
from desk.brokers.guarded.breaker import Change, CircuitBreaker
from desk.brokers.guarded.bucket import TokenBucket
from desk.brokers.guarded.errors import Failure
from desk.brokers.guarded.outcomes import NotSent, Outcome, Sent
from desk.brokers.guarded.pacing import Pace, Patience
from desk.brokers.guarded.submission import OrderSender, SendLimits
from desk.brokers.guarded.time_limits import TimeLimits
from desk.brokers.guarded.transport import GuardedTransport, guard
from desk.domain.orders import OrderClass, OrderSpec, OrderType, Side, TimeInForce
from desk.exchange.process import ExchangeProcess

READ_SECONDS = 0.4
ORDERS = {"method": "POST", "path": "/v2/orders"}
ONE_ORDER = "/v2/orders/*"
TOO_MUCH = OrderSpec("big", "AAPL", Side.BUY, 10**6, OrderType.LIMIT, limit_price=Decimal("20.00"))
Case = tuple[str, dict[str, Any]]

# The first request of its kind fails so. With `taken` the exchange carries it out and only the answer fails.
FAULTS: list[Case] = [
    ("timeout_after_taken", {}),
    ("reset", {"taken": True}),
    ("reset", {"taken": False}),
    ("hang", {"taken": True}),
    ("hang", {"taken": False}),
    ("slow", {"taken": True, "seconds": 2 * READ_SECONDS}),
    ("slow", {"taken": False, "seconds": 2 * READ_SECONDS}),
    ("rate_limit", {"with_headers": True}),
    ("rate_limit", {"with_headers": False}),
    *(("server_error", {"status": status, "taken": taken}) for status in (500, 502, 503) for taken in (True, False)),
]
# Those after which nobody knows whether the order arrived.
DOUBTS = [fault for fault in FAULTS if fault[0] in ("timeout_after_taken", "reset", "hang")]


def name_of(part: object) -> str:
    """A case's name in a test's."""
    return str(part)


class Desk:
    """A sender whose waits cost no time, but for `real_wait_seconds` after which the exchange is done with a slow request."""

    def __init__(self, exchange: ExchangeProcess, fault: str = "", real_wait_seconds: float = 0.0) -> None:
        # Only a fault that takes time is given up early, so that a busy machine is not mistaken for one.
        read_seconds = READ_SECONDS if fault in ("hang", "slow") else 20.0
        self.elapsed, self.told = 0.0, list[Change]()
        self._real = real_wait_seconds
        bucket = TokenBucket(self.time, self.time, self.wait)
        self.breaker = CircuitBreaker(self.time, self.told.append)
        pace = Pace(self.time, self.wait, np.random.default_rng(11))
        self.client: Any = TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)
        self.client._session.trust_env = False
        guard(self.client, GuardedTransport(bucket, self.breaker, pace, Patience(2, 30.0), TimeLimits(5.0, read_seconds)))
        self.sender = OrderSender(self.client, self, pace, SendLimits(Patience(4, 120.0)))

    def now(self) -> datetime:
        return MORNING

    def time(self) -> float:
        return self.elapsed

    def wait(self, seconds: float) -> None:
        threading.Event().wait(self._real)
        self.elapsed += seconds

    def send(self, spec: OrderSpec, meant_at: datetime | None = None) -> Outcome:
        return self.sender.send(spec, order_request(spec), meant_at)

    def every_order(self) -> list[Any]:
        return list(self.client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True, limit=500)))


def spec(key: str = "desk-1", **changes: Any) -> OrderSpec:
    """A bracket that rests far below the market."""
    fields: dict[str, Any] = {
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "order_class": OrderClass.BRACKET,
        "time_in_force": TimeInForce.GTC,
        "limit_price": Decimal("15.50"),
        "take_profit": Decimal("30.10"),
        "stop_loss": Decimal("12.25"),
    }
    return OrderSpec(key, **{**fields, **changes})


def market(key: str, side: Side, quantity: int = 10) -> OrderSpec:
    return OrderSpec(key, "AAPL", side, quantity, OrderType.MARKET)


def resting(key: str = "resting", price: str = "15.00", **changes: Any) -> OrderSpec:
    return OrderSpec(key, "AAPL", Side.BUY, 10, OrderType.LIMIT, limit_price=Decimal(price), **changes)


def sent(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Sent), outcome
    return dict(outcome.order)


def failed(outcome: Outcome) -> Failure:
    assert isinstance(outcome, NotSent) and isinstance(outcome.refusal, Failure), outcome
    return outcome.refusal
