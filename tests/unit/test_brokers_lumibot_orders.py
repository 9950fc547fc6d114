"""Orders into Lumibot's words and back: nothing that the journal says may be lost on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lumibot.entities import Asset, Order

from desk.brokers.lumibot_orders import key_of, lumibot_order, member_order, spec_of
from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderType, Side, TimeInForce


class OrderDesk:
    """The one thing that an order needs of a Lumibot strategy."""

    def create_order(self, asset: Asset, quantity: int, side: str, **terms: Any) -> Order:
        return Order("test", asset, quantity, side, **terms)


def made(spec: OrderSpec) -> Order:
    return lumibot_order(spec, OrderDesk())


def plain(quantity: Any = 10, side: str = "buy", **terms: Any) -> Order:
    return Order("test", terms.pop("asset", Asset("AAPL")), quantity, side, **terms)


@st.composite
def specs(draw: st.DrawFn) -> OrderSpec:
    low, middle, high = sorted(draw(st.sets(st.integers(100, 500_000), min_size=3, max_size=3)))
    stop, limit, target = (Decimal(cents) / 100 for cents in (low, middle, high))
    quantity, lives = draw(st.integers(1, 100_000)), draw(st.sampled_from(list(TimeInForce)))
    symbol, key = draw(st.sampled_from(["AAPL", "BRK.B"])), "n-20240103T150000-AAPL-open"
    kind = draw(st.sampled_from(["bracket", "oco", "limit", "market", "stop"]))
    side = {"bracket": Side.BUY, "oco": Side.SELL}.get(kind) or draw(st.sampled_from(list(Side)))
    type_ = {"market": OrderType.MARKET, "stop": OrderType.STOP}.get(kind, OrderType.LIMIT)
    grouped = kind in ("bracket", "oco")
    return OrderSpec(
        key,
        symbol,
        side,
        quantity,
        type_,
        OrderClass(kind) if grouped else OrderClass.SIMPLE,
        lives,
        limit_price=limit if kind in ("bracket", "limit") else None,
        stop_price=stop if kind == "stop" else None,
        take_profit=target if grouped else None,
        stop_loss=stop if grouped else None,
    )


@given(specs())
def test_an_order_comes_back_as_it_was_journaled(spec: OrderSpec) -> None:
    order = made(spec)
    assert spec_of(order, spec.key) == spec
    assert key_of(order) == spec.key


@given(specs())
def test_target_and_stop_have_an_order_each(spec: OrderSpec) -> None:
    order = made(spec)
    target, stop = member_order(order, GroupRole.TAKE_PROFIT), member_order(order, GroupRole.STOP_LOSS)
    assert member_order(order, GroupRole.ENTRY) is order
    if spec.order_class is OrderClass.SIMPLE:
        assert (target, stop) == (None, None)
        return
    assert target is not None and stop is not None and target is not stop
    assert (Decimal(str(target.limit_price)), Decimal(str(stop.stop_price))) == (spec.take_profit, spec.stop_loss)
    assert target.is_sell_order() and stop.is_sell_order()
    assert {target.quantity, stop.quantity} == {spec.quantity}


def test_an_order_from_elsewhere_has_no_key() -> None:
    assert key_of(plain()) is None
    assert key_of(plain(custom_params={"colour": "red"})) is None


def test_a_plain_market_order_goes_out_as_it_was_meant() -> None:
    spec = spec_of(plain(quantity=Decimal(10), side="sell"), "f-1")
    assert (spec.key, spec.symbol, spec.side, spec.quantity, spec.type) == ("f-1", "AAPL", Side.SELL, 10, OrderType.MARKET)
    assert (spec.limit_price, spec.stop_price, spec.take_profit, spec.stop_loss) == (None, None, None, None)


def test_a_plain_price_is_put_on_the_grid() -> None:
    assert spec_of(plain(limit_price=187.5333), "f-1").limit_price == Decimal("187.53")
    assert spec_of(plain(side="sell", stop_price=0.12345), "f-1").stop_price == Decimal("0.1234")


def test_a_stop_limit_and_a_one_sided_group_go_out_as_they_were_meant() -> None:
    spec = spec_of(plain(side="sell", limit_price=98, stop_price=99, order_type="stop_limit"), "f-1")
    assert (spec.type, spec.limit_price, spec.stop_price) == (OrderType.STOP_LIMIT, Decimal(98), Decimal(99))
    one_sided = spec_of(plain(limit_price=100, secondary_stop_price=95, order_class="oto"), "f-2")
    assert (one_sided.order_class, one_sided.take_profit, one_sided.stop_loss) == (OrderClass.OTO, None, Decimal(95))


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (plain(quantity=1.5), "whole shares only"),
        (plain(quantity=Decimal("0.1")), "whole shares only"),
        (plain(asset=Asset("BTC", asset_type="crypto"), quote=Asset("USD", asset_type="forex")), "only stocks"),
        (plain(side="sell", trail_percent=0.05), "trailing_stop"),
    ],
    ids=["fraction", "tenth", "crypto", "trailing"],
)
def test_what_the_desk_does_not_send_is_refused_with_its_reason(order: Order, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        spec_of(order, "f-1")
