"""What is wrong with an order before it is sent, so that a refusal by the venue is a bug and not a way of working.

Pure. Rules of https://docs.alpaca.markets/docs/orders-at-alpaca, of its pages on options and on multi-leg orders, and of what
users have been refused for. A body is the JSON of `POST /v2/orders`; numbers may be numbers or strings, words also enumerations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from desk.brokers.guarded.multileg import INTENTS, is_contract, multi_leg_problem
from desk.brokers.guarded.problems import (
    CENT,
    LARGEST_PRICE,
    LARGEST_QUANTITY,
    Body,
    Problem,
    enum_problem,
    is_whole,
    number_of,
    number_problem,
    problem,
    word_of,
)
from desk.domain.prices import tick_size

LONGEST_CLIENT_ID = 128
# Longer than any stock's symbol, and as long as the shortest contract's.
SHORTEST_CONTRACT = 16
SMALLEST_NOTIONAL_USD = Decimal(1)
LARGEST_TRAIL_PERCENT = Decimal(100)
SMALLEST_SHARE = Decimal("0.000000001")
SIDES = ("buy", "sell")
TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
OPTION_TYPES = ("market", "limit", "stop", "stop_limit")
CLASSES = ("simple", "bracket", "oco", "oto", "mleg")
LIFETIMES = ("day", "gtc", "opg", "cls", "ioc", "fok")
UNTIL_CANCELLED = ("day", "gtc")
GROUPS = ("bracket", "oco", "oto")
# Prices that an order type has; an OCO's are those of its exits.
PRICES: Mapping[str, tuple[str, ...]] = {
    "market": (),
    "limit": ("limit_price",),
    "stop": ("stop_price",),
    "stop_limit": ("limit_price", "stop_price"),
    "trailing_stop": (),
}
TRAILS = ("trail_price", "trail_percent")
# Exits that an order class has to have; an OTO has one of the two.
EXITS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "bracket": (("take_profit", "limit_price"), ("stop_loss", "stop_price")),
    "oco": (("take_profit", "limit_price"), ("stop_loss", "stop_price")),
}
Check = Callable[[Body], Problem | None]


def first_problem(body: Body, base_price: Decimal | None = None) -> Problem | None:
    """The first problem of the order, None when there is none that can be seen without the account.

    `base_price` is the last trade in dollars, where it is known: exits have to lie at least a cent beyond it.
    """
    found = _first((_order_class, _client_id, _flag), body)
    if found is not None:
        return found
    if _class(body) == "mleg":
        return multi_leg_problem(body)
    checks = OPTION_CHECKS if is_contract(body.get("symbol")) else STOCK_CHECKS
    return _first(checks, body) or _distance(body, base_price)


def _first(checks: tuple[Check, ...], body: Body) -> Problem | None:
    return next((found for check in checks if (found := check(body)) is not None), None)


def _class(body: Body) -> str:
    return word_of(body, "order_class") or "simple"


def _order_class(body: Body) -> Problem | None:
    # Alpaca writes "" for a simple order.
    return None if body.get("order_class") in (None, "") else enum_problem(body, "order_class", CLASSES)


def _client_id(body: Body) -> Problem | None:
    key = body.get("client_order_id")
    if isinstance(key, str) and 0 < len(key) <= LONGEST_CLIENT_ID and key.isprintable():
        return None
    return problem("client_order_id", key, f"give 1 to {LONGEST_CLIENT_ID} printable characters, never used before")


def _words(body: Body) -> Problem | None:
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol or not symbol.isascii() or not symbol.isprintable():
        return problem("symbol", symbol, "give a symbol such as AAPL")
    if len(symbol) >= SHORTEST_CONTRACT and not is_contract(symbol):
        return problem("symbol", symbol, "give a stock, or an option contract such as AAPL270115C00150000")
    intent = word_of(body, "position_intent")
    if intent and intent.split("_")[0] != word_of(body, "side"):
        return problem("position_intent", intent, f"give one of side {word_of(body, 'side')}, or leave it out")
    return (
        enum_problem(body, "side", SIDES)
        or enum_problem(body, "type", TYPES)
        or enum_problem(body, "time_in_force", LIFETIMES)
        or enum_problem(body, "position_intent", INTENTS, optional=True)
    )


def _flag(body: Body) -> Problem | None:
    given = body.get("extended_hours")
    return None if given is None or isinstance(given, bool) else problem("extended_hours", given, "give true or false")


def _size(body: Body) -> Problem | None:
    if (body.get("qty") is None) == (body.get("notional") is None):
        return problem("qty", body.get("qty"), "give either qty or notional")
    return number_problem(body, "qty", SMALLEST_SHARE, LARGEST_QUANTITY) or number_problem(
        body, "notional", CENT, LARGEST_QUANTITY
    )


def _fraction(body: Body) -> Problem | None:
    """Parts of a share and amounts of dollars: a day's plain orders alone."""
    quantity, notional, kind = number_of(body, "qty"), number_of(body, "notional"), word_of(body, "type")
    if notional is None and (quantity is None or is_whole(quantity)):
        return None
    if word_of(body, "time_in_force") != "day":
        return problem("time_in_force", body["time_in_force"], "give day, or whole shares: fractions live for a day")
    if _class(body) != "simple":
        return problem("qty", body.get("qty"), f"give whole shares: a {_class(body)} takes no fractions")
    if notional is not None and (kind != "market" or notional < SMALLEST_NOTIONAL_USD):
        return problem("notional", body["notional"], f"give at least {SMALLEST_NOTIONAL_USD} dollar, to a market order")
    return problem("type", kind, "give whole shares to a trailing stop") if kind == "trailing_stop" else None


