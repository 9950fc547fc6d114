"""Lumibot's Order objects and the desk's OrderSpec, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from typing import Any

from lumibot.entities import Asset, Order

from desk.domain.orders import LEG_ROLES, GroupRole, Leg, OrderClass, OrderSpec, OrderType, PositionIntent, Side, TimeInForce
from desk.domain.prices import PENNY, legal_price
from options import occ

KEY, EXTENDED = "client_order_id", "extended_hours"


def lumibot_order(spec: OrderSpec, strategy: Any) -> Order:
    """A Lumibot order that carries `spec.key`; its children stand for target and stop, or for the legs of a multi-leg order."""
    if spec.order_class is OrderClass.MULTI_LEG:
        return _package_of(spec, strategy)
    if spec.position_intent is not None:
        return _of_contracts(spec, strategy)
    asset = Asset(spec.symbol)
    common: dict[str, Any] = {
        "time_in_force": spec.time_in_force.value,
        "order_class": spec.order_class.value,
        "custom_params": {KEY: spec.key, **({EXTENDED: True} if spec.extended_hours else {})},
    }
    if spec.order_class is OrderClass.OCO:
        exits = {"limit_price": float(spec.take_profit or 0), "stop_price": float(spec.stop_loss or 0)}
        return strategy.create_order(asset, spec.quantity, spec.side.value, **exits, **common)
    if spec.order_class is OrderClass.BRACKET:
        common |= {"secondary_limit_price": float(spec.take_profit or 0), "secondary_stop_price": float(spec.stop_loss or 0)}
    prices = {"limit_price": _float(spec.limit_price), "stop_price": _float(spec.stop_price)}
    return strategy.create_order(asset, spec.quantity, spec.side.value, **prices, **common)


def _of_contracts(spec: OrderSpec, strategy: Any) -> Order:
    """A simple order of one option contract; its side says what it does to the position."""
    side = spec.side.value if spec.position_intent is None else spec.position_intent.value
    limit, custom = _float(spec.limit_price), {KEY: spec.key}
    asset = Asset.symbol2asset(spec.symbol)
    return strategy.create_order(
        asset, spec.quantity, side, limit_price=limit, time_in_force=spec.time_in_force.value, custom_params=custom
    )


def _float(price: Decimal | str | float | None) -> float | None:
    return None if price is None else float(price)


def key_of(order: Order) -> str | None:
    """Client order id that an order carries, None for one that did not come through the corridor."""
    custom = getattr(order, "custom_params", None) or {}
    return custom.get(KEY)


def member_order(order: Order, role: GroupRole) -> Order | None:
    """The Lumibot order that stands for `role` in the group of `order`."""
    if role is GroupRole.ENTRY:
        return order
    children = getattr(order, "child_orders", None) or []
    if order.order_class == Order.OrderClass.MULTILEG or role in LEG_ROLES:
        legs = children if order.order_class == Order.OrderClass.MULTILEG else []
        return dict(zip(LEG_ROLES, legs, strict=False)).get(role)
    wants_stop = role is GroupRole.STOP_LOSS
    return next((child for child in children if child.is_stop_order() == wants_stop), None)


LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def spec_of(order: Order, key: str) -> OrderSpec:
    """The desk's reading of a plain Lumibot order, to send it as it was meant.

    Raises ValueError for what the desk does not send: other assets than stocks, fractions, trailing stops, one-sided exits.
    """
    if order.asset.asset_type != Asset.AssetType.STOCK:
        raise ValueError(f"{order.asset}: only stocks go out this way")
    if Decimal(str(order.quantity)) != int(order.quantity):
        raise ValueError(f"{order.quantity} {order.asset.symbol}: whole shares only")
    order_class = OrderClass(str(getattr(order.order_class, "value", order.order_class) or "simple"))
    target, stop = member_order(order, GroupRole.TAKE_PROFIT), member_order(order, GroupRole.STOP_LOSS)
    order_type = OrderType.LIMIT if order_class is OrderClass.OCO else OrderType(str(order.order_type))
    is_simple = order_class is OrderClass.SIMPLE
    return OrderSpec(
        key=key,
        symbol=order.asset.symbol,
        side=Side.BUY if order.is_buy_order() else Side.SELL,
        quantity=int(order.quantity),
        type=order_type,
        order_class=order_class,
        time_in_force=TimeInForce(str(order.time_in_force)),
        limit_price=_legal(order.limit_price) if order_type in LIMITED and order_class is not OrderClass.OCO else None,
        stop_price=_legal(order.stop_price) if order_type in STOPPED else None,
        take_profit=None if is_simple or target is None else _legal(target.limit_price),
        stop_loss=None if is_simple or stop is None else _legal(stop.stop_price),
        # Lumibot passes what it has no name for to Alpaca from here.
        extended_hours=(getattr(order, "custom_params", None) or {}).get(EXTENDED) is True,
    )


def _legal(price: float | None) -> Decimal | None:
    return None if price is None else legal_price(price)


# ---- multi-leg orders --------------------------------------------------------------------------------------------------

# What Lumibot calls the kind of a net price, and the sign that it has at Alpaca: a debit is paid, a credit is received.
SIGN = {"debit": 1, "credit": -1, "even": 0}


@dataclass(frozen=True, slots=True)
class PackageTerms:
    """What a strategy says of a multi-leg order beside its legs, in Lumibot's words; `price` in dollars for one unit."""

    order_type: str | None = None
    duration: str = "day"
    price: float | None = None


