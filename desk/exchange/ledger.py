"""What the exchange has seen happen: executions, refusals, closing equity, stops that gapped, shares that stood bare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from desk.domain.orders import OrderType, Side
from desk.exchange.orders import Event, EventKind
from desk.exchange.rejections import FORBIDDEN, Rejection


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of the account. Price in dollars; `cumulative` and `leaves` in shares of the order."""

    execution_id: str
    at: datetime
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    kind: str
    price: Decimal
    quantity: int
    cumulative: int
    leaves: int
    order_status: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that was not taken, or that was rejected later."""

    at: datetime
    client_order_id: str | None
    status: int
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class GappedStop:
    """A stop that filled beyond its price because the session opened through it."""

    symbol: str
    at: datetime
    stop_price: Decimal
    fill_price: Decimal
    shares: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Equity and cash in dollars at a session's close."""

    at: datetime
    equity_usd: Decimal
    cash_usd: Decimal


@dataclass
class Ledger:
    """The running record; the one part of the exchange that only grows."""

    opened_at: datetime
    events_emitted: int = 0
    orders_submitted: int = 0
    executions: list[Execution] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    gapped: list[GappedStop] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    unprotected_share_seconds: dict[str, float] = field(default_factory=dict)

    def record(self, event: Event, is_opening: bool) -> None:
        """Take note of an event; `is_opening` says that it happened at a session's first price."""
        self.events_emitted += 1
        if event.is_fill:
            self.executions.append(_execution(event))
            if is_opening and _gapped(event):
                self.gapped.append(_gapped_stop(event))
        elif event.kind is EventKind.REJECTED:
            self.refused.append(
                Refused(event.at, event.order.client_order_id, 200, FORBIDDEN, "insufficient buying power at execution")
            )

    def refuse(self, at: datetime, client_order_id: object, rejection: Rejection) -> None:
        shown = client_order_id if isinstance(client_order_id, str) else None
        self.refused.append(Refused(at, shown, rejection.status, rejection.code, rejection.message))

    def expose(self, bare: Mapping[str, int], duration: timedelta) -> None:
        """Add `duration` during which the shares in `bare` had no exit."""
        for symbol, shares in bare.items():
            seconds = shares * duration.total_seconds()
            self.unprotected_share_seconds[symbol] = self.unprotected_share_seconds.get(symbol, 0.0) + seconds


def _execution(event: Event) -> Execution:
    order = event.order
    assert event.price is not None and event.quantity is not None
    return Execution(
        execution_id=event.execution_id,
        at=event.at,
        order_id=order.id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side.value,
        kind=event.kind.value,
        price=event.price,
        quantity=event.quantity,
        cumulative=order.filled_quantity,
        leaves=order.remaining,
        order_status=order.status.value,
    )


def _gapped(event: Event) -> bool:
    order = event.order
    if order.type is not OrderType.STOP or order.stop_price is None or event.price is None:
        return False
    return event.price < order.stop_price if order.side is Side.SELL else event.price > order.stop_price


def _gapped_stop(event: Event) -> GappedStop:
    assert event.order.stop_price is not None and event.price is not None and event.quantity is not None
    return GappedStop(event.order.symbol, event.at, event.order.stop_price, event.price, event.quantity)
