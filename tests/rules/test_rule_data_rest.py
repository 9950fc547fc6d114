"""Market data over HTTP beside bars and pages: single symbols, latest prices, auctions, adjustments, codes, screeners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from unit.exchange.conftest import KEYS, Client, Http, market

from desk.exchange.api.accesslog import AccessLog
from desk.exchange.api.app import Server
from desk.exchange.config import ExchangeConfig
from desk.exchange.market.corporate import FILE_NAME
from desk.exchange.venue import Exchange

rule = pytest.mark.rule
MORNING, CLOSE, END = "2008-09-02T14:00:00Z", "2008-09-02T20:00:00Z", "2008-09-08T20:00:00Z"
IEX = {"feed": "iex"}
Body = dict[str, Any]


@pytest.fixture
def ended(new_client: Callable[..., Any]) -> Any:
    """A client at the last close of the data, a week later."""
    made = new_client()
    made.to(END)
    return made


def bars(client: Any, timeframe: str = "1Day", symbol: str = "ABC", **more: object) -> list[Body]:
    query = {"start": "2008-01-01", **IEX, **more}
    found: list[Body] = client.get("/v2/stocks/bars", symbols=symbol, timeframe=timeframe, **query)["bars"].get(symbol, [])
    return found


def refused(client: Any, path: str = "/v2/stocks/bars", **query: object) -> tuple[int, Body]:
    given = {"symbols": "ABC", "timeframe": "1Day", **query} if path == "/v2/stocks/bars" else query
    answer = client.http.get(path, params=given)
    return answer.status_code, answer.json()


@rule("DAT-020", "Of a single symbol the answer is a list, and names the symbol.", source="OAS", status="documented")
@pytest.mark.parametrize("name", ["bars", "quotes", "trades", "auctions"])
def test_single_symbols_have_lists(client: Any, name: str) -> None:
    query = {"timeframe": "1Min", "start": "2008-08-29", "end": "2008-09-02T13:45:00Z", "limit": 20}
    one = client.get(f"/v2/stocks/ABC/{name}", **query)
    many = client.get(f"/v2/stocks/{name}", symbols="ABC", **query)
    assert one == {name: many[name]["ABC"], "symbol": "ABC", "next_page_token": many["next_page_token"]}
    assert client.get(f"/v2/stocks/NONE/{name}", **query) == {name: [], "symbol": "NONE", "next_page_token": None}


@rule("DAT-021", "Latest prices of a single symbol stand under its singular name.", source="OAS", status="documented")
def test_latest_of_a_single_symbol(client: Any) -> None:
    for name in ("bar", "quote", "trade"):
        found = client.get(f"/v2/stocks/ABC/{name}s/latest")
        assert found == {"symbol": "ABC", name: client.get(f"/v2/stocks/{name}s/latest", symbols="ABC")[f"{name}s"]["ABC"]}
        assert refused(client, f"/v2/stocks/NONE/{name}s/latest")[0] == 404


@rule(
    "DAT-022", "Quotes have sizes in shares, exchanges, conditions and a tape; trades an id.", source="OAS", status="documented"
)
def test_quotes_and_trades_have_their_fields(client: Any) -> None:
    quote, trade = (client.get(f"/v2/stocks/{name}/latest", symbols="ABC")[name]["ABC"] for name in ("quotes", "trades"))
    assert set(quote) == {"t", "ax", "ap", "as", "bx", "bp", "bs", "c", "z"} and quote["as"] == quote["bs"] == 100
    assert set(trade) == {"t", "x", "p", "s", "i", "c", "z"} and quote["bp"] <= trade["p"] <= quote["ap"]


@rule(
    "DAT-023",
    "Snapshots are a map by symbol of latest trade and quote, minute, day and previous day.",
    source="OAS",
    status="documented",
)
def test_snapshots_hold_five_parts(client: Any) -> None:
    found = client.get("/v2/stocks/snapshots", symbols="ABC,NEW,XYZ")
    assert list(found) == ["ABC", "XYZ"]
    assert set(found["ABC"]) == {"latestTrade", "latestQuote", "minuteBar", "dailyBar", "prevDailyBar"}
    assert [found["ABC"][part]["t"] for part in ("minuteBar", "dailyBar", "prevDailyBar")] == [
        "2008-09-02T13:59:00Z",
        "2008-09-02T04:00:00Z",
        "2008-08-29T04:00:00Z",
    ]
    assert client.get("/v2/stocks/ABC/snapshot") == {"symbol": "ABC", **found["ABC"]}


@rule("DAT-024", "Outside the session the last minute, trade and quote remain.", source="OAS", status="documented")
def test_the_last_minute_remains(client: Any) -> None:
    client.to("2008-09-03T12:00:00Z")
    found = client.get("/v2/stocks/snapshots", symbols="ABC")["ABC"]
    assert [found[part]["t"] for part in ("minuteBar", "latestTrade", "dailyBar")] == [
        "2008-09-02T19:59:00Z",
        CLOSE,
        "2008-09-02T04:00:00Z",
    ]


@rule("DAT-025", "Auctions show a day's opening and closing prices, of sip only.", source="OAS", status="documented")
def test_auctions_show_open_and_close(ended: Any) -> None:
    found = ended.get("/v2/stocks/auctions", symbols="ABC", start="2008-09-02", end="2008-09-04T15:00:00Z")["auctions"]["ABC"]
    assert [(day["d"], day["o"][0]["p"], [each["p"] for each in day["c"]][:1]) for day in found] == [
        ("2008-09-02", 100, [101]),
        ("2008-09-03", 102, [102]),
        ("2008-09-04", 90, []),
    ]
    assert refused(ended, "/v2/stocks/auctions", symbols="ABC", feed="iex")[0] == 400


@rule(
    "DAT-026",
    "adjustment split rescales prices and volumes before a split, all dividends too; raw leaves them.",
    source="OAS",
    status="documented",
)
def test_bars_are_adjusted_for_corporate_actions(tmp_path: Path) -> None:
    rows = ["type,symbol,ex_date,pay_date,cash,new_rate,old_rate", "split,ABC,2008-09-04,,,2,1", "dividend,ABC,2008-09-05,,0.9,,"]
    (tmp_path / FILE_NAME).write_text("\n".join(rows), encoding="utf-8")
    client = adjusted_client(tmp_path)
    client.to("2008-09-05T20:00:00Z")
    raw = bars(client)
    split, both = bars(client, adjustment="split"), bars(client, adjustment="all")
    assert [bar["c"] for bar in raw] == [100, 101, 102, 90, 91]
    assert [bar["c"] for bar in split] == [50, 50.5, 51, 90, 91]
    assert [bar["v"] for bar in split] == [78_000] * 3 + [39_000] * 2
    assert [bar["c"] for bar in both] == [49.5, 49.995, 50.49, 89.1, 91]
    assert bars(client, adjustment="split,dividend") == both
    minutes = bars(client, "1Min", start="2008-09-03T19:59:00Z", end="2008-09-04T13:30:00Z", adjustment="split")
    assert (minutes[0]["c"], minutes[-1]["o"]) == (51, 90)
    assert refused(client, adjustment="moon")[0] == 400


def adjusted_client(folder: Path) -> Client:
    """A client of an exchange whose data directory has a file of corporate actions; prices are those of the small market."""
    made = Client()
    key, secret = made.exchange.config.api_key, made.exchange.config.api_secret
    config = ExchangeConfig(str(folder), date(2008, 9, 2), seed=5, api_key=key, api_secret=secret)
    made.exchange = Exchange(config, market())
    made.server = Server(made.exchange, AccessLog(None), on_save=lambda: None, on_shutdown=lambda: None)
    made.http = Http(made.server.app(), KEYS)
    return made


@rule("DAT-027", "A corporate action that has not come yet changes no bar.", source="OAS", status="documented")
def test_future_actions_change_nothing(tmp_path: Path) -> None:
    rows = ["type,symbol,ex_date,pay_date,cash,new_rate,old_rate", "split,ABC,2008-09-04,,,2,1"]
    (tmp_path / FILE_NAME).write_text("\n".join(rows), encoding="utf-8")
    client = adjusted_client(tmp_path)
    client.to("2008-09-03T20:00:00Z")
    assert bars(client, adjustment="all") == bars(client)


@rule("DAT-028", "Wrong parameters are a 400, never an error of the server.", source="OAS", status="documented")
@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "x"},
        {"end": "2008-13-01"},
        {"start": "2008-09-02", "end": "2008-09-01"},
        {"sort": "up"},
        {"currency": "EUR"},
        {"asof": "never"},
        {"page_token": "!"},
        {"page_token": "QUJD"},
        {"adjustment": "none"},
        {"start": "0001-01-01T00:00:00+14:00", "end": "0001-01-01T00:00:00+14:00", "limit": "99999999999999999999"},
    ],
)
def test_wrong_parameters_are_refused(client: Any, wrong: dict[str, str]) -> None:
    status, body = refused(client, **{**IEX, **wrong})
    assert (status, body["code"]) == (400, 40010001)


@rule("DAT-029", "News come as an empty list: the sources have none.", source="OAS", status="documented")
def test_there_are_no_news(client: Any) -> None:
    assert client.get("/v1beta1/news", symbols="ABC") == {"news": [], "next_page_token": None}
    assert refused(client, "/v1beta1/news", limit=51)[0] == 400


@rule("DAT-030", "Most active stocks are ranked by volume or trades, at most 100.", source="OAS", status="documented")
def test_most_active_stocks(client: Any) -> None:
    found = client.get("/v1beta1/screener/stocks/most-actives", top=1)
    snapshots = client.get("/v2/stocks/snapshots", symbols="ABC,XYZ")
    volumes = {symbol: shown["dailyBar"]["v"] for symbol, shown in snapshots.items()}
    assert found["most_actives"][0]["volume"] == max(volumes.values()) and len(found["most_actives"]) == 1
    assert client.get("/v1beta1/screener/stocks/most-actives", by="trades")["last_updated"] == MORNING
    for wrong in ({"top": 101}, {"by": "luck"}):
        assert refused(client, "/v1beta1/screener/stocks/most-actives", **wrong)[0] == 400


@rule(
    "DAT-031",
    "Movers are measured from the close before; until the open they are those of the day before.",
    source="OAS",
    status="documented",
)
def test_movers_are_measured_from_the_close_before(client: Any) -> None:
    client.to("2008-09-03T12:00:00Z")
    found = client.get("/v1beta1/screener/stocks/movers")
    assert found["gainers"] == [
        {"symbol": "XYZ", "percent_change": 2.0, "change": 1.0, "price": 51.0},
        {"symbol": "ABC", "percent_change": 1.0, "change": 1.0, "price": 101.0},
    ]
    client.to("2008-09-04T20:00:00Z")
    assert client.get("/v1beta1/screener/stocks/movers", top=1)["losers"][0]["symbol"] == "ABC"
    assert refused(client, "/v1beta1/screener/stocks/movers", top=51)[0] == 400


@rule("DAT-032", "Codes of exchanges, and of conditions by tape, are listed.", source="OAS", status="documented")
def test_codes_are_listed(client: Any) -> None:
    assert client.get("/v2/stocks/meta/exchanges")["V"] == "IEX"
    quote = client.get("/v2/stocks/quotes/latest", symbols="ABC")["quotes"]["ABC"]
    trade = client.get("/v2/stocks/trades/latest", symbols="ABC")["trades"]["ABC"]
    assert quote["c"][0] in client.get("/v2/stocks/meta/conditions/quote", tape=quote["z"])
    assert trade["c"][0] in client.get("/v2/stocks/meta/conditions/trade", tape=trade["z"])
    for wrong in ("/v2/stocks/meta/conditions/trade", "/v2/stocks/meta/conditions/moon?tape=A"):
        assert refused(client, wrong)[0] == 400


@rule(
    "DAT-033",
    "Crypto, forex, fixed income and logos are out of scope: 404, and movers of crypto 400.",
    source="OAS",
    status="documented",
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1beta3/crypto/us/bars?symbols=BTC/USD&timeframe=1Day",
        "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD",
        "/v1beta1/forex/rates?currency_pairs=USDJPY",
        "/v1beta1/fixed_income/latest/prices?isins=US912797KJ59",
        "/v1beta1/logos/ABC",
    ],
)
def test_out_of_scope_is_not_found(client: Any, path: str) -> None:
    status, body = refused(client, path)
    assert (status, body["code"]) == (404, 40410000)
    assert refused(client, "/v1beta1/screener/crypto/movers")[0] == 400
