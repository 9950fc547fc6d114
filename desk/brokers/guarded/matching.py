"""Whether an order found at the broker is the one that was meant. Pure: bodies and answers are JSON as Alpaca writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Json = Mapping[str, Any]
_NUMBERS = ("qty", "notional", "limit_price", "stop_price", "trail_price", "trail_percent")
_WORDS = ("client_order_id", "symbol", "side", "type", "time_in_force", "extended_hours")
_LEG_WORDS = ("symbol", "side", "position_intent")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of the order at the broker that is not as it was meant."""

    field: str
    meant: str
    found: str

    @property
    def text(self) -> str:
        return f"{self.field}: meant {self.meant}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Window:
    """When the order can have been submitted (aware). Ids are unique for ever, so an old order may have a new order's."""

    earliest: datetime
    latest: datetime


def differences(meant: Json, found: Json, window: Window, *, were_exits_moved: bool = False) -> tuple[Difference, ...]:
    """How the order `found` (nested, with its legs) differs from the request body `meant`; empty when it is that order.

    When its exits were moved since, nothing is said of their prices: what the broker lists of former ones is not enough.
    """
    meant = _completed(meant)
    pairs: list[tuple[str, object, object]] = [
        *((name, _word(meant.get(name)), _word(found.get(name))) for name in _WORDS),
        *(
            (name, _number(meant.get(name)), _number(found.get(name)))
            for name in _NUMBERS
            if _is_judged(name, meant, were_exits_moved)
        ),
        ("order_class", _class(meant), _class(found)),
        *(() if were_exits_moved else _exit_pairs(meant, found)),
    ]
    if _class(meant) == "mleg":
        pairs.append(("legs", _legs(meant), _legs(found)))
    unlike = [Difference(name, str(wanted), str(got)) for name, wanted, got in pairs if wanted != got]
    return (*unlike, *_time_difference(found, window))


def changed_as_meant(change: Json, found: Json) -> tuple[Difference, ...]:
    """How the order `found` differs from what a PATCH with the body `change` makes of it."""
    pairs: list[tuple[str, object, object]] = [
        (name, _number(change[name]), _number(found.get(name))) for name in _NUMBERS if name in change
    ]
    pairs += [
        (name, _word(change[name]), _word(found.get(name))) for name in ("time_in_force", "client_order_id") if name in change
    ]
    if "trail" in change:
        pairs.append(("trail", _number(change["trail"]), _number(found.get("trail_price") or found.get("trail_percent"))))
    return tuple(Difference(name, str(wanted), str(got)) for name, wanted, got in pairs if wanted != got)


def needs_legs(meant: Json) -> bool:
    """Whether only a nested read shows the whole order."""
    return _class(meant) != "simple"


def _completed(meant: Json) -> Json:
    """The body with what the broker adds: an OCO's own limit is that of its target."""
    if _class(meant) != "oco":
        return meant
    return {**meant, "limit_price": (meant.get("take_profit") or {}).get("limit_price")}


def _is_judged(name: str, meant: Json, were_exits_moved: bool) -> bool:
    # An OCO's own limit is its target's.
    if were_exits_moved and _class(meant) == "oco" and name in ("limit_price", "stop_price"):
        return False
    # A trailing stop's stop price is the broker's, and moves.
    return not (name == "stop_price" and _word(meant.get("type")) == "trailing_stop")


def _exit_pairs(meant: Json, found: Json) -> list[tuple[str, object, object]]:
    """Prices of the exits, each against the leg that comes nearest; a leg that was moved is listed beside its successor, or not
    at all: then nobody can say what its price was."""
    pairs: list[tuple[str, Decimal | None, list[Decimal | None]]] = []
    target, stop = meant.get("take_profit"), meant.get("stop_loss")
    targets, stops = _legs_of(found, {"limit"}), _legs_of(found, {"stop", "stop_limit"})
    if target and _class(meant) != "oco" and not _was_moved(targets, found):
        pairs.append(_exit_pair("take_profit", "limit_price", target, targets))
    if stop and not _was_moved(stops, found):
        pairs.append(_exit_pair("stop_loss", "stop_price", stop, stops))
        pairs.append(_exit_pair("stop_loss", "limit_price", stop, stops))
    return [(name, wanted, wanted if wanted in prices else [str(price) for price in prices]) for name, wanted, prices in pairs]


def _was_moved(legs: list[Json], found: Json) -> bool:
    """Whether one of the legs took the place of an order that is not listed."""
    listed = {leg.get("id") for leg in found.get("legs") or ()}
    return any(leg.get("replaces") and leg["replaces"] not in listed for leg in legs)


def _exit_pair(part: str, name: str, meant: Json, legs: list[Json]) -> tuple[str, Decimal | None, list[Decimal | None]]:
    # A leg that was moved since is not what was sent: it counts as it was meant.
    return (
        f"{part}.{name}",
        _number(meant.get(name)),
        [_number(leg.get(name)) for leg in legs],
    )


def _legs_of(found: Json, types: set[str]) -> list[Json]:
    return [leg for leg in found.get("legs") or () if _word(leg.get("type")) in types]


def _legs(order: Json) -> list[tuple[object, ...]]:
    """Contract, side, intent and ratio of each leg, in one order; a side that was left out is that of the intent."""
    legs = order.get("legs") or ()
    read = ((*(_word(leg.get(name)) for name in _LEG_WORDS), _number(leg.get("ratio_qty"))) for leg in legs)
    return sorted(((symbol, side or str(intent).split("_")[0], intent, ratio) for symbol, side, intent, ratio in read), key=str)


def _class(order: Json) -> str:
    return str(_word(order.get("order_class")) or "simple")


def _word(value: object) -> str | None:
    """A word, whatever enumeration it comes in; what is missing is "", null or false at Alpaca, and left out by alpaca-py."""
    value = getattr(value, "value", value)
    return str(value) if value else None


def _number(value: object) -> Decimal | None:
    """A decimal from a JSON number or string; a float by its shortest text. What is no number is None."""
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None


def _time_difference(found: Json, window: Window) -> tuple[Difference, ...]:
    said = found.get("submitted_at") or found.get("created_at")
    try:
        at = datetime.fromisoformat(str(said))
        is_within = window.earliest <= at <= window.latest
    except (ValueError, TypeError):
        is_within = False
    if is_within:
        return ()
    meant = f"between {window.earliest.isoformat()} and {window.latest.isoformat()}"
    return (Difference("submitted_at", meant, str(said)),)
