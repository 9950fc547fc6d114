"""Every public method of alpaca-py's clients for US stocks and options, against a real server: each works, or says why not.

The methods are found by reflection, so one that a newer alpaca-py adds fails here until somebody has looked at it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openapi
import pytest
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data import requests as asked
from alpaca.data.enums import CorporateActionsType, DataFeed, MarketType, MostActivesBy
from alpaca.data.historical import NewsClient, OptionHistoricalDataClient, ScreenerClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.timeframe import TimeFrame
from alpaca.trading import requests as wanted
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    CorporateActionDateType,
    CorporateActionType,
    OrderSide,
    OrderStatus,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.models import AccountConfiguration
from alpaca_clients import MORNING, World

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow

YESTERDAY = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
CLIENTS = (
    TradingClient,
    StockHistoricalDataClient,
    OptionHistoricalDataClient,
    CorporateActionsClient,
    NewsClient,
    ScreenerClient,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("exchange")
    config = ExchangeConfig("bundled", date(2008, 9, 2), partial_fill_probability=0.0)
    with ExchangeProcess(config, folder / "exchange.log") as process:
        process.admin.advance(MORNING)
        yield World(process)
    assert (folder / "exchange.log").read_text() == ""


# Trading: each entry makes the call and says whether the answer is the right one.


def replaced(world: World) -> bool:
    order = world.far_buy()
    successor = world.trading.replace_order_by_id(order.id, wanted.ReplaceOrderRequest(limit_price=float(order.limit_price) - 1))
    return successor.replaces == order.id


def cancelled(world: World) -> bool:
    order = world.far_buy()
    world.trading.cancel_order_by_id(order.id)
    return world.trading.get_order_by_id(order.id).status in (OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED)


def all_cancelled(world: World) -> bool:
    ours = {world.far_buy().id, world.far_buy("AAPL").id}
    answers = {answer.id: answer.status for answer in world.trading.cancel_orders()}
    return ours <= set(answers) and set(answers.values()) == {200}


def listed(world: World) -> bool:
    order = world.far_buy()
    found = world.trading.get_orders(wanted.GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=["IBM"], nested=True))
    return order.id in {each.id for each in found}


def by_client_id(world: World) -> bool:
    order = world.far_buy()
    return world.trading.get_order_by_client_id(order.client_order_id).id == order.id


def position(world: World) -> bool:
    world.bought("GOOG", 2)
    return float(world.trading.get_open_position("GOOG").qty) >= 2


def closed_in_part(world: World) -> bool:
    world.bought("GOOG", 4)
    held = float(world.trading.get_open_position("GOOG").qty)
    world.trading.close_position("GOOG", wanted.ClosePositionRequest(qty="1"))
    return float(world.trading.get_open_position("GOOG").qty) == held - 1


def all_closed(world: World) -> bool:
    world.bought("AAPL", 1)
    answers = world.trading.close_all_positions(cancel_orders=True)
    return "AAPL" in {answer.symbol for answer in answers} and world.trading.get_all_positions() == []


def exercised(world: World) -> bool:
    world.trading.submit_order(
        wanted.MarketOrderRequest(symbol=world.call.symbol, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    before = shares(world, "MSFT")
    world.trading.exercise_options_position(world.call.symbol)
    return shares(world, "MSFT") == before + 100


def shares(world: World, symbol: str) -> float:
    return sum(float(each.qty) for each in world.trading.get_all_positions() if each.symbol == symbol)


def configured(world: World) -> bool:
    found = world.trading.get_account_configurations()
    changed = AccountConfiguration(**{**found.model_dump(), "no_shorting": True})
    back = world.trading.set_account_configurations(changed)
    world.trading.set_account_configurations(found)
    return back.no_shorting is True


def announced(world: World) -> list[Any]:
    return world.trading.get_corporate_announcements(
        wanted.GetCorporateAnnouncementsRequest(
            ca_types=[CorporateActionType.DIVIDEND, CorporateActionType.SPLIT],
            since=MORNING.date() - timedelta(days=80),
            until=MORNING.date(),
            date_type=CorporateActionDateType.EX_DATE,
        )
    )


def announcement(world: World) -> bool:
    """The bundled prices have their dividends inside them, so nothing is announced: an unknown one is not found."""
    found = announced(world)
    if found:
        return world.trading.get_corporate_announcement_by_id(found[0].id).id == found[0].id
    with pytest.raises(APIError) as refused:
        world.trading.get_corporate_announcement_by_id("f6e5d4c3-0000-4000-8000-000000000000")
    return refused.value.status_code == 404


def renamed(world: World) -> bool:
    made = world.watchlist("to rename")
    return world.trading.update_watchlist_by_id(made.id, wanted.UpdateWatchlistRequest(name="renamed")).name == "renamed"


def symbols_after(world: World, name: str, act: Callable[[Any], Any]) -> list[str]:
    return [asset.symbol for asset in act(world.watchlist(name).id).assets]


def unwatched(world: World) -> bool:
    made = world.watchlist("to delete")
    world.trading.delete_watchlist_by_id(made.id)
    return made.id not in {each.id for each in world.trading.get_watchlists()}


TRADING: dict[str, Callable[[World], Any]] = {
    "submit_order": lambda w: w.bought("AAPL", 1).status is OrderStatus.FILLED,
    "replace_order_by_id": replaced,
    "cancel_order_by_id": cancelled,
    "cancel_orders": all_cancelled,
    "get_orders": listed,
    "get_order_by_id": lambda w: w.trading.get_order_by_id(w.far_buy().id).symbol == "IBM",
    "get_order_by_client_id": by_client_id,
    "get_all_positions": lambda w: w.bought("AAPL", 1) and "AAPL" in {each.symbol for each in w.trading.get_all_positions()},
    "get_open_position": position,
    "close_position": closed_in_part,
    "close_all_positions": all_closed,
    "exercise_options_position": exercised,
    "get_account": lambda w: w.trading.get_account().account_number.startswith("PA"),
    "get_account_configurations": lambda w: w.trading.get_account_configurations().no_shorting is False,
    "set_account_configurations": configured,
    "get_portfolio_history": lambda w: len(w.trading.get_portfolio_history().equity) > 0,
    "get_all_assets": lambda w: (
        "AAPL" in {each.symbol for each in w.trading.get_all_assets(wanted.GetAssetsRequest(asset_class=AssetClass.US_EQUITY))}
    ),
    "get_asset": lambda w: w.trading.get_asset("AAPL").tradable,
    "get_clock": lambda w: w.trading.get_clock().is_open,
    "get_calendar": lambda w: (
        w.trading.get_calendar(wanted.GetCalendarRequest(start=date(2008, 9, 1), end=date(2008, 9, 5)))[0].date
        == date(2008, 9, 2)
    ),
    "create_watchlist": lambda w: [asset.symbol for asset in w.watchlist("made").assets] == ["AAPL", "MSFT"],
    "get_watchlists": lambda w: w.watchlist("listed").id in {each.id for each in w.trading.get_watchlists()},
    "get_watchlist_by_id": lambda w: w.trading.get_watchlist_by_id(w.watchlist("found").id).name == "found",
    "update_watchlist_by_id": renamed,
    "add_asset_to_watchlist_by_id": lambda w: (
        symbols_after(w, "longer", lambda number: w.trading.add_asset_to_watchlist_by_id(number, "IBM"))
        == ["AAPL", "MSFT", "IBM"]
    ),
    "remove_asset_from_watchlist_by_id": lambda w: (
        symbols_after(w, "shorter", lambda number: w.trading.remove_asset_from_watchlist_by_id(number, "AAPL")) == ["MSFT"]
    ),
    "delete_watchlist_by_id": unwatched,
    "get_corporate_announcements": lambda w: isinstance(announced(w), list),
    "get_corporate_announcement_by_id": announcement,
    "get_option_contracts": lambda w: w.call.underlying_symbol == "MSFT",
    "get_option_contract": lambda w: w.trading.get_option_contract(w.call.symbol).id == w.call.id,
}

# Market data.

SPAN = {"start": YESTERDAY, "end": YESTERDAY + timedelta(hours=2)}


def latest(kind: type[Any]) -> Any:
    return kind(symbol_or_symbols="AAPL", feed=DataFeed.IEX)


def history(kind: type[Any], symbols: str | list[str], **more: object) -> Any:
    return kind(symbol_or_symbols=symbols, **SPAN, **more)


STOCKS: dict[str, Callable[[World], Any]] = {
    "get_stock_bars": lambda w: (
        len(
            w.stocks.get_stock_bars(
                asked.StockBarsRequest(symbol_or_symbols=["AAPL", "IBM"], timeframe=TimeFrame.Minute, **SPAN)
            )["IBM"]
        )
        > 100
    ),
    "get_stock_quotes": lambda w: (
        len(w.stocks.get_stock_quotes(history(asked.StockQuotesRequest, "AAPL", limit=50))["AAPL"]) == 50
    ),
    "get_stock_trades": lambda w: (
        len(w.stocks.get_stock_trades(history(asked.StockTradesRequest, "AAPL", limit=50))["AAPL"]) == 50
    ),
    "get_stock_latest_bar": lambda w: w.stocks.get_stock_latest_bar(latest(asked.StockLatestBarRequest))["AAPL"].close > 0,
    "get_stock_latest_quote": lambda w: w.stocks.get_stock_latest_quote(latest(asked.StockLatestQuoteRequest))["AAPL"].bid_price,
    "get_stock_latest_trade": lambda w: w.stocks.get_stock_latest_trade(latest(asked.StockLatestTradeRequest))["AAPL"].price > 0,
    "get_stock_snapshot": lambda w: w.stocks.get_stock_snapshot(latest(asked.StockSnapshotRequest))["AAPL"].daily_bar.open > 0,
}


def of_call(w: World, kind: type[Any], **more: object) -> Any:
    return kind(symbol_or_symbols=w.liquid, **more)


OPTION_SPAN = {"start": YESTERDAY - timedelta(days=5), "end": MORNING - timedelta(minutes=16)}
OPTIONS: dict[str, Callable[[World], Any]] = {
    "get_option_bars": lambda w: w.options.get_option_bars(
        of_call(w, asked.OptionBarsRequest, timeframe=TimeFrame.Day, **OPTION_SPAN)
    )[w.liquid],
    "get_option_trades": lambda w: w.options.get_option_trades(of_call(w, asked.OptionTradesRequest, **OPTION_SPAN))[w.liquid],
    "get_option_exchange_codes": lambda w: "C" in w.options.get_option_exchange_codes(),
    "get_option_latest_quote": lambda w: (
        w.options.get_option_latest_quote(of_call(w, asked.OptionLatestQuoteRequest))[w.liquid].ask_price
    ),
    "get_option_latest_trade": lambda w: (
        w.options.get_option_latest_trade(of_call(w, asked.OptionLatestTradeRequest))[w.liquid].price
    ),
    "get_option_snapshot": lambda w: w.options.get_option_snapshot(of_call(w, asked.OptionSnapshotRequest))[w.liquid].greeks,
    "get_option_chain": lambda w: (
        len(
            w.options.get_option_chain(
                asked.OptionChainRequest(underlying_symbol="MSFT", expiration_date=w.call.expiration_date, type="call")
            )
        )
        > 3
    ),
}


def actions(world: World) -> bool:
    found = world.actions.get_corporate_actions(
        asked.CorporateActionsRequest(
            symbols=["AAPL"], types=[CorporateActionsType.CASH_DIVIDEND], start=date(2008, 1, 1), end=date(2008, 9, 1)
        )
    )
    return isinstance(found.data, dict)


OTHERS: dict[str, Callable[[World], Any]] = {
    "get_corporate_actions": actions,
    "get_news": lambda w: w.news.get_news(asked.NewsRequest(symbols="AAPL", limit=5)).data == {"news": []},
    "get_most_actives": lambda w: (
        len(w.screener.get_most_actives(asked.MostActivesRequest(top=3, by=MostActivesBy.VOLUME)).most_actives) == 3
    ),
    "get_market_movers": lambda w: (
        w.screener.get_market_movers(asked.MarketMoversRequest(top=2, market_type=MarketType.STOCKS)).market_type
        is MarketType.STOCKS
    ),
}

# Methods of a market that is not here: called, they answer as Alpaca's documents say of what is not there.
OUT_OF_SCOPE: dict[str, Callable[[World], Any]] = {
    "get_market_movers of crypto": lambda w: w.screener.get_market_movers(
        asked.MarketMoversRequest(top=2, market_type=MarketType.CRYPTO)
    ),
}

COVERED = {**TRADING, **STOCKS, **OPTIONS, **OTHERS}


def public_methods() -> set[str]:
    """Names of what the clients add to the plain REST client beneath them."""
    plumbing = set(dir(RESTClient))
    return {
        name
        for client in CLIENTS
        for name, _ in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_") and name not in plumbing
    }


def test_every_public_method_is_in_a_table() -> None:
    assert public_methods() == set(COVERED)


@pytest.mark.parametrize("name", COVERED)
def test_method_works_against_a_real_server(world: World, name: str) -> None:
    assert COVERED[name](world), name


@pytest.mark.parametrize("name", OUT_OF_SCOPE)
def test_what_is_out_of_scope_answers_with_an_error_of_alpacas(world: World, name: str) -> None:
    with pytest.raises(APIError) as refused:
        OUT_OF_SCOPE[name](world)
    assert refused.value.status_code in (400, 403, 404, 422)


def test_raw_answers_keep_what_the_models_drop(world: World) -> None:
    raw = TradingClient(
        world.exchange.api_key, world.exchange.api_secret, paper=True, raw_data=True, url_override=world.exchange.url
    )
    openapi.watch(raw._session)
    assert raw.get_account()["account_number"].startswith("PA")
