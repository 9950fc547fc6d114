"""The order listing: GET /v2/orders with its filters, flat or nested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from desk.exchange.admin import parse_instant
from desk.exchange.orders import Order, Status
from desk.exchange.rejections import Rejection, invalid
from desk.exchange.venue import Exchange
from desk.exchange.wire import Json, order_json

DEFAULT_LIMIT, LARGEST_LIMIT = 50, 500


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """Filters of a listing. `after` and `until` are exclusive, on the submission time."""

    status: str = "open"
    limit: int = DEFAULT_LIMIT
    after: datetime | None = None
    until: datetime | None = None
    is_ascending: bool = False
    is_nested: bool = False
    symbols: frozenset[str] = frozenset()
    side: str | None = None


def parse_query(params: Mapping[str, str]) -> OrderQuery | Rejection:
    """The query of a request's parameters."""
    status, direction, limit = params.get("status", "open"), params.get("direction", "desc"), params.get("limit", "50")
    if status not in ("open", "closed", "all"):
        return invalid(f"invalid status: {status}")
    if direction not in ("asc", "desc"):
        return invalid(f"invalid direction: {direction}")
    if not limit.isdigit() or not 1 <= int(limit) <= LARGEST_LIMIT:
        return invalid(f"invalid limit: {limit}")
    for name in ("after", "until"):
        if params.get(name) and parse_instant(params[name]) is None:
            return invalid(f"invalid {name}: {params[name]}")
    return OrderQuery(
        status=status,
        limit=int(limit),
        after=parse_instant(params.get("after")),
        until=parse_instant(params.get("until")),
        is_ascending=direction == "asc",
        is_nested=params.get("nested", "false").lower() == "true",
        symbols=frozenset(symbol for symbol in params.get("symbols", "").split(",") if symbol),
        side=params.get("side"),
    )


def orders_json(exchange: Exchange, query: OrderQuery) -> list[Json]:
    """The listing. Held legs are no open orders in the flat view; nested, legs appear under their parent only."""
    pool = exchange.book.live_orders() if query.status == "open" else list(exchange.book.orders.values())
    found = [order for order in pool if _fits(order, query)]
    found.sort(key=lambda order: order.number, reverse=not query.is_ascending)
    page = found[: query.limit]
    return [order_json(order, exchange.legs(order) if query.is_nested else None) for order in page]


def _fits(order: Order, query: OrderQuery) -> bool:
    return (
        _has_status(order, query)
        and (not query.is_nested or order.is_top_level)
        and (not query.symbols or order.symbol in query.symbols)
        and (query.side is None or order.side.value == query.side)
        and (query.after is None or order.submitted_at > query.after)
        and (query.until is None or order.submitted_at < query.until)
    )


def _has_status(order: Order, query: OrderQuery) -> bool:
    if query.status == "open":
        return order.is_live and order.status is not Status.HELD
    return query.status == "all" or not order.is_live
