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

from desk.domain.orders import OrderSpec, OrderType

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
        **(_legs(spec) if spec.legs else {"symbol": spec.symbol, "side": OrderSide(spec.side.value)}),
    }
    if spec.take_profit is not None:
        fields["take_profit"] = TakeProfitRequest(limit_price=float(spec.take_profit))
    if spec.stop_loss is not None:
        fields["stop_loss"] = StopLossRequest(stop_price=float(spec.stop_loss))
    return _REQUEST[spec.type](**{name: value for name, value in fields.items() if value is not None})


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
