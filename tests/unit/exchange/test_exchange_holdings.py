"""Shares that an account holds from the start: bought at the last close, paid from its cash, ordered by nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from unit.exchange.conftest import market

from desk.cli import exchange as command
from desk.data.directory import load_directory
from desk.domain.errors import ConfigurationError, UsageError
from desk.exchange import state
from desk.exchange.account_file import load_accounts
from desk.exchange.child_settings import as_text, from_text, variables
from desk.exchange.config import AccountConfig, ExchangeConfig, holdings_of
from desk.exchange.venue import Exchange

New = Callable[..., Any]
HELD = (("ABC", 30), ("XYZ", 10))
OCO = {
    **{"side": "sell", "type": "limit", "limit_price": "150", "order_class": "oco", "qty": "30"},
    **{"take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "50"}},
}


@pytest.fixture
def holder(new_client: New) -> Any:
    """A client that holds 30 ABC, bought at 100, and 10 XYZ, bought at 50, before the first session."""
    return new_client(holdings=HELD)


def parts(client: Any) -> list[Any]:
    return [[getattr(account, name) for name in state.PARTS] for account in client.exchange.accounts.values()]


def test_shares_are_there_at_the_last_close_and_paid_for(holder: Any) -> None:
    account = holder.get("/v2/account")
    assert (account["cash"], account["equity"], account["last_equity"]) == ("96500", "100000", "100000")
    assert account["long_market_value"] == "3500" and float(account["last_maintenance_margin"]) > 0
    abc, xyz = holder.get("/v2/positions")
    assert (abc["symbol"], abc["qty"], abc["qty_available"], abc["side"]) == ("ABC", "30", "30", "long")
    assert (abc["avg_entry_price"], abc["cost_basis"], abc["market_value"], abc["lastday_price"]) == (
        "100",
        "3000",
        "3000",
        "100",
    )
    assert (xyz["symbol"], xyz["qty"], xyz["avg_entry_price"], xyz["unrealized_intraday_pl"]) == ("XYZ", "10", "50", "0")
    assert holder.get("/v2/orders", status="all") == []
    assert holder.get("/admin/status")["events_emitted"] == 0


def test_activities_show_them_as_journaled_in(holder: Any) -> None:
    listed = holder.get("/v2/account/activities", direction="asc")
    assert [(each["activity_type"], each["symbol"], each["qty"], each["price"], each["net_amount"]) for each in listed] == [
        ("JNLS", "ABC", "30", "100", "-3000"),
        ("JNLS", "XYZ", "10", "50", "-500"),
    ]
    assert {(each["date"], each["created_at"]) for each in listed} == {("2008-08-29", "2008-08-29T20:00:00Z")}
    assert holder.get("/v2/account/activities/FILL") == []


def test_history_is_that_of_the_shares(holder: Any) -> None:
    holder.to("2008-09-04T12:00:00Z")
    history = holder.get("/v2/account/portfolio/history", period="1W", timeframe="1D", cashflow_types="ALL")
    assert history["equity"] == [100_000 + 30 + 10, 100_000 + 60 + 20]
    assert history["cashflow"] == {}


def test_they_are_sold_and_protected_as_any_other_shares(holder: Any) -> None:
    assert holder.send(**OCO)[0] == 200
    assert holder.get("/v2/positions/ABC")["qty_available"] == "0"
    holder.to("2008-09-02T14:00:00Z")
    assert holder.send(symbol="XYZ", side="sell", qty="10")[0] == 200
    assert [each["symbol"] for each in holder.get("/v2/positions")] == ["ABC"]
    assert holder.send(symbol="XYZ", side="sell", qty="1", position_intent="sell_to_close")[0] != 200


def test_they_stand_bare_from_the_start(holder: Any) -> None:
    holder.to("2008-09-02T12:00:02Z")
    windows = holder.get("/admin/report")["unprotected_windows"]
    assert [(each["symbol"], each["from"], each["to"], each["share_seconds"]) for each in windows] == [
        ("ABC", "2008-09-02T12:00:00Z", None, 60.0),
        ("XYZ", "2008-09-02T12:00:00Z", None, 20.0),
    ]


def exchange_of(holdings: tuple[tuple[str, int], ...], start: date, **settings: Any) -> Exchange:
    return Exchange(ExchangeConfig("small", start, holdings=holdings, **settings), market())


def test_where_the_data_begins_they_cost_the_first_price() -> None:
    exchange = exchange_of((("ABC", 30),), date(2008, 8, 29))
    account = exchange.first
    assert (account.book.cash_usd, account.equity(), account.last("ABC")) == (97_000, 100_000, 100)
    exchange.advance(exchange.sessions.sessions[0].opens_at)
    assert account.equity() == 100_000


def test_all_of_the_cash_may_be_in_shares() -> None:
    assert exchange_of((("ABC", 1000),), date(2008, 9, 2)).first.book.cash_usd == 0


@pytest.mark.parametrize(
    ("holdings", "start", "words"),
    [
        ((("NOPE", 5),), "2008-09-02", "holdings.NOPE: 5 shares of an unknown symbol; give one of ABC, NEW, XYZ"),
        ((("ABC", 0),), "2008-09-02", "holdings.ABC: 0 is out of range; give a whole number of shares from 1 up"),
        ((("ABC", -3),), "2008-09-02", "holdings.ABC: -3 is out of range; give a whole number of shares from 1 up"),
        ((("ABC", 1), ("ABC", 2)), "2008-09-02", "holdings: 'ABC' is out of range; give each symbol once"),
        (
            (("ABC", 1000), ("XYZ", 1)),
            "2008-09-02",
            "holdings: ABC=1000, XYZ=1 cost 100050.00 dollars, more than cash_usd 100000.0 pays for; give fewer shares",
        ),
        ((("NEW", 5),), "2008-09-02", "holdings.NEW: 5 shares cannot be held on 2008-09-02, its prices are from 2008-09-04 to"),
        ((("XYZ", 5),), "2008-09-04", "holdings.XYZ: 5 shares cannot be held on 2008-09-04, its prices are from 2008-08-29 to"),
    ],
)
def test_what_cannot_be_held_is_refused(holdings: tuple[tuple[str, int], ...], start: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        exchange_of(holdings, date.fromisoformat(start))
    assert words in str(refused.value)


def test_every_account_has_its_own(new_client: New) -> None:
    second = AccountConfig("key-two", "secret-two", cash_usd=5000.0, multiplier=1, holdings=(("XYZ", 100),))
    client = new_client(accounts=(second,), holdings=(("ABC", 30),))
    other = client.stranger({"APCA-API-KEY-ID": "key-two", "APCA-API-SECRET-KEY": "secret-two"})
    assert [each["symbol"] for each in client.get("/v2/positions")] == ["ABC"]
    assert [(each["symbol"], each["qty"]) for each in other.get("/v2/positions").json()] == [("XYZ", "100")]
    assert other.get("/v2/account").json()["cash"] == "0"


# beginning anew


def test_a_reset_gives_others_or_none_or_the_same_again(holder: Any) -> None:
    holder.to("2008-09-02T14:00:00Z")
    holder.send(side="sell", qty="30")
    for given, held in (({}, HELD), ({"holdings": {"ABC": 5}}, (("ABC", 5),)), ({"holdings": {}}, ())):
        assert holder.http.post("/admin/reset", json=given).status_code == 200
        assert [(each["symbol"], int(each["qty"])) for each in holder.get("/v2/positions")] == list(held)
        assert holder.get("/v2/account")["equity"] == "100000"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"holdings": {"NOPE": 1}}, "holdings.NOPE: 1 shares of an unknown symbol"),
        ({"holdings": {"ABC": 0}}, "holdings.ABC: 0 is out of range"),
        ({"holdings": {"ABC": "5"}}, "holdings.ABC: "),
        ({"holdings": {"ABC": 1.5}}, "holdings.ABC: "),
        ({"holdings": {"ABC": True}}, "holdings.ABC: "),
        ({"holdings": ["ABC"]}, "holdings: "),
        ({"cash_usd": 3000}, "holdings: ABC=30, XYZ=10 cost 3500.00 dollars, more than cash_usd 3000.0 pays for"),
        ({"start": "2008-09-04"}, "holdings.XYZ: 10 shares cannot be held on 2008-09-04"),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(holder: Any, body: dict[str, Any], words: str) -> None:
    holder.to("2008-09-02T14:00:00Z")
    holder.send(side="sell", qty="30")
    before = (holder.exchange.now, holder.exchange.config, parts(holder))
    answer = holder.http.post("/admin/reset", json=body)
    assert answer.status_code == 422 and words in answer.json()["message"]
    assert (holder.exchange.now, holder.exchange.config, parts(holder)) == before


def test_the_same_settings_give_the_same_story(new_client: New) -> None:
    one, two = new_client(holdings=HELD), new_client(holdings=tuple(reversed(HELD)))
    for client in (one, two):
        client.send(**OCO)
        client.to("2008-09-05T20:00:00Z")
    assert parts(one) == parts(two)
    assert one.get("/v2/account/activities") == two.get("/v2/account/activities")


# what is kept


def test_a_resumed_exchange_does_not_buy_again(holder: Any, new_client: New, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    holder.to("2008-09-02T14:00:00Z")
    holder.send(symbol="XYZ", side="sell", qty="10")
    state.save(holder.exchange, path)
    again = new_client(holdings=tuple(reversed(HELD)))
    state.resume(again.exchange, path)
    assert parts(again) == parts(holder)
    assert [each["symbol"] for each in again.get("/v2/positions")] == ["ABC"]
    with pytest.raises(ConfigurationError, match="it was saved with accounts "):
        state.resume(new_client(holdings=(("ABC", 30),)).exchange, path)


def test_they_reach_a_child() -> None:
    second = AccountConfig("key-two", "secret-two", holdings=(("XYZ", 1),))
    config = ExchangeConfig("small", None, api_key="key-one", api_secret="secret-one", holdings=HELD, accounts=(second,))
    words = ("key-one", "secret-one", "key-two", "secret-two")
    assert from_text(as_text(config), dict(zip((*variables(0), *variables(1)), words, strict=True))) == config
    assert hash(config) == hash(from_text(as_text(config), dict(zip((*variables(0), *variables(1)), words, strict=True))))


# where a person gives them


def test_an_account_s_file_names_them(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text("accounts: [{key_variable: A, secret_variable: B, holdings: {XYZ: 10, ABC: 30}}]")
    assert load_accounts(path, {"A": "a", "B": "b"}) == (AccountConfig("a", "b", holdings=HELD),)
    for wrong, words in (("{ABC: many}", "accounts.0.holdings.ABC: is refused"), ("{ABC: 0}", "holdings.ABC: 0 is out of range")):
        path.write_text(f"accounts: [{{key_variable: A, secret_variable: B, holdings: {wrong}}}]")
        with pytest.raises(ConfigurationError) as refused:
            load_accounts(path, {"A": "a", "B": "b"})
        assert words in str(refused.value)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ExchangeConfig]:
    """What `desk exchange serve` with these options would run."""
    made: list[ExchangeConfig] = []
    monkeypatch.setattr(command, "_run", lambda config, *_: made.append(config))

    def call(*options: str) -> ExchangeConfig:
        CliRunner().invoke(command.app, ["serve", *options], catch_exceptions=False)
        return made[-1]

    return call


def test_the_command_line_names_them(served: Callable[..., ExchangeConfig]) -> None:
    assert served("--holding", "xyz=10", "--holding", "ABC=30").holdings == HELD
    assert served().holdings == ()


@pytest.mark.parametrize("text", ["ABC", "ABC=", "=5", "ABC=-1", "ABC=1.5", "ABC=²"])
def test_a_wrong_holding_is_told_with_value_and_fix(served: Callable[..., ExchangeConfig], text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        served("--holding", text)
    assert f"holding {text}: write SYMBOL=SHARES once for each symbol, such as AAPL=30" in str(refused.value)
    with pytest.raises(ConfigurationError, match="holding ABC=2: write SYMBOL=SHARES once"):
        served("--holding", "ABC=1", "--holding", "abc=2".upper())


def test_with_a_file_of_accounts_the_file_says_what_they_hold(served: Callable[..., ExchangeConfig], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--holding ABC=1: the file of --accounts says what each account holds"):
        served("--accounts", str(tmp_path / "accounts.yaml"), "--holding", "ABC=1")


# a split on the first day


def test_on_the_day_of_a_split_they_are_on_its_new_terms(tmp_path: Path) -> None:
    days, closes = ("2008-08-29", "2008-09-02", "2008-09-03"), (100.0, 51.0, 52.0)
    rows = [f"ABC,{day},{close},{close},{close},{close},1000" for day, close in zip(days, closes, strict=True)]
    (tmp_path / "ABC.csv").write_text("\n".join(["symbol,timestamp,open,high,low,close,volume", *rows]) + "\n")
    (tmp_path / "corporate_actions.csv").write_text(
        "type,symbol,ex_date,pay_date,cash,new_rate,old_rate\nsplit,ABC,2008-09-02,,,2,1\n"
    )
    config = ExchangeConfig(str(tmp_path), date(2008, 9, 2), holdings=holdings_of({"ABC": 30}))
    exchange = Exchange(config, load_directory(tmp_path))
    account = exchange.first
    exchange.advance(exchange.sessions.sessions[1].opens_at)
    assert (account.book.shares("ABC"), account.book.cash_usd, account.equity()) == (30, 98_500, 98_500 + 30 * 51)
