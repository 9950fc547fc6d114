"""Bodies of order requests for property tests: near misses of what is valid, and anything else that JSON can hold."""

from __future__ import annotations

from hypothesis import strategies as st

from desk.exchange.words import OrderClass, OrderType, PositionIntent, Side, TimeInForce

CALL, HIGHER_CALL = "ABC080919C00100000", "ABC080919C00110000"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
FIGURES = st.sampled_from(["10", "0.5", 10, 10.5, "-3", 0, "1e400", "110", "90", "1.234", "0.12345", None])
NUMBERS = FIGURES | JSON
_LEG = {
    "symbol": st.sampled_from([CALL, HIGHER_CALL, "ABC"]) | JSON,
    "ratio_qty": NUMBERS,
    "side": st.sampled_from([*Side]) | JSON,
    "position_intent": st.sampled_from([*PositionIntent]) | JSON,
}
_PRICES = ("limit_price", "stop_price", "trail_price", "trail_percent")
WILD = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["ABC", CALL, "NONE", "A" * 17]) | JSON,
        "side": st.sampled_from([*Side, None]) | JSON,
        "type": st.sampled_from([*OrderType]) | JSON,
        "time_in_force": st.sampled_from([*TimeInForce]) | JSON,
        "order_class": st.sampled_from([*OrderClass, "", None]) | JSON,
        "position_intent": st.sampled_from([*PositionIntent]) | JSON,
        "extended_hours": st.booleans() | JSON,
        "client_order_id": st.text(max_size=200) | JSON,
        "advanced_instructions": st.none() | JSON,
        "qty": NUMBERS,
        "notional": NUMBERS,
        **dict.fromkeys(_PRICES, NUMBERS),
        "take_profit": st.fixed_dictionaries({}, optional={"limit_price": NUMBERS}) | JSON,
        "stop_loss": st.fixed_dictionaries({}, optional={"stop_price": NUMBERS, "limit_price": NUMBERS}) | JSON,
        "legs": JSON | st.lists(st.fixed_dictionaries({}, optional=_LEG), max_size=5),
    },
)
_EXITS = {
    "buy": {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "85"}},
    "sell": {"take_profit": {"limit_price": "85"}, "stop_loss": {"stop_price": "115"}},
}
_CENTS = st.integers(min_value=9_000, max_value=11_000).map(lambda cents: f"{cents / 100:.2f}")
_TYPES = st.one_of(
    st.just({"type": "market"}),
    st.fixed_dictionaries({"type": st.just("limit"), "limit_price": _CENTS}),
    st.fixed_dictionaries({"type": st.just("stop"), "stop_price": _CENTS}),
    st.fixed_dictionaries({"type": st.just("stop_limit"), "stop_price": _CENTS, "limit_price": _CENTS}),
    st.fixed_dictionaries({"type": st.just("trailing_stop"), "trail_percent": st.sampled_from(["1", "5"])}),
)
_SIZES = st.sampled_from([*({"qty": shares} for shares in ("1", "3", "7", "10", "2.5")), {"notional": "250"}])
_LIVES = st.sampled_from(["day", "day", "gtc", "ioc", "fok", "opg", "cls"])


def _order(side: str, kind: dict[str, str], size: dict[str, str], life: str, order_class: str) -> dict[str, object]:
    """An order that is well-formed more often than not; an OCO's exits are on its own side."""
    body: dict[str, object] = {"symbol": "ABC", "side": side, **kind, **size, "time_in_force": life}
    if order_class == "simple":
        return body
    exits = dict(_EXITS["buy" if (side == "sell") == (order_class == "oco") else "sell"])
    if order_class == "oto":
        exits.pop("take_profit")
    own = {"type": "limit", "limit_price": None} if order_class == "oco" else {}
    return {**body, **own, **exits, "time_in_force": "gtc", "order_class": order_class}


PLAUSIBLE = st.builds(
    _order,
    st.sampled_from(["buy", "sell"]),
    _TYPES,
    _SIZES,
    _LIVES,
    st.sampled_from(["simple", "simple", "bracket", "oco", "oto"]),
)
AMENDMENTS = st.fixed_dictionaries(
    {},
    optional={
        "qty": st.sampled_from([1, 2, 5, 12]) | JSON,
        "time_in_force": st.sampled_from([*TimeInForce]) | JSON,
        **dict.fromkeys(("limit_price", "stop_price", "trail"), FIGURES),
    },
)
NEW_PRICES = st.fixed_dictionaries({"limit_price": _CENTS}) | st.fixed_dictionaries({"stop_price": _CENTS})
