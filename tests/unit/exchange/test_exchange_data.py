"""Market data over HTTP: bars, pages, quotes, snapshots, and nothing ahead of the clock."""

from __future__ import annotations

from typing import Any

import pytest

Body = dict[str, Any]


def test_day_bars_end_with_the_forming_day_and_show_nothing_ahead(client: Any) -> None:
    bars = client.get("/v2/stocks/bars", symbols="ABC", timeframe="1Day", start="2008-08-01", end="2008-12-31", feed="iex")[
        "bars"
    ]["ABC"]
    assert [bar["t"] for bar in bars] == ["2008-08-29T04:00:00Z", "2008-09-02T04:00:00Z"]
    today = bars[-1]
    seen = client.exchange.market.path("ABC", client.exchange.sessions.open_or_closing_at(client.exchange.now))
    assert seen is not None
    so_far = seen.price[:31]
    assert (today["o"], today["h"], today["l"], today["c"]) == tuple(
        x / 10_000 for x in (1_000_000, so_far.max(), so_far.min(), so_far[-1])
    )
    client.to("2008-09-02T20:00:00Z")
    bars = client.get("/v2/stocks/bars", symbols="ABC", timeframe="1D", start="2008-09-02")["bars"]["ABC"]
    assert [(bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]) for bar in bars] == [(100, 102, 99, 101, 39_000)]


@pytest.mark.parametrize(("timeframe", "count", "first"), [("1Min", 390, "13:30"), ("30Min", 13, "13:30"), ("1Hour", 7, "13:00")])
def test_intraday_bars_of_a_day_add_up_to_it(client: Any, timeframe: str, count: int, first: str) -> None:
    client.to("2008-09-02T20:00:00Z")
    found = client.get(
        "/v2/stocks/bars", symbols="ABC", timeframe=timeframe, start="2008-09-02T00:00:00Z", limit=1000, feed="iex"
    )
    bars = found["bars"]["ABC"]
    assert (len(bars), bars[0]["t"]) == (count, f"2008-09-02T{first}:00Z")
    assert (bars[0]["o"], max(bar["h"] for bar in bars), min(bar["l"] for bar in bars), bars[-1]["c"]) == (100, 102, 99, 101)
    assert sum(bar["v"] for bar in bars) == 39_000


def test_minute_bars_show_completed_minutes_only(client: Any) -> None:
    client.to("2008-09-02T14:00:30Z")
    bars = client.get("/v2/stocks/bars", symbols="ABC", timeframe="1Min", start="2008-09-02T00:00:00Z", feed="iex")["bars"]["ABC"]
    assert (len(bars), bars[-1]["t"]) == (30, "2008-09-02T13:59:00Z")


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_count_over_all_symbols_and_lose_nothing(client: Any, sort: str) -> None:
    client.to("2008-09-08T20:00:00Z")
    query = {"symbols": "XYZ,ABC,NEW,NONE", "timeframe": "1Day", "start": "2008-01-01", "sort": sort}
    whole = client.get("/v2/stocks/bars", **query)["bars"]
    paged: dict[str, list[Body]] = {}
    token, pages = None, 0
    while token is not None or pages == 0:
        more = {"page_token": token} if token else {}
        found = client.get("/v2/stocks/bars", limit=4, **query, **more)
        for symbol, bars in found["bars"].items():
            paged.setdefault(symbol, []).extend(bars)
        token, pages = found["next_page_token"], pages + 1
    assert paged == whole and {symbol: len(bars) for symbol, bars in whole.items()} == {"ABC": 6, "NEW": 3, "XYZ": 3}
    assert pages == 3


def test_wrong_bar_requests_are_refused(client: Any) -> None:
    for wrong in (
        {"timeframe": "1Year"},
        {"timeframe": "99Min"},
        {"timeframe": "1D", "limit": "0"},
        {"timeframe": "1D", "start": "x"},
    ):
        assert client.http.get("/v2/stocks/bars", params={"symbols": "ABC", **wrong}).status_code == 400


def test_latest_and_snapshots_serve_many_symbols_at_once(client: Any) -> None:
    quotes = client.get("/v2/stocks/quotes/latest", symbols="ABC,XYZ,NEW,NONE")["quotes"]
    assert sorted(quotes) == ["ABC", "XYZ"]
    assert all(0 < quote["bp"] < quote["ap"] for quote in quotes.values())
    snapshot = client.get("/v2/stocks/snapshots", symbols="ABC")["ABC"]
    assert snapshot["prevDailyBar"]["t"] == "2008-08-29T04:00:00Z"
    assert snapshot["minuteBar"]["t"] == "2008-09-02T13:59:00Z"
    assert snapshot["latestTrade"]["p"] == snapshot["dailyBar"]["c"]
