"""alpaca-py's clients for one running exchange, every answer judged by Alpaca's own documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import openapi
from alpaca.data import requests as asked
from alpaca.data.historical import NewsClient, OptionHistoricalDataClient, ScreenerClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.trading import requests as wanted
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce

from desk.exchange.process import ExchangeProcess

MORNING = datetime(2008, 9, 3, 14, 0, tzinfo=UTC)


@dataclass
class World:
    """An exchange on the second morning of the bundled market and alpaca-py's clients, every answer judged by the documents."""

    exchange: ExchangeProcess

    @cached_property
    def trading(self) -> TradingClient:
        return self._judged(
            TradingClient(self.exchange.api_key, self.exchange.api_secret, paper=True, url_override=self.exchange.url)
        )

    @cached_property
    def stocks(self) -> StockHistoricalDataClient:
        return self._judged(self._client(StockHistoricalDataClient))

    @cached_property
    def options(self) -> OptionHistoricalDataClient:
        return self._judged(self._client(OptionHistoricalDataClient))

    @cached_property
    def actions(self) -> CorporateActionsClient:
        return self._judged(self._client(CorporateActionsClient))

    @cached_property
    def news(self) -> NewsClient:
        return self._judged(self._client(NewsClient))

    @cached_property
    def screener(self) -> ScreenerClient:
        return self._judged(self._client(ScreenerClient))

    @cached_property
    def calls(self) -> list[Any]:
        """Calls on MSFT that have a month to go, by strike."""
        day = MORNING.date()
        asked_for = wanted.GetOptionContractsRequest(
            underlying_symbols=["MSFT"],
            type="call",
            expiration_date_gte=day + timedelta(days=20),
            expiration_date_lte=day + timedelta(days=60),
            limit=1000,
        )
        found = self.trading.get_option_contracts(asked_for).option_contracts
        return sorted(found, key=lambda contract: (contract.expiration_date, contract.strike_price))

    @property
    def call(self) -> Any:
        """The one deepest in the money."""
        return self.calls[0]

    @cached_property
    def liquid(self) -> str:
        """The symbol of the one that trades most."""
        return max(self.calls, key=lambda contract: float(contract.open_interest or 0)).symbol

    def far_buy(self, symbol: str = "IBM") -> Any:
        """An order that rests: at half the market."""
        price = round(
            self.stocks.get_stock_latest_trade(asked.StockLatestTradeRequest(symbol_or_symbols=symbol))[symbol].price / 2, 2
        )
        return self.trading.submit_order(
            wanted.LimitOrderRequest(symbol=symbol, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=price)
        )

    def bought(self, symbol: str, quantity: int) -> Any:
        order = self.trading.submit_order(
            wanted.MarketOrderRequest(symbol=symbol, qty=quantity, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
        )
        return self.trading.get_order_by_id(order.id)

    def watchlist(self, name: str) -> Any:
        return self.trading.create_watchlist(wanted.CreateWatchlistRequest(name=name, symbols=["AAPL", "MSFT"]))

    def _client(self, kind: type[Any]) -> Any:
        return kind(self.exchange.api_key, self.exchange.api_secret, url_override=self.exchange.url)

    def _judged(self, client: Any) -> Any:
        openapi.watch(client._session)
        return client
