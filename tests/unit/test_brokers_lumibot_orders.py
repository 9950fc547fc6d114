"""Orders into Lumibot's words and back: nothing that the journal says may be lost on the way."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import gcd
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lumibot.entities import Asset, Order

from desk.brokers.lumibot_orders import (
    PackageTerms,
    contract_of,
    key_of,
    lumibot_order,
    member_order,
    package_order,
    package_spec,
    package_text,
    spec_of,
)
from desk.domain.orders import (
    LEG_ROLES,
    GroupRole,
    Leg,
    OrderClass,
    OrderSpec,
    OrderType,
    PositionIntent,
    Side,
    TimeInForce,
)


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
        extended_hours=kind == "limit" and draw(st.booleans()),
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


# ---- several legs ----------------------------------------------------------------------------------------------------


def option(strike: float, quantity: Any = 1, side: str = "buy_to_open", right: str = "put", **terms: Any) -> Order:
    asset = Asset("SPY", asset_type="option", expiration=date(2030, 1, 18), strike=strike, right=right)
    return Order("test", asset, quantity, side, **terms)


def spread(lots: Any = 3) -> list[Order]:
    return [option(400, lots, "sell_to_open"), option(395.5, lots, "buy_to_open")]


CREDIT = PackageTerms("credit", "day", 1.25)


def test_a_credit_spread_is_read_as_units_of_a_negative_limit() -> None:
    spec = package_spec(spread(3), CREDIT, "f-1")
    assert (spec.key, spec.symbol, spec.order_class) == ("f-1", "SPY", OrderClass.MULTI_LEG)
    assert (spec.quantity, spec.limit_price, spec.type, spec.time_in_force) == (
        3,
        Decimal("-1.25"),
        OrderType.LIMIT,
        TimeInForce.DAY,
    )
    assert spec.legs == (
        Leg("SPY300118P00400000", 1, PositionIntent.SELL_TO_OPEN),
        Leg("SPY300118P00395500", 1, PositionIntent.BUY_TO_OPEN),
    )


@given(
    st.lists(st.integers(1, 200), min_size=2, max_size=4),
    st.sampled_from(["credit", "debit", "even"]),
    st.integers(0, 100_000),
    st.booleans(),
)
def test_units_times_ratio_is_what_each_leg_was_meant_to_trade(
    quantities: list[int], word: str, cents: int, negative: bool
) -> None:
    legs = [option(400 + place, float(quantity)) for place, quantity in enumerate(quantities)]
    price = Decimal(cents) / 100
    spec = package_spec(legs, PackageTerms(word, "day", float(-price if negative else price)), "f-1")
    assert spec.quantity == gcd(*quantities)
    assert [spec.quantity * leg.ratio for leg in spec.legs] == quantities
    assert spec.limit_price == {"credit": -price, "debit": price, "even": 0}[word]


@pytest.mark.parametrize(
    ("terms", "limit"),
    [
        (PackageTerms("even"), Decimal(0)),
        (PackageTerms("market"), None),
        (PackageTerms(None, "day", -0.5), Decimal("-0.5")),
        (PackageTerms("limit", "day", -0.5), Decimal("-0.5")),
    ],
)
def test_a_price_that_says_itself_what_it_is_needs_no_word(terms: PackageTerms, limit: Decimal | None) -> None:
    assert package_spec(spread(), terms, "f-1").limit_price == limit


def test_legs_that_are_all_bought_can_only_be_a_debit() -> None:
    legs = [option(400), option(405, right="call")]
    assert package_spec(legs, PackageTerms(None, "day", 2.0), "f-1").limit_price == Decimal(2)


@pytest.mark.parametrize(
    ("legs", "terms", "problem"),
    [
        (spread(1.5), CREDIT, "whole number of contracts"),
        (spread(0), CREDIT, "whole number of contracts"),
        ([*spread()[:1], plain()], CREDIT, "option contracts"),
        ([option(400, 1, "sell"), option(395, 1)], CREDIT, "leaves open"),
        (spread(), PackageTerms("credit", "gtc", 1.0), "give day"),
        (spread(), PackageTerms("credit"), "needs a price"),
        (spread(), PackageTerms(None, "day", 1.0), "debit or a credit"),
        (spread(), PackageTerms("limit", "day", 1.0), "debit or a credit"),
        ([option(400), option(400, 1, "sell_to_open")], CREDIT, "two legs"),
        ([option(400)], CREDIT, "two to four legs"),
    ],
)
def test_several_legs_that_leave_room_for_doubt_are_refused(legs: list[Order], terms: PackageTerms, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        package_spec(legs, terms, "f-1")


def test_the_parent_trades_nothing_and_its_legs_are_its_members() -> None:
    legs = spread()
    parent = package_order(legs, CREDIT)
    assert (parent.asset.asset_type, parent.asset.symbol) == (Asset.AssetType.MULTILEG, "SPY")
    assert (parent.quantity, parent.order_class) == (3, Order.OrderClass.MULTILEG)
    assert [member_order(parent, role) for role in LEG_ROLES] == [*legs, None, None]
    assert member_order(parent, GroupRole.ENTRY) is parent
    assert member_order(parent, GroupRole.STOP_LOSS) is None
    assert member_order(plain(), GroupRole.LEG_1) is None
    assert {leg.parent_identifier for leg in legs} == {parent.identifier}


def test_several_legs_of_the_journal_come_back_as_they_were() -> None:
    spec = package_spec([option(400, 4), option(405, 2, "sell_to_close", "call")], PackageTerms("debit", "day", 0.35), "f-1")
    order = made(spec)
    assert key_of(order) == "f-1"
    assert package_spec(order.child_orders, PackageTerms("debit", "day", order.limit_price), "f-1") == spec


def test_one_line_tells_all_of_it() -> None:
    text = package_text(spread(), CREDIT)
    assert all(part in text for part in ("credit 1.25 day", "sell_to_open 3", "buy_to_open 3", "400", "395.5"))


def test_a_contract_is_named_as_the_clearing_corporation_does() -> None:
    assert contract_of(option(395.5, right="call").asset) == "SPY300118C00395500"
