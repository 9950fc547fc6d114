"""Option market data over HTTP: chains, snapshots, latest quotes and trades, bars, trades, codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Body = dict[str, Any]
DATA = "/v1beta1/options"
CHAIN = f"{DATA}/snapshots/ABC"
NEAR, NEAR_PUT, DEEP, FAR = "ABC080905C00100000", "ABC080905P00100000", "ABC080905C00060000", "ABC080905C00140000"
SECOND_DAY = "2008-09-03T15:00:00Z"
rule = pytest.mark.rule


def refused(client: Any, path: str, **params: object) -> tuple[int, Body]:
    answer = client.http.get(f"{DATA}/{path}", params=params)
    return answer.status_code, answer.json()


def chain(client: Any, **params: object) -> dict[str, Body]:
    """All pages of a chain."""
    found: dict[str, Body] = {}
    while True:
        page = client.get(CHAIN, **{"limit": 1000, **params})
        found |= page["snapshots"]
        if page["next_page_token"] is None:
            return found
        params["page_token"] = page["next_page_token"]


def snapshot(client: Any, symbol: str, **params: object) -> Body:
    found: Body = client.get(f"{DATA}/snapshots", symbols=symbol, **params)["snapshots"].get(symbol, {})
    return found


@pytest.fixture
def later(client: Any) -> Any:
    """A client an hour and a half into the second session."""
    client.to(SECOND_DAY)
    return client


@pytest.fixture
def subscribed(new_client: Callable[..., Any]) -> Any:
    """The same with a subscription to OPRA's data."""
    made = new_client(has_sip=True)
    made.to(SECOND_DAY)
    return made


@rule("OPT-120", "A snapshot has latest trade and quote, implied volatility, greeks and bars.", source="OAS", status="documented")
def test_snapshot_has_its_parts(later: Any) -> None:
    found = snapshot(later, NEAR)
    assert set(found) == {"latestTrade", "latestQuote", "impliedVolatility", "greeks", "minuteBar", "dailyBar", "prevDailyBar"}
    assert set(found["latestQuote"]) == {"t", "ap", "as", "ax", "bp", "bs", "bx", "c"}
    assert set(found["latestTrade"]) == {"t", "p", "s", "x", "c"}
    assert set(found["greeks"]) == {"delta", "gamma", "rho", "theta", "vega"}
    assert found["prevDailyBar"]["t"] == "2008-09-02T04:00:00Z"
    assert found["dailyBar"]["t"] == "2008-09-03T04:00:00Z"


@rule(
    "OPT-121",
    "A page of a chain has 100 snapshots, or as many as asked up to 1000, and a token.",
    source="OAS",
    status="documented",
)
def test_pages_of_a_chain_join_without_a_gap(later: Any) -> None:
    first = later.get(CHAIN)
    assert len(first["snapshots"]) == 100
    assert first["next_page_token"] is not None
    whole = chain(later)
    assert len(whole) > 300
    assert list(whole) == sorted(whole)
    assert chain(later, limit=450) == whole
    for limit in ("0", "1001", "x"):
        assert refused(later, "snapshots/ABC", limit=limit)[0] == 400
    assert refused(later, "snapshots/ABC", page_token="*")[0] == 400


@rule("OPT-122", "A chain is filtered by type, strikes, expiration and root.", source="OAS", status="documented")
def test_filters_choose_snapshots(later: Any) -> None:
    narrow = {"strike_price_gte": 99.5, "strike_price_lte": 102.5, "expiration_date": "2008-09-05"}
    assert set(chain(later, type="put", **narrow)) == {NEAR_PUT, "ABC080905P00102500"}
    assert len(chain(later, **narrow)) == 4
    weeks = chain(later, expiration_date_gte="2008-09-12", expiration_date_lte="2008-09-19", root_symbol="ABC")
    assert {symbol[3:9] for symbol in weeks} == {"080912", "080919"}
    assert chain(later, root_symbol="XYZ") == {}
    for name in ("type", "strike_price_gte", "expiration_date_lte"):
        assert refused(later, "snapshots/ABC", **{name: "nonsense"})[0] == 400


@rule("OPT-123", "The chain of an unknown underlying is empty.", source="UNVERIFIED", status="unknown")
def test_unknown_underlying_has_an_empty_chain(later: Any) -> None:
    assert later.get(f"{DATA}/snapshots/NONE") == {"snapshots": {}, "next_page_token": None}


@rule("OPT-124", "At most 100 symbols are asked for at once.", source="OAS", status="documented")
@pytest.mark.parametrize("path", ["snapshots", "quotes/latest", "trades/latest", "bars?timeframe=1Day", "trades"])
def test_hundred_symbols_are_the_most(later: Any, path: str) -> None:
    symbols = sorted(later.get(DATA + "/snapshots/ABC", limit=101)["snapshots"])
    path, _, query = path.partition("?")
    params = dict(part.split("=") for part in query.split("&") if part)
    assert refused(later, path, symbols=",".join(symbols[:100]), **params)[0] == 200
    status, body = refused(later, path, symbols=",".join(symbols), **params)
    assert (status, body["message"]) == (400, "too many symbols: 101, at most 100")


