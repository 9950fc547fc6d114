"""What Alpaca says of orders, from the stream and from answers, as facts in the desk's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from desk.core.groups import Execution, Fact
from desk.domain.orders import LEG_ROLES, GroupRole, OrderSpec, OrderStatus

# Alpaca's seventeen statuses (Trading API v2 OrderStatus) in the journal's words.
STATUS: Mapping[str, OrderStatus] = {
    "new": OrderStatus.WORKING,
    "accepted": OrderStatus.WORKING,
    "pending_new": OrderStatus.WORKING,
    "accepted_for_bidding": OrderStatus.WORKING,
    "stopped": OrderStatus.WORKING,
    "calculated": OrderStatus.WORKING,
    "suspended": OrderStatus.WORKING,
    "pending_replace": OrderStatus.WORKING,
    "pending_review": OrderStatus.WORKING,
    # The order rests until tomorrow; a GTC order works again then.
    "done_for_day": OrderStatus.WORKING,
    "held": OrderStatus.HELD,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "replaced": OrderStatus.REPLACED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
# Events after which executions are not what they were; no order says so, and a person has to look.
CORRECTIONS = frozenset({"trade_bust", "trade_correct"})


def facts_of_message(message: Mapping[str, Any]) -> list[Fact]:
    """Facts in a raw stream message `{"stream": "trade_updates", "data": {...}}`, of the order and of its legs.

    Raises KeyError or ValueError when it is no such thing.
    """
    data = message["data"]
    order = data["order"]
    stamp = data.get("timestamp") or data.get("at") or order.get("updated_at")
    at = moment(stamp)
    event = data["event"]
    price, quantity = data.get("price"), data.get("qty")
    execution = None
    if event in ("fill", "partial_fill") and price is not None and quantity is not None:
        name = str(data.get("execution_id") or f"{order['id']}:{order.get('filled_qty')}")
        execution = Execution(name, _whole(quantity), Decimal(str(price)))
    return [_fact(each, at, execution if each is order else None, event) for each in (order, *(order.get("legs") or ()))]


def facts_of_order(order: Mapping[str, Any]) -> list[Fact]:
    """Facts in an order of an answer, raw JSON with its legs nested. Raises KeyError or ValueError for anything else."""
    return [_fact(each, None, None, "looked up") for each in nested(order)]


def nested(order: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield order
    yield from order.get("legs") or ()


def _fact(order: Mapping[str, Any], at: datetime | None, execution: Execution | None, text: str) -> Fact:
    updated_at = moment(order.get("updated_at") or order.get("created_at"))
    average = order.get("filled_avg_price")
    happened = at or moment(order.get("filled_at") or order.get("updated_at") or order.get("created_at"))
    return Fact(
        broker_id=str(order["id"]),
        status=STATUS[order["status"]],
        at=happened,
        updated_at=updated_at,
        filled=_whole(order.get("filled_qty") or 0),
        average_price=None if average is None else Decimal(str(average)),
        execution=execution,
        replaced_by=order.get("replaced_by"),
        text=text,
    )


def _whole(shares: Any) -> int:
    return int(Decimal(str(shares)))


def moment(text: Any) -> datetime:
    """An RFC 3339 instant, UTC. Python 3.11 reads at most six fractional digits; Alpaca sends up to nine."""
    head, dot, tail = str(text).partition(".")
    if not dot:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    digits = tail.rstrip("Z")
    zone = "+00:00"
    for sign in ("+", "-"):
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            zone = sign + offset
    return datetime.fromisoformat(f"{head}.{digits[:6].ljust(6, '0')}{zone}").astimezone(UTC)


def members(spec: OrderSpec, order: Mapping[str, Any]) -> dict[GroupRole, str]:
    """Ids of the members of `spec`'s group, by role, in an answer that carries its key.

    A leg whose price was changed is listed beside its successor: the first of them is bound, its news names the next.
    """
    ids = {spec.first_role: str(order["id"])}
    legs: Sequence[Mapping[str, Any]] = order.get("legs") or ()
    for leg in sorted(legs, key=lambda leg: leg.get("replaces") is not None):
        ids.setdefault(_role(spec, leg), str(leg["id"]))
    return ids


def _role(spec: OrderSpec, leg: Mapping[str, Any]) -> GroupRole:
    if spec.legs:
        return LEG_ROLES[[each.symbol for each in spec.legs].index(leg["symbol"])]
    # Only a stop loss has a stop price.
    return GroupRole.STOP_LOSS if leg.get("stop_price") is not None else GroupRole.TAKE_PROFIT
