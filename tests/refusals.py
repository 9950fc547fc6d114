"""Refusals as tables: a rule, an order that breaks it, and the answer."""

from __future__ import annotations

from typing import Any

import pytest

Body = dict[str, Any]
INVALID, UNPROCESSABLE, FORBIDDEN = (422, 40010001), (422, 42210000), (403, 40310000)
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
SHORT_EXITS: Body = {"take_profit": {"limit_price": "85"}, "stop_loss": {"stop_price": "105"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
SHORT: Body = {"order_class": "bracket", "side": "sell", **SHORT_EXITS}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
AT_100: Body = {"type": "limit", "limit_price": "100"}
BUY: Body = {}
SELL_SHORT: Body = {"side": "sell"}
CALLS = [f"ABC080919C00{strike}000" for strike in (100, 105, 110, 115, 120)]


def legs(*ratios: int, **changes: object) -> Body:
    """A multi-leg order of bought and sold calls in turn."""
    sides = ("buy", "sell", "buy", "sell", "buy")
    made = [
        {
            "symbol": CALLS[n],
            "ratio_qty": str(ratio),
            "side": sides[n % 2],
            "position_intent": f"{sides[n % 2]}_to_open",
            **changes,
        }
        for n, ratio in enumerate(ratios)
    ]
    return {"symbol": None, "side": None, "order_class": "mleg", "type": "limit", "limit_price": "1", "qty": "1", "legs": made}


def case(
    number: int,
    rule: str,
    body: Body,
    code: tuple[int, int],
    message: str,
    source: str = "DOC",
    status: str = "documented",
    before: tuple[Body, ...] = (),
    **extra: object,
) -> Any:
    mark = pytest.mark.rule(f"ORD-{number:03d}", rule, source=source, status=status)
    return pytest.param(before, body, code, message, extra, marks=mark, id=f"ORD-{number:03d} {body}"[:80])


def check_refused(client: Any, before: tuple[Body, ...], body: Body, code: tuple[int, int], message: str, extra: Body) -> None:
    """Send the orders of `before`, then the one that is refused; nothing changes by it."""
    for earlier in before:
        assert client.send(**earlier)[0] == 200
    known = client.get("/v2/orders", status="all")
    status, said = client.send(**body)
    assert ((status, said["code"]), said["message"]) == (code, message)
    assert {name: said[name] for name in extra} == extra
    assert client.get("/v2/orders", status="all") == known
