"""alpaca-py clients made safe: every request has a time limit, and a POST is never repeated blindly."""

from __future__ import annotations

from typing import Any

from alpaca.data.historical import OptionHistoricalDataClient, StockHistoricalDataClient
from alpaca.trading.client import TradingClient

from desk.brokers.endpoint import Endpoint
from desk.brokers.guarded.time_limits import TimeLimitedAdapter


def trading_client(endpoint: Endpoint) -> TradingClient:
    client = TradingClient(endpoint.api_key, endpoint.api_secret, paper=endpoint.is_paper, url_override=endpoint.trading_url)
    _make_safe(client, endpoint.trading_url)
    return client


def stock_data_client(endpoint: Endpoint, *, is_raw: bool = False) -> StockHistoricalDataClient:
    """A raw one answers with JSON as it came."""
    client = StockHistoricalDataClient(endpoint.api_key, endpoint.api_secret, raw_data=is_raw, url_override=endpoint.data_url)
    _make_safe(client, endpoint.data_url)
    return client


def option_data_client(endpoint: Endpoint) -> OptionHistoricalDataClient:
    """Answers with JSON as it came: alpaca-py's snapshots have no volume, and take longer to make than to fetch."""
    client = OptionHistoricalDataClient(endpoint.api_key, endpoint.api_secret, raw_data=True, url_override=endpoint.data_url)
    _make_safe(client, endpoint.data_url)
    return client


def _make_safe(client: Any, url: str | None) -> None:
    session = client._session
    session.mount("https://", TimeLimitedAdapter())
    session.mount("http://", TimeLimitedAdapter())
    # A 504 may have executed, so repeating it blindly can double an order; only a refusal for rate is safe to repeat.
    client._retry_codes = [429]
    if url is not None:
        # The exchange on this machine must be reached directly, whatever proxy the environment names.
        session.trust_env = False
