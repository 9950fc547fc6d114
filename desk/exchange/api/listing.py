"""The order listing: GET /v2/orders with its filters, flat or nested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from desk.exchange.api.admin import parse_instant
from desk.exchange.api.wire import Json, order_json
from desk.exchange.machine.orders import Order
from desk.exchange.rules.rejections import Rejection, invalid
from desk.exchange.trading_account import Account
from desk.exchange.words import AssetClass, Side, Status

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
    side: Side | None = None
    asset_classes: frozenset[AssetClass] = frozenset()
    before_order_id: str | None = None
    after_order_id: str | None = None


def parse_query(params: Mapping[str, str]) -> OrderQuery | Rejection:
    """The query of a request's parameters."""
    status, direction, limit = params.get("status", "open"), params.get("direction", "desc"), params.get("limit", "50")
    refusal = _words_refused(status, direction, limit) or _instants_refused(params)
    if refusal is not None:
        return refusal
    by_id, by_time = _given(params, "before_order_id", "after_order_id"), _given(params, "after", "until")
    if by_id and by_time:
        return invalid("before_order_id and after_order_id cannot be combined with after and until")
    side, classes = params.get("side") or None, [name for name in params.get("asset_class", "").split(",") if name]
    if side is not None and side not in set(Side):
        return invalid(f"invalid side: {side}")
    known = {name for name in classes if name in set(AssetClass) or name in ("crypto", "all")}
    if len(known) != len(set(classes)):
        return invalid(f"invalid asset_class: {params['asset_class']}")
    return OrderQuery(
        status=status,
        limit=int(limit),
        after=parse_instant(params.get("after")),
        until=parse_instant(params.get("until")),
        is_ascending=direction == "asc",
        is_nested=params.get("nested", "false").lower() == "true",
        symbols=frozenset(symbol for symbol in params.get("symbols", "").split(",") if symbol),
        side=None if side is None else Side(side),
        asset_classes=frozenset(AssetClass(name) for name in known if name in set(AssetClass)),
        before_order_id=params.get("before_order_id") or None,
        after_order_id=params.get("after_order_id") or None,
    )


def _words_refused(status: str, direction: str, limit: str) -> Rejection | None:
    if status not in ("open", "closed", "all"):
        return invalid(f"invalid status: {status}")
    if direction not in ("asc", "desc"):
        return invalid(f"invalid direction: {direction}")
    if not (limit.isascii() and limit.isdigit()) or len(limit) > 4 or not 1 <= int(limit) <= LARGEST_LIMIT:
        return invalid(f"invalid limit: {limit}")
    return None


def _instants_refused(params: Mapping[str, str]) -> Rejection | None:
    for name in ("after", "until"):
        if params.get(name) and parse_instant(params[name]) is None:
            return invalid(f"invalid {name}: {params[name]}")
    return None


def _given(params: Mapping[str, str], *names: str) -> bool:
    return any(params.get(name) for name in names)


def orders_json(account: Account, query: OrderQuery) -> list[Json]:
    """The listing. Held legs are no open orders in the flat view; nested, legs appear under their parent only."""
    first, last = (_number(account, order_id) for order_id in (query.after_order_id, query.before_order_id))
    fitting = (order for order in _in_turn(account, query) if _is_between(order, first, last) and _fits(order, query))
    found = list(islice(fitting, query.limit))
    return [order_json(order, account.legs(order) if query.is_nested else None) for order in found]


def _in_turn(account: Account, query: OrderQuery) -> Iterable[Order]:
    """The orders that may be listed, in the listing's direction. The book has them in the order of their arrival."""
    book = account.book
    if query.status != "open":
        return book.orders.values() if query.is_ascending else reversed(book.orders.values())
    pool = book.live_orders()
    if query.is_nested and not book.switches.open_nested_hides_filled_parents:
        pool = _with_parents(account, pool)
    return sorted(pool, key=lambda order: order.number, reverse=not query.is_ascending)


def _with_parents(account: Account, orders: list[Order]) -> list[Order]:
    """Open orders and the entries, done or not, whose legs are open."""
    found = {order.id: order for order in orders}
    for order in orders:
        for member in account.book.members(order.group_id):
            if member.is_top_level:
                found[member.id] = member
    return list(found.values())


def _number(account: Account, order_id: str | None) -> int | None:
    order = account.book.orders.get(order_id or "")
    return None if order is None else order.number


def _is_between(order: Order, first: int | None, last: int | None) -> bool:
    return (first is None or order.number > first) and (last is None or order.number < last)


def _fits(order: Order, query: OrderQuery) -> bool:
    return (
        _has_status(order, query)
        and _has_kind(order, query)
        and (query.after is None or order.submitted_at > query.after)
        and (query.until is None or order.submitted_at < query.until)
    )


def _has_kind(order: Order, query: OrderQuery) -> bool:
    if order.parent_id is not None or (query.is_nested and not order.is_top_level):
        return False
    return (
        (not query.symbols or order.symbol in query.symbols)
        and (query.side is None or order.side is query.side)
        and (not query.asset_classes or order.asset_class in query.asset_classes)
    )


def _has_status(order: Order, query: OrderQuery) -> bool:
    if query.status == "open":
        is_kept = query.is_nested and order.is_top_level
        return (order.is_live and order.status is not Status.HELD) or (
            is_kept and not order.is_live and order.group_id is not None
        )
    return query.status == "all" or not order.is_live
