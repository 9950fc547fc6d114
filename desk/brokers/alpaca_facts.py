"""What Alpaca says of orders, from the stream and from answers, as facts in the desk's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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


IsOurs = Callable[[str], bool]


def facts_of_message(message: Mapping[str, Any], is_ours: IsOurs = lambda broker_id: True) -> list[Fact]:
    """Facts in a raw stream message `{"stream": "trade_updates", "data": {...}}`, of the order and of its legs.

    Orders of which `is_ours` says no are left out when they cannot be read: a status that nobody knew yet, say. Raises KeyError
    or ValueError for the others, and for what is no such message.
    """
    data = message["data"]
    order = data["order"]
    stamp = data.get("timestamp") or data.get("at") or order.get("updated_at")
    at = moment(stamp)
    executions = _executions(data)
    return list(_readable(order, lambda each: _fact(each, at, executions.get(str(each["id"])), data["event"]), is_ours))


def _readable(order: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Fact], is_ours: IsOurs) -> Iterator[Fact]:
    for each in _in_turn(order):
        try:
            yield read(each)
        except (KeyError, ValueError, ArithmeticError):
            if is_ours(str(each["id"])):
                raise


def _executions(data: Mapping[str, Any]) -> dict[str, Execution]:
    """What traded, by the id of the order that traded it: of a multi-leg order the legs, each with an execution of its own."""
    if data["event"] not in ("fill", "partial_fill"):
        return {}
    order = data["order"]
    if _is_multi_leg(order):
        told = [(str(leg["order_id"]), leg) for leg in data.get("legs") or ()]
    else:
        told = [(str(order["id"]), data)]
    return {
        each: Execution(
            str(said.get("execution_id") or f"{each}:{order.get('filled_qty')}"),
            _whole(said["qty"]),
            Decimal(str(said["price"])),
        )
        for each, said in told
        if said.get("price") is not None and said.get("qty") is not None
    }


def facts_of_order(order: Mapping[str, Any], is_ours: IsOurs = lambda broker_id: True) -> list[Fact]:
    """Facts in an order of an answer, raw JSON with its legs nested; `is_ours` and errors as for messages."""
    return list(_readable(order, lambda each: _fact(each, None, None, "looked up"), is_ours))


def _is_multi_leg(order: Mapping[str, Any]) -> bool:
    """Whether it is a multi-leg order itself: its legs have the same class, and a symbol each."""
    return order.get("order_class") == "mleg" and not order.get("symbol")


def _in_turn(order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every order told of; a multi-leg order itself comes last, so that it ends when all that its legs traded is told."""
    every = list(nested(order))
    return every[1:] + every[:1] if _is_multi_leg(order) else every


def nested(order: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every order that `order` tells of: itself, its legs, and those that they took the places of and that are not listed."""
    listed = [order, *(order.get("legs") or ())]
    ids = {each["id"] for each in listed}
    yield from listed
    for each in listed:
        if each.get("replaces") and each["replaces"] not in ids and each.get("status") not in MAY_BE_TAKEN_BACK:
            yield _predecessor(each)


# In these an order that took another one's place may not have it for good: that one may be in force still, or again.
MAY_BE_TAKEN_BACK = frozenset({"pending_new", "accepted", "pending_replace", "rejected"})


def _predecessor(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an order tells of the one that it replaced, when nothing else may ever tell of it: that it is gone."""
    at = order.get("created_at") or order.get("updated_at")
    return {"id": order["replaces"], "status": "replaced", "replaced_by": order["id"], "updated_at": at}


def _fact(order: Mapping[str, Any], at: datetime | None, execution: Execution | None, text: str) -> Fact:
    updated_at = moment(order.get("updated_at") or order.get("created_at"))
    average = order.get("filled_avg_price")
    happened = at or moment(order.get("filled_at") or order.get("updated_at") or order.get("created_at"))
    # A multi-leg order trades nothing of its own: its quantity counts units at a net price, the contracts are its legs'.
    has_fills = not _is_multi_leg(order)
    return Fact(
        broker_id=str(order["id"]),
        status=STATUS[order["status"]],
        at=happened,
        updated_at=updated_at,
        filled=_whole(order.get("filled_qty") or 0) if has_fills else 0,
        average_price=Decimal(str(average)) if has_fills and average is not None else None,
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