def _prices(body: Body) -> Problem | None:
    if _class(body) == "oco":
        return _oco(body)
    kind = word_of(body, "type")
    for name in ("limit_price", "stop_price"):
        if (body.get(name) is not None) != (name in PRICES[kind]):
            return problem(name, body.get(name), f"{'give one to' if name in PRICES[kind] else 'leave it out of'} a {kind} order")
    trails = [name for name in TRAILS if body.get(name) is not None]
    if len(trails) != (kind == "trailing_stop"):
        fix = "give one of trail_price and trail_percent to a trailing stop, and none to another order"
        return problem("trail_price", body.get("trail_price"), fix)
    is_group = kind == "trailing_stop" and _class(body) != "simple"
    return problem("order_class", _class(body), "a trailing stop has to be simple") if is_group else None


def _oco(body: Body) -> Problem | None:
    """An OCO says its prices in its exits; a stop beside them is refused."""
    if word_of(body, "type") != "limit":
        return problem("type", body.get("type"), "an oco has to be of type limit")
    other = next((name for name in ("stop_price", *TRAILS) if body.get(name) is not None), None)
    if other is not None:
        return problem(other, body[other], "leave it out: an oco's prices are those of its exits")
    target, own = _exit_price(body, "take_profit", "limit_price"), body.get("limit_price")
    if own is not None and number_of(body, "limit_price") != target:
        return problem("limit_price", own, "leave it out, or give take_profit.limit_price again")
    return None


def _exits(body: Body) -> Problem | None:
    kind = _class(body)
    given = [name for name in ("take_profit", "stop_loss") if body.get(name) is not None]
    broken = next((name for name in given if not isinstance(body[name], Mapping)), None)
    if broken is not None:
        return problem(broken, body[broken], "give its prices")
    if kind == "simple":
        return problem(given[0], body[given[0]], "a simple order has no exits; name the order_class") if given else None
    if kind == "oto" and len(given) != 1:
        return problem("order_class", kind, "give either take_profit or stop_loss to an oto")
    needed = [*EXITS.get(kind, ()), *(pair for pair in EXITS["bracket"] if pair[0] in given)]
    missing = next((pair for pair in needed if (body.get(pair[0]) or {}).get(pair[1]) is None), None)
    return None if missing is None else problem(".".join(missing), None, f"give the price: a {kind} needs it")


def _ticks(body: Body) -> Problem | None:
    """Prices of a stock lie on the tick grid: cents from one dollar up, hundredths of a cent below (SEC rule 612)."""
    percent = number_of(body, "trail_percent")
    if body.get("trail_percent") is not None and (percent is None or not 0 < percent < LARGEST_TRAIL_PERCENT):
        return problem("trail_percent", body["trail_percent"], "give percents above 0 and below 100: 1.5 is one and a half")
    fields: list[tuple[Body, str, str]] = [(body, name, name) for name in ("limit_price", "stop_price", "trail_price")]
    for part in ("take_profit", "stop_loss"):
        fields += [(body.get(part) or {}, name, f"{part}.{name}") for name in ("limit_price", "stop_price")]
    found = (number_problem(where, name, _tick(where, name), LARGEST_PRICE, shown) for where, name, shown in fields)
    return next((each for each in found if each is not None), None)