@rule("OPT-125", "Greeks and implied volatility are absent deep in the money and without a bid.", source="3P", status="measured")
def test_greeks_may_be_absent(later: Any) -> None:
    for symbol in (DEEP, FAR):
        found = snapshot(later, symbol)
        assert "latestQuote" in found
        assert not {"greeks", "impliedVolatility"} & set(found)
    assert snapshot(later, FAR)["latestQuote"]["bp"] == 0
    assert snapshot(later, FAR)["latestQuote"]["bs"] == 0
    call, put = (snapshot(later, symbol)["greeks"] for symbol in (NEAR, NEAR_PUT))
    assert call["delta"] > 0 > put["delta"]
    assert call["delta"] - put["delta"] == pytest.approx(1.0, abs=0.05)


@rule(
    "OPT-126",
    "Without a subscription the feed is indicative, and asking for opra is forbidden.",
    source="OAS",
    status="documented",
)
@pytest.mark.parametrize("path", ["snapshots", "snapshots/ABC", "quotes/latest", "trades/latest"])
def test_opra_needs_a_subscription(later: Any, subscribed: Any, path: str) -> None:
    params = {"symbols": NEAR}
    assert refused(later, path, feed="opra", **params)[0] == 403
    for client, other in ((later, "indicative"), (subscribed, "opra")):
        assert refused(client, path, **params) == refused(client, path, feed=other, **params)
    status, body = refused(later, path, feed="sip", **params)
    assert (status, body["message"]) == (400, "invalid feed: sip")


@rule("OPT-127", "Trades of the indicative feed are 15 minutes old; its quotes are not.", source="OAS", status="documented")
def test_indicative_trades_are_delayed(later: Any, subscribed: Any) -> None:
    trades = {}
    for name, client in (("indicative", later), ("opra", subscribed)):
        found = client.get(f"{DATA}/snapshots", symbols=f"{NEAR},{NEAR_PUT}")["snapshots"]
        assert {shot["latestQuote"]["t"] for shot in found.values()} == {SECOND_DAY}
        trades[name] = max(shot["latestTrade"]["t"] for shot in found.values())
    assert trades["indicative"] < "2008-09-03T14:45:00Z"
    assert trades["indicative"] <= trades["opra"] < SECOND_DAY


@rule("OPT-128", "Snapshots can be limited to those updated since an instant.", source="OAS", status="documented")
def test_updated_since_leaves_out_what_is_older(later: Any) -> None:
    assert snapshot(later, NEAR, updated_since="2008-09-03T15:00:00Z")
    assert snapshot(later, NEAR, updated_since="2008-09-03")
    assert snapshot(later, NEAR, updated_since="2008-09-03T15:00:01Z") == {}
    assert refused(later, "snapshots", symbols=NEAR, updated_since="today")[0] == 400


@rule("OPT-129", "Latest quotes and trades are those of the snapshots.", source="OAS", status="documented")
def test_latest_quotes_and_trades_agree_with_snapshots(later: Any) -> None:
    both = f"{NEAR},{NEAR_PUT}"
    shots = later.get(f"{DATA}/snapshots", symbols=both)["snapshots"]
    assert later.get(f"{DATA}/quotes/latest", symbols=both) == {"quotes": {s: shots[s]["latestQuote"] for s in shots}}
    assert later.get(f"{DATA}/trades/latest", symbols=both) == {"trades": {s: shots[s]["latestTrade"] for s in shots}}


@rule("OPT-130", "A quote of an option is in cents, its bid below its ask.", source="UNVERIFIED", status="unknown")
def test_quotes_are_in_cents(later: Any) -> None:
    for shot in chain(later, expiration_date="2008-09-19").values():
        quote = shot["latestQuote"]
        assert 0 <= quote["bp"] < quote["ap"]
        assert all(round(price, 2) == price for price in (quote["bp"], quote["ap"]))


@rule("OPT-131", "Outside sessions quotes are those of the last close.", source="UNVERIFIED", status="unknown")
def test_quotes_of_the_night_are_of_the_close(later: Any) -> None:
    later.to("2008-09-03T20:00:00Z")
    at_close = snapshot(later, NEAR)["latestQuote"]
    later.to("2008-09-04T08:00:00Z")
    assert snapshot(later, NEAR)["latestQuote"] == at_close
    assert at_close["t"] == "2008-09-03T20:00:00Z"


