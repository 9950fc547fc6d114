"""Market data over HTTP: bars of every timeframe, pages over symbols, feeds and what they permit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

rule = pytest.mark.rule
MORNING, CLOSE, END = "2008-09-02T14:00:00Z", "2008-09-02T20:00:00Z", "2008-09-08T20:00:00Z"
RECENT_SIP = {"code": 42210000, "message": "subscription does not permit querying recent SIP data"}
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


def everything(client: Any, name: str = "bars", **query: object) -> tuple[dict[str, list[Body]], int]:
    """All pages put together, and how many there were."""
    found: dict[str, list[Body]] = {}
    pages, token = 0, None
    while pages == 0 or token:
        page = client.get(f"/v2/stocks/{name}", **query, **({"page_token": token} if token else {}))
        assert sum(len(items) for items in page[name].values()) <= int(str(query.get("limit", 1000)))
        for symbol, items in page[name].items():
            found.setdefault(symbol, []).extend(items)
        token, pages = page["next_page_token"], pages + 1
    return found, pages


@rule(
    "DAT-001",
    "Timeframes are 1-59 Min, 1-23 Hour, 1 Day, 1 Week and 1, 2, 3, 4, 6, 12 Month, or T, H, D, W, M.",
    source="OAS",
    status="documented",
)
@pytest.mark.parametrize(
    "good", ["1Min", "59T", "1Hour", "23H", "1Day", "1D", "1Week", "1W", "1Month", "2M", "3M", "4M", "6M", "12Month"]
)
def test_every_timeframe_is_served(ended: Any, good: str) -> None:
    assert bars(ended, good)


@rule("DAT-002", "Any other timeframe is a 400.", source="OAS", status="documented")
@pytest.mark.parametrize(
    "wrong", ["", "60Min", "0Min", "24Hour", "2Day", "2Week", "5Month", "1Year", "Min", "1min", "-1Min", "1 Min"]
)
def test_other_timeframes_are_refused(client: Any, wrong: str) -> None:
    assert refused(client, timeframe=wrong)[0] == 400


@rule("DAT-003", "start and end are inclusive.", source="OAS", status="documented")
@pytest.mark.parametrize("timeframe", ["1Min", "1Day"])
def test_both_ends_are_inclusive(ended: Any, timeframe: str) -> None:
    some = bars(ended, timeframe)[2:5]
    assert bars(ended, timeframe, start=some[0]["t"], end=some[-1]["t"]) == some


@rule("DAT-004", "limit counts all symbols together, 1,000 by default and 10,000 at most.", source="OAS", status="documented")
def test_the_limit_counts_all_symbols(ended: Any) -> None:
    query = {"symbols": "ABC,XYZ", "timeframe": "1Min", "start": "2008-09-02", **IEX}
    page = ended.get("/v2/stocks/bars", **query)
    assert sum(len(items) for items in page["bars"].values()) == 1000 and page["next_page_token"]
    whole = ended.get("/v2/stocks/bars", limit=10_000, **query)
    assert ({s: len(items) for s, items in whole["bars"].items()}, whole["next_page_token"]) == ({"ABC": 1950, "XYZ": 780}, None)
    assert [refused(ended, limit=wrong)[0] for wrong in (0, 10_001, -1, "x", "1e3", "²")] == [400] * 6


@rule(
    "DAT-005",
    "Pages are sorted by symbol, then time: one may hold the first symbols only; its token goes on.",
    source="OAS",
    status="documented",
)
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(("name", "limit"), [("bars", 7), ("quotes", 300), ("trades", 1000), ("auctions", 4)])
def test_pages_lose_nothing_and_repeat_nothing(new_client: Callable[..., Any], name: str, limit: int, sort: str) -> None:
    client = new_client(has_sip=True)
    client.to("2008-09-04T15:00:00Z")
    query = {"symbols": "XYZ,NEW,ABC,NONE", "start": "2008-08-29", "sort": sort, "timeframe": "1Hour"}
    whole, _ = everything(client, name, limit=10_000, **query)
    paged, pages = everything(client, name, limit=limit, **query)
    first = client.get(f"/v2/stocks/{name}", limit=limit, **query)[name]
    assert paged == whole and pages > 1
    assert list(first) == ["ABC"] and list(whole) == sorted(whole)


@rule("DAT-006", "Nothing is shown that lies ahead of the clock, whatever end is asked for.", source="OAS", status="documented")
@pytest.mark.parametrize("name", ["bars", "quotes", "trades"])
def test_nothing_is_ahead_of_the_clock(client: Any, name: str) -> None:
    query = {"symbols": "ABC,NEW", "timeframe": "1Min", "start": "2008-09-02", "end": "2030-01-01", **IEX}
    found = client.get(f"/v2/stocks/{name}", **query)[name]
    assert list(found) == ["ABC"]
    assert found["ABC"][-1]["t"] == ("2008-09-02T13:59:00Z" if name == "bars" else MORNING)


@rule("DAT-007", "A daily bar is stamped with midnight New York, in UTC.", source="OAS", status="documented")
def test_daily_bars_are_stamped_with_midnight_new_york(ended: Any) -> None:
    assert [bar["t"] for bar in bars(ended)][:2] == ["2008-08-29T04:00:00Z", "2008-09-02T04:00:00Z"]


@rule(
    "DAT-008", "Bars of n hours begin at the hours that n divides, counted from midnight UTC.", source="FORUM", status="measured"
)
@pytest.mark.parametrize(("timeframe", "hours"), [("1Hour", [13, 14, 15, 16, 17, 18, 19]), ("4Hour", [12, 16]), ("23Hour", [0])])
def test_hours_lie_on_the_grid_of_the_day(ended: Any, timeframe: str, hours: list[int]) -> None:
    found = bars(ended, timeframe, start="2008-09-02", end="2008-09-03")
    assert [bar["t"] for bar in found[: len(hours)]] == [f"2008-09-02T{hour:02d}:00:00Z" for hour in hours]


@rule(
    "DAT-009",
    "Weeks begin on Mondays and months on their first day; n months count from January.",
    source="OAS",
    status="documented",
)
def test_weeks_and_months_begin_where_they_should(ended: Any) -> None:
    assert [bar["t"][:10] for bar in bars(ended, "1Week")] == ["2008-08-25", "2008-09-01", "2008-09-08"]
    assert [bar["t"][:10] for bar in bars(ended, "1Month")] == ["2008-08-01", "2008-09-01"]
    assert [bar["t"][:10] for bar in bars(ended, "2Month")] == ["2008-07-01", "2008-09-01"]
    assert [bar["t"] for bar in bars(ended, "12Month")] == ["2008-01-01T05:00:00Z"]


@rule("DAT-010", "A longer bar is made of the shorter ones in it.", source="OAS", status="documented")
@pytest.mark.parametrize(
    ("short", "long"),
    [("1Min", "7Min"), ("1Min", "1Hour"), ("5Min", "3Hour"), ("1Hour", "1Day"), ("1Day", "1Week"), ("1Day", "12M")],
)
def test_longer_bars_are_made_of_shorter_ones(ended: Any, short: str, long: str) -> None:
    whole = bars(ended, long, start="2008-01-01", limit=10_000)
    parts = bars(ended, short, start="2008-01-01", limit=10_000)
    assert [len(whole) < len(parts), whole[0]["o"], whole[-1]["c"]] == [True, parts[0]["o"], parts[-1]["c"]]
    assert sum(bar["v"] for bar in whole) == sum(bar["v"] for bar in parts)
    assert max(bar["h"] for bar in whole) == max(bar["h"] for bar in parts)
    assert min(bar["l"] for bar in whole) == min(bar["l"] for bar in parts)


@rule("DAT-011", "A free account that asks for SIP data of the last 15 minutes gets 403.", source="DOC", status="documented")
@pytest.mark.parametrize("feed", [{}, {"feed": "sip"}])
@pytest.mark.parametrize("name", ["bars", "quotes", "trades", "auctions"])
def test_recent_sip_is_forbidden(client: Any, name: str, feed: dict[str, str]) -> None:
    query = {"symbols": "ABC", "timeframe": "1Min", "start": "2008-09-02T13:00:00Z", **feed}
    assert refused(client, f"/v2/stocks/{name}", end="2008-09-02T13:45:01Z", **query) == (403, RECENT_SIP)


@rule("DAT-012", "SIP data that is at least 15 minutes old is allowed on a free account.", source="DOC", status="documented")
def test_older_sip_is_allowed(client: Any) -> None:
    found = bars(client, "1Min", start="2008-09-02", end="2008-09-02T13:45:00Z", feed="sip")
    assert found[-1]["t"] == "2008-09-02T13:45:00Z"


@rule(
    "DAT-013",
    "The feed defaults to sip, and the end to 15 minutes ago without a right to recent data.",
    source="OAS",
    status="documented",
)
def test_the_default_end_is_fifteen_minutes_ago(client: Any) -> None:
    plain = client.get("/v2/stocks/bars", symbols="ABC", timeframe="1Min", start="2008-09-02")["bars"]["ABC"]
    assert plain[-1]["t"] == "2008-09-02T13:45:00Z"
    assert bars(client, "1Min", start="2008-09-02")[-1]["t"] == "2008-09-02T13:59:00Z"


@rule(
    "DAT-014", "With SIP, the end defaults to now, and the start to the beginning of the day.", source="OAS", status="documented"
)
def test_paid_accounts_see_up_to_now(new_client: Callable[..., Any]) -> None:
    client = new_client(has_sip=True)
    client.to("2008-09-03T14:00:00Z")
    found = client.get("/v2/stocks/bars", symbols="ABC", timeframe="1Min")["bars"]["ABC"]
    assert (found[0]["t"], found[-1]["t"]) == ("2008-09-03T13:30:00Z", "2008-09-03T13:59:00Z")


@rule(
    "DAT-015",
    "Latest prices and snapshots of sip are forbidden on a free account, whose default is iex.",
    source="DOC",
    status="documented",
)
@pytest.mark.parametrize("path", ["bars/latest", "quotes/latest", "trades/latest", "snapshots"])
def test_latest_sip_is_forbidden(client: Any, path: str) -> None:
    assert refused(client, f"/v2/stocks/{path}", symbols="ABC", feed="sip") == (403, RECENT_SIP)
    assert client.get(f"/v2/stocks/{path}", symbols="ABC") == client.get(f"/v2/stocks/{path}", symbols="ABC", feed="iex")


@rule(
    "DAT-016",
    "delayed_sip shows latest prices as they were 15 minutes ago; only latest ones have it.",
    source="OAS",
    status="documented",
)
def test_delayed_sip_is_fifteen_minutes_old(client: Any) -> None:
    quote = client.get("/v2/stocks/ABC/quotes/latest", feed="delayed_sip")["quote"]
    assert quote["t"] == "2008-09-02T13:45:00Z"
    past = client.get("/v2/stocks/ABC/quotes", end=quote["t"], sort="desc", limit=1, **IEX)["quotes"]
    assert past == [quote]
    assert refused(client, feed="delayed_sip")[0] == 400


@rule("DAT-017", "The feeds boats, otc and overnight are known, and have no data here.", source="OAS", status="documented")
def test_other_feeds_are_empty(client: Any) -> None:
    for feed in ("boats", "otc"):
        assert client.get("/v2/stocks/bars", symbols="ABC", timeframe="1Day", start="2008-01-01", feed=feed)["bars"] == {}
    assert client.get("/v2/stocks/quotes/latest", symbols="ABC", feed="overnight")["quotes"] == {}
    assert refused(client, feed="moon")[0] == 400


@rule("DAT-018", "A symbol that is not known is missing from the map.", source="3P", status="unknown")
@pytest.mark.parametrize("path", ["bars", "quotes", "trades", "auctions", "bars/latest", "quotes/latest", "trades/latest"])
def test_unknown_symbols_are_missing(client: Any, path: str) -> None:
    query = {"timeframe": "1Day", "start": "2008-08-01", "end": "2008-09-02T13:45:00Z"}
    found = client.get(f"/v2/stocks/{path}", symbols="ABC,NONE", **query)
    assert list(found[path.partition("/")[0]]) == ["ABC"]
    assert client.get("/v2/stocks/snapshots", symbols="NONE") == {}


@rule("DAT-019", "A malformed symbol is a 400 that names it.", source="3P", status="unknown")
@pytest.mark.parametrize("wrong", ["A-B", "abc", "ABC080920C00100000", "A B", "TOOLONGASYMBOL", "1", "*"])
def test_malformed_symbols_are_refused(client: Any, wrong: str) -> None:
    assert refused(client, symbols=f"ABC,{wrong}") == (400, {"code": 40010001, "message": f"invalid symbol: {wrong}"})
    assert refused(client, f"/v2/stocks/{wrong}/quotes/latest")[0] == 400
    assert refused(client, symbols="") == (400, {"code": 40010001, "message": "symbols is required"})