def _tick(body: Body, field: str) -> Decimal:
    return tick_size(number_of(body, field) or Decimal(1))


def _order_of_exits(body: Body) -> Problem | None:
    """A target lies beyond the stop, and both on their sides of the entry's limit, at least a cent away."""
    target, stop = _exit_price(body, "take_profit", "limit_price"), _exit_price(body, "stop_loss", "stop_price")
    sells = _exits_sell(body)
    if target is not None and stop is not None and (target <= stop if sells else target >= stop):
        fix = f"give a price {'above' if sells else 'below'} stop_loss.stop_price {stop}"
        return problem("take_profit.limit_price", str(target), fix)
    own = target if _class(body) == "oco" else number_of(body, "limit_price")
    return _beyond(body, own, "the order's limit", with_target=_class(body) != "oco")


def _distance(body: Body, base_price: Decimal | None) -> Problem | None:
    """Exits against the market. A target need not be beyond it where the entry has a limit of its own, or the order closes."""
    with_target = _class(body) != "oco" and body.get("limit_price") is None
    return _beyond(body, base_price, "the last trade", with_target)


def _beyond(body: Body, base: Decimal | None, named: str, with_target: bool) -> Problem | None:
    if base is None or _class(body) not in GROUPS:
        return None
    sign = 1 if _exits_sell(body) else -1
    target, stop = _exit_price(body, "take_profit", "limit_price"), _exit_price(body, "stop_loss", "stop_price")
    if stop is not None and (base - stop) * sign < CENT:
        return problem("stop_loss.stop_price", str(stop), f"give {base - CENT * sign} or beyond: {named} is {base}")
    if with_target and target is not None and (target - base) * sign < CENT:
        return problem("take_profit.limit_price", str(target), f"give {base + CENT * sign} or beyond: {named} is {base}")
    return None


def _exit_price(body: Body, part: str, name: str) -> Decimal | None:
    return number_of(body.get(part) or {}, name)


def _exits_sell(body: Body) -> bool:
    """Whether the exits sell: those of a bought entry do, and an OCO's are on its own side."""
    return (word_of(body, "side") == "buy") != (_class(body) == "oco")


def _lifetime(body: Body) -> Problem | None:
    lifetime, kind = word_of(body, "time_in_force"), word_of(body, "type")
    is_plain = _class(body) == "simple" and kind in ("market", "limit")
    if lifetime not in UNTIL_CANCELLED and not is_plain:
        return problem("time_in_force", lifetime, "give day or gtc: others are for simple market and limit orders")
    if body.get("extended_hours") and not (_class(body) == "simple" and kind == "limit" and lifetime in UNTIL_CANCELLED):
        return problem(
            "extended_hours", True, "leave it out: it is for simple limit orders that live for a day or until cancelled"
        )
    return None


def _option(body: Body) -> Problem | None:
    """A single contract's order: simple, whole, for a day or until cancelled, in regular hours."""
    found = enum_problem(body, "type", OPTION_TYPES) or enum_problem(body, "time_in_force", UNTIL_CANCELLED)
    if found is not None:
        return found
    if _class(body) != "simple":
        return problem("order_class", _class(body), "give simple: options have no groups")
    given = next((name for name in ("notional", "extended_hours") if body.get(name)), None)
    if given is not None:
        return problem(given, body[given], "leave it out: options have none")
    prices = (number_problem(body, name, CENT, LARGEST_PRICE) for name in ("limit_price", "stop_price"))
    return number_problem(body, "qty", Decimal(1), LARGEST_QUANTITY) or next((each for each in prices if each is not None), None)


STOCK_CHECKS: tuple[Check, ...] = (_words, _size, _exits, _prices, _fraction, _ticks, _order_of_exits, _lifetime)
OPTION_CHECKS: tuple[Check, ...] = (_words, _size, _option, _exits, _prices)