@rule(
    "OPT-132",
    "A contract that is not listed is missing from the answer; what is no option symbol is a 400.",
    source="UNVERIFIED",
    status="unknown",
)
@pytest.mark.parametrize("path", ["snapshots", "quotes/latest", "trades/latest", "trades"])
def test_unknown_contract_is_missing(later: Any, path: str) -> None:
    unlisted = "ABC080906C00100000,XYZ080905C00500000"
    name = path.partition("/")[0]
    assert set(later.get(f"{DATA}/{path}", symbols=f"{unlisted},{NEAR}")[name]) == {NEAR}
    for symbols in ("ABC", "ABC080905X00100000", "", ",", "AbC"):
        assert refused(later, path, symbols=symbols)[0] == 400


@rule(
    "OPT-133", "Bars have the minutes in which the contract traded, and its trades make them.", source="OAS", status="documented"
)
def test_trades_make_the_bars(later: Any) -> None:
    span = {"symbols": NEAR, "start": "2008-09-02T04:00:00Z", "end": "2008-09-03T04:00:00Z"}
    bars = later.get(f"{DATA}/bars", timeframe="1Min", **span)["bars"][NEAR]
    trades = later.get(f"{DATA}/trades", **span)["trades"][NEAR]
    assert 0 < len(bars) < 390
    for bar in bars:
        mine = [trade for trade in trades if trade["t"][:16] == bar["t"][:16]]
        prices = [trade["p"] for trade in mine]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (bar["o"], bar["h"], bar["l"], bar["c"])
        assert sum(trade["s"] for trade in mine) == bar["v"] > 0
    assert len(trades) == sum(trade["t"][:16] in {bar["t"][:16] for bar in bars} for trade in trades)


@rule(
    "OPT-134",
    "Bars of any timeframe; a page's limit counts over all symbols, sorted by symbol.",
    source="OAS",
    status="documented",
)
def test_bars_are_paged_over_symbols(later: Any) -> None:
    span = {"symbols": f"{NEAR_PUT},{NEAR}", "start": "2008-09-02", "timeframe": "1Min"}
    whole = later.get(f"{DATA}/bars", **span)
    assert whole["next_page_token"] is None
    counts = {symbol: len(bars) for symbol, bars in whole["bars"].items()}
    first = later.get(f"{DATA}/bars", limit=counts[NEAR], **span)
    assert first["bars"] == {NEAR: whole["bars"][NEAR]}
    second = later.get(f"{DATA}/bars", page_token=first["next_page_token"], **span)
    assert second == {"bars": {NEAR_PUT: whole["bars"][NEAR_PUT]}, "next_page_token": None}
    hours = later.get(f"{DATA}/bars", **{**span, "timeframe": "1Hour"})["bars"][NEAR]
    assert sum(bar["v"] for bar in hours) == sum(bar["v"] for bar in whole["bars"][NEAR])
    days = later.get(f"{DATA}/bars", **{**span, "timeframe": "1Day"})["bars"][NEAR]
    assert [bar["t"] for bar in days] == ["2008-09-02T04:00:00Z", "2008-09-03T04:00:00Z"]
    assert refused(later, "bars", **{**span, "timeframe": "1Year"})[0] == 400


@rule("OPT-135", "History ends 15 minutes ago without a subscription, and now with one.", source="OAS", status="documented")
def test_recent_history_needs_a_subscription(later: Any, subscribed: Any) -> None:
    span = {"symbols": NEAR, "start": "2008-09-03", "end": SECOND_DAY}
    for path, params in (("trades", {}), ("bars", {"timeframe": "1Min"})):
        status, body = refused(later, path, **span, **params)
        assert (status, body["code"]) == (403, 42210000)
        assert refused(subscribed, path, **span, **params)[0] == 200
        assert refused(later, path, **{**span, "end": "2008-09-03T14:45:00Z"}, **params)[0] == 200
        assert refused(later, path, symbols=NEAR, **params)[0] == 200


@rule("OPT-136", "Bars of a contract that has expired can still be asked for.", source="UNVERIFIED", status="unknown")
def test_expired_contracts_keep_their_history(later: Any) -> None:
    span = {"symbols": NEAR, "start": "2008-09-02", "end": "2008-09-06", "timeframe": "1Day"}
    later.to("2008-09-08T15:00:00Z")
    days = [bar["t"][:10] for bar in later.get(f"{DATA}/bars", **span)["bars"][NEAR]]
    assert days[:2] == ["2008-09-02", "2008-09-03"]
    assert snapshot(later, NEAR) == {}


@rule("OPT-137", "The codes of exchanges and conditions are told by letter.", source="OAS", status="documented")
def test_codes_are_explained(later: Any) -> None:
    exchanges = later.get(f"{DATA}/meta/exchanges")
    quote, trade = snapshot(later, NEAR)["latestQuote"], snapshot(later, NEAR)["latestTrade"]
    assert {quote["ax"], quote["bx"], trade["x"]} <= set(exchanges)
    assert quote["c"] in later.get(f"{DATA}/meta/conditions/quote")
    assert trade["c"] in later.get(f"{DATA}/meta/conditions/trade")
    assert refused(later, "meta/conditions/candle")[0] == 400