def package_order(legs: Sequence[Order], terms: PackageTerms) -> Order:
    """The Lumibot order that stands for several legs as a whole; they become its children. It trades nothing itself.

    Its asset is of Lumibot's own kind for this, as in its backtester: a parent in the name of the stock is booked as one.
    """
    first = legs[0]
    order = Order(
        first.strategy,
        Asset(first.asset.symbol, asset_type=Asset.AssetType.MULTILEG),
        quantity=_units(legs),
        side=first.side,
        order_class=Order.OrderClass.MULTILEG,
        order_type=Order.OrderType.MARKET if terms.order_type == "market" else Order.OrderType.LIMIT,
        limit_price=terms.price,
        time_in_force=terms.duration,
        child_orders=list(legs),
        tag=first.tag,
    )
    for leg in legs:
        leg.parent_identifier = order.identifier
    return order


def package_spec(legs: Sequence[Order], terms: PackageTerms, key: str) -> OrderSpec:
    """The desk's reading of a multi-leg order, to send it as it was meant: so many units of so many contracts each.

    Raises ValueError for what the desk does not send: other assets than options, parts of contracts, other lives than a day,
    and a price of which nobody says whether it is paid or received.
    """
    for leg in legs:
        if leg.asset.asset_type != Asset.AssetType.OPTION:
            raise ValueError(f"leg {leg.asset}: the legs of a multi-leg order are option contracts")
        if leg.quantity is None or Decimal(str(leg.quantity)) != int(leg.quantity) or leg.quantity < 1:
            raise ValueError(f"leg {leg.asset}: quantity {leg.quantity} must be a whole number of contracts")
    if terms.duration != TimeInForce.DAY:
        raise ValueError(f"duration {terms.duration!r}: an order of several option legs lives for a day; give day")
    units = _units(legs)
    is_market = _word(terms.order_type) == "market"
    return OrderSpec(
        key=key,
        symbol=legs[0].asset.symbol,
        side=Side.BUY if legs[0].is_buy_order() else Side.SELL,
        quantity=units,
        type=OrderType.MARKET if is_market else OrderType.LIMIT,
        order_class=OrderClass.MULTI_LEG,
        limit_price=None if is_market else _net_limit(legs, terms),
        legs=tuple(Leg(contract_of(leg.asset), int(leg.quantity) // units, _intent(leg)) for leg in legs),
    )


def package_text(legs: Sequence[Order], terms: PackageTerms) -> str:
    """A multi-leg order in one line, as the strategy gave it."""
    said = ", ".join(f"{leg.side} {leg.quantity} {leg.asset}" for leg in legs)
    return f"multi-leg {_word(terms.order_type) or 'limit'} {terms.price} {terms.duration}: {said}"


def contract_of(asset: Asset) -> str:
    """The symbol of an option as the Options Clearing Corporation writes it. Raises ValueError for what it cannot say."""
    kind: occ.OptionType = "call" if str(asset.right).upper() == "CALL" else "put"
    return occ.format(asset.symbol, asset.expiration, kind, Decimal(str(asset.strike)))


def _units(legs: Sequence[Order]) -> int:
    """How often the order is there: what the quantities of its legs have in common."""
    return gcd(*(int(leg.quantity or 0) for leg in legs)) or 1


def _word(order_type: str | None) -> str:
    return str(getattr(order_type, "value", order_type) or "").lower()


def _net_limit(legs: Sequence[Order], terms: PackageTerms) -> Decimal:
    """Dollars for one unit: above zero what is paid at most, below zero what is received at least."""
    word = _word(terms.order_type)
    if terms.price is None and word != "even":
        raise ValueError(f"a multi-leg order of type {word or 'limit'} needs a price")
    price = Decimal(str(terms.price or 0)).quantize(PENNY)
    if word in SIGN:
        return SIGN[word] * abs(price)
    if price > 0 and len({leg.is_buy_order() for leg in legs}) > 1:
        # Taken for a debit, an order that was meant to receive 1.25 pays up to 1.25.
        raise ValueError(f"price {terms.price}: say with order_type whether it is a debit or a credit")
    return price


def _intent(leg: Order) -> PositionIntent:
    try:
        return PositionIntent(_word(leg.side))
    except ValueError:
        intents = ", ".join(PositionIntent)
        raise ValueError(f"leg {leg.asset}: side {leg.side} leaves open what it does to the position; give {intents}") from None


def _package_of(spec: OrderSpec, strategy: Any) -> Order:
    legs = [
        strategy.create_order(Asset.symbol2asset(leg.symbol), spec.quantity * leg.ratio, leg.intent.value, time_in_force="day")
        for leg in spec.legs
    ]
    price = _float(spec.limit_price)
    order = package_order(legs, PackageTerms("market" if price is None else "limit", spec.time_in_force.value, price))
    order.custom_params = {KEY: spec.key}
    return order


# ---- orders of the broker ------------------------------------------------------------------------------------------------


def plain_order(response: Any, strategy_name: str) -> Order:
    """Any order of the broker that has a symbol as a simple Lumibot order: Lumibot cannot build a parent without its children."""
    is_option = response.asset_class is not None and response.asset_class.value == "us_option"
    order = Order(
        strategy_name,
        Asset.symbol2asset(response.symbol) if is_option else Asset(response.symbol),
        quantity=float(response.qty or 0),
        side=_side_of(response, is_option),
        limit_price=_float(response.limit_price),
        stop_price=_float(response.stop_price),
        time_in_force=response.time_in_force.value,
        # The leg of a multi-leg order has no type of its own.
        order_type=None if response.type is None else response.type.value,
        date_created=response.created_at,
    )
    order.set_identifier(str(response.id))
    order.broker_create_date = response.created_at
    order.update_raw(response)
    return order


def _side_of(response: Any, is_option: bool) -> str:
    said = response.position_intent if is_option and response.position_intent is not None else response.side
    return str(said.value)
