"""What a scenario may send to an account that is somebody's: tiny orders so far from the market that they cannot fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from desk.domain.errors import Refused

MOST_REQUESTS = 64
# Kept back for taking out of the account what the scenario put there.
FOR_CLEANING = 6
MOST_SHARES = Decimal(2)
FAR_BELOW, FAR_ABOVE = Decimal("0.6"), Decimal("1.4")
WIDEST_TRAIL_PERCENT = Decimal(40)
NO_SUCH_SYMBOL = "NOSUCHSYM"


@dataclass
class Purse:
    """Counts requests, so that a scenario cannot run away with a person's rate limit."""

    left: int = MOST_REQUESTS
    is_cleaning: bool = False

    @property
    def has_room(self) -> bool:
        return self.left > (0 if self.is_cleaning else FOR_CLEANING)

    def spend(self, count: int = 1) -> None:
        self.left -= count


@dataclass
class Made:
    """Orders that the scenario made, by id, with the side of each; `top` are those that are no legs."""

    sides: dict[str, str] = field(default_factory=dict)
    top: list[str] = field(default_factory=list)

    def note(self, order: Any) -> None:
        """Remember an order out of an answer, and its legs."""
        if isinstance(order, Mapping) and isinstance(order.get("id"), str) and "symbol" in order:
            self.top.append(order["id"])
            for each in (order, *(order.get("legs") or ())):
                self.sides[each["id"]] = str(each.get("side"))


def check(step: str, method: str, path: str, body: Any, symbol: str, last: Decimal | None, made: Made) -> None:
    """Raise Refused for a request that could trade, or could touch what the scenario did not make."""
    reason = None
    if method == "POST":
        reason = _why_not_placed(path, body, symbol, last)
    elif method in ("PATCH", "DELETE"):
        reason = _why_not_touched(method, path, body, last, made)
    if reason:
        raise Refused(f"conformance step {step}: {reason}; nothing of it was sent")


def _why_not_placed(path: str, body: Any, symbol: str, last: Decimal | None) -> str | None:
    if path != "/v2/orders" or not isinstance(body, Mapping):
        return f"{path} is no place for an order"
    if body.get("symbol") not in (symbol, NO_SUCH_SYMBOL):
        return f"symbol {body.get('symbol')}: only {symbol} may be ordered"
    size = max(_decimal(body.get("qty")) or Decimal(0), _decimal(body.get("notional")) or Decimal(0))
    if size > MOST_SHARES:
        return f"a size of {size}: at most {MOST_SHARES}"
    return _why_not_far(body, last)


def _why_not_far(body: Mapping[str, Any], last: Decimal | None) -> str | None:
    if last is None:
        return "no last trade is known yet, so nothing says what is far from the market"
    kind, is_buy = body.get("type"), body.get("side") == "buy"
    if kind == "trailing_stop":
        trail = _decimal(body.get("trail_percent"))
        return None if trail is None or trail >= WIDEST_TRAIL_PERCENT else f"a trail of {trail} % is near the market"
    # A stop waits on the far side of the market, a limit on the near one.
    price, waits_below = (_decimal(body.get("stop_price")), not is_buy) if kind == "stop_limit" else (_limit(body), is_buy)
    if price is None or kind in ("market", "stop"):
        return f"an order of type {kind} without a price that keeps it from filling"
    return None if _is_far(price, waits_below, last) else f"a price of {price} is near the market at {last}"


def _limit(body: Mapping[str, Any]) -> Decimal | None:
    """The price at which it rests: an OCO has it in its take-profit."""
    target = body.get("take_profit") if body.get("order_class") == "oco" else None
    return _decimal(target.get("limit_price") if isinstance(target, Mapping) else body.get("limit_price"))


def _is_far(price: Decimal, is_below: bool, last: Decimal) -> bool:
    return price <= last * FAR_BELOW if is_below else price >= last * FAR_ABOVE


def _why_not_touched(method: str, path: str, body: Any, last: Decimal | None, made: Made) -> str | None:
    order_id = path.removeprefix("/v2/orders/")
    is_made_up = order_id == "00000000-0000-0000-0000-000000000000"
    if not path.startswith("/v2/orders/") or not (is_made_up or order_id in made.sides):
        return f"{method} {path} is none of the scenario's own orders"
    price = _decimal(body.get("limit_price")) if isinstance(body, Mapping) else None
    # Legs of an entry that has not filled are held: no price makes them trade.
    if price is None or last is None or order_id not in made.top:
        return None
    return None if _is_far(price, made.sides[order_id] == "buy", last) else f"a price of {price} is near the market at {last}"


def _decimal(value: object) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
