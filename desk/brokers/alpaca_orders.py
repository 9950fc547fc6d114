"""The desk's orders as alpaca-py's requests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpaca.trading.enums import OrderClass as AlpacaClass
from alpaca.trading.enums import OrderSide
from alpaca.trading.enums import PositionIntent as AlpacaIntent
from alpaca.trading.enums import TimeInForce as AlpacaTimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    OptionLegRequest,
    OrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)

from desk.domain.journal import ResidueStop
from desk.domain.orders import OrderClass, OrderSpec, OrderType, Side

_REQUEST = {
    OrderType.MARKET: MarketOrderRequest,
    OrderType.LIMIT: LimitOrderRequest,
    OrderType.STOP: StopOrderRequest,
    OrderType.STOP_LIMIT: StopLimitOrderRequest,
}


def order_request(spec: OrderSpec) -> OrderRequest:
    """The alpaca-py request for `spec`. An OCO carries its prices in take_profit and stop_loss alone."""
    fields: dict[str, Any] = {
        "qty": spec.quantity,
        "time_in_force": AlpacaTimeInForce(spec.time_in_force.value),
        "order_class": AlpacaClass(spec.order_class.value),
        "client_order_id": spec.key,
        "limit_price": _float(spec.limit_price),
        "stop_price": _float(spec.stop_price),
        "extended_hours": spec.extended_hours or None,
        "position_intent": _intent(spec),
        **(_legs(spec) if spec.legs else {"symbol": spec.symbol, "side": OrderSide(spec.side.value)}),
    }
    if spec.take_profit is not None:
        fields["take_profit"] = TakeProfitRequest(limit_price=float(spec.take_profit))
    if spec.stop_loss is not None:
        fields["stop_loss"] = StopLossRequest(stop_price=float(spec.stop_loss))
    return _REQUEST[spec.type](**{name: value for name, value in fields.items() if value is not None})


def residue_request(stop: ResidueStop) -> OrderRequest:
    """The alpaca-py request for part of a share: fractions are simple orders of a day."""
    fields: dict[str, Any] = {
        "symbol": stop.symbol,
        "qty": float(stop.quantity),
        "side": OrderSide.SELL,
        "time_in_force": AlpacaTimeInForce.DAY,
        "client_order_id": stop.key,
        "position_intent": AlpacaIntent.SELL_TO_CLOSE,
    }
    if stop.stop_price is None:
        return MarketOrderRequest(**fields)
    return StopOrderRequest(**fields, stop_price=float(stop.stop_price))


def _intent(spec: OrderSpec) -> AlpacaIntent | None:
    """A plain sale says that it closes, or a broker would sell short what a person has sold by hand already.

    A bracket opens, and an OCO needs no word: a broker takes it as an exit alone ("oco orders must be exit orders"), and that it
    takes one with an intent is not known. A multi-leg order says it of each leg.
    """
    if spec.position_intent is not None:
        return AlpacaIntent(spec.position_intent.value)
    is_sale = spec.order_class is OrderClass.SIMPLE and spec.side is Side.SELL
    return AlpacaIntent.SELL_TO_CLOSE if is_sale else None


def _float(price: Decimal | None) -> float | None:
    return None if price is None else float(price)


def _legs(spec: OrderSpec) -> dict[str, Any]:
    """A multi-leg order names no symbol and no side of its own; a credit's limit stays below zero."""
    return {
        "legs": [
            OptionLegRequest(
                symbol=leg.symbol,
                ratio_qty=leg.ratio,
                side=OrderSide(leg.side.value),
                position_intent=AlpacaIntent(leg.intent.value),
            )
            for leg in spec.legs
        ]
    }
