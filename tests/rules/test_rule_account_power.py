"""The account's figures: equity, margins, buying powers, and the refusal of what is beyond them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from desk.data.source import Instrument
from desk.exchange.switches import Switches

New = Callable[..., Any]
OPEN = "2008-09-02T14:00:00Z"


def at_ten(new_client: New, **settings: object) -> Any:
    client = new_client(**settings)
    client.to(OPEN)
    return client


def seconds_later(client: Any, seconds: int = 1) -> Any:
    client.to(f"2008-09-02T14:00:{seconds:02d}Z")
    return client


def bought(client: Any, **order: object) -> Any:
    """The client after a market order has filled."""
    status, said = client.send(**order)
    assert status == 200, said
    return seconds_later(client)


def figures(client: Any, *names: str) -> tuple[Decimal, ...]:
    account = client.get("/v2/account")
    return tuple(Decimal(account[name]) for name in names)


@pytest.mark.rule(
    "ACC-301",
    "With a multiplier of 4 buying power is four times equity less maintenance margin",
    source="OAS",
    status="documented",
)
def test_intraday_account_has_four_times_its_excess_over_maintenance(client: Any) -> None:
    assert figures(client, "multiplier", "buying_power", "regt_buying_power") == (4, 400_000, 200_000)
    bought(client, qty="1000")
    equity, maintenance, power = figures(client, "equity", "maintenance_margin", "buying_power")
    assert power == 4 * (equity - maintenance) < 400_000


@pytest.mark.rule(
    "ACC-302",
    "With a multiplier of 2 buying power is twice equity less initial margin, never below zero",
    source="OAS",
    status="documented",
)
def test_reg_t_account_has_twice_its_excess_over_initial_margin(new_client: New) -> None:
    client = bought(at_ten(new_client, multiplier=2), qty="1000")
    equity, initial, power, regt = figures(client, "equity", "initial_margin", "buying_power", "regt_buying_power")
    assert power == regt == 2 * (equity - initial) and client.get("/v2/account")["multiplier"] == "2"


@pytest.mark.rule(
    "ACC-303", "With a multiplier of 1 buying power is cash, and nothing can be sold short", source="OAS", status="documented"
)
def test_cash_account_has_its_cash_and_cannot_short(new_client: New) -> None:
    client = at_ten(new_client, multiplier=1)
    assert client.get("/v2/account")["shorting_enabled"] is False
    assert client.send(side="sell")[1]["message"] == "account is not allowed to short"
    bought(client, qty="100")
    cash, power, maintenance, value = figures(client, "cash", "buying_power", "maintenance_margin", "long_market_value")
    assert power == cash < 100_000 and maintenance == value


@pytest.mark.rule("ACC-304", "Below 2,000 dollars of equity the multiplier in force is 1", source="DOC", status="documented")
def test_small_account_has_no_credit(new_client: New) -> None:
    account = at_ten(new_client, cash_usd=1999.99).get("/v2/account")
    assert (account["multiplier"], account["buying_power"], account["shorting_enabled"]) == ("1", "1999.99", False)
    assert at_ten(new_client, cash_usd=2000.0).get("/v2/account")["multiplier"] == "4"


@pytest.mark.rule(
    "ACC-305",
    "A long stock has an initial margin of half and a maintenance margin of three tenths of its value",
    source="DOC",
    status="documented",
)
def test_long_stock_has_reg_t_and_maintenance_margins(client: Any) -> None:
    bought(client, qty="100")
    value, initial, maintenance = figures(client, "long_market_value", "initial_margin", "maintenance_margin")
    assert value > 9_000 and (initial, maintenance) == (value / 2, value * Decimal("0.3"))


@pytest.mark.parametrize(("leverage", "rate"), [(2.0, "0.5"), (-2.0, "0.5"), (3.0, "0.75"), (-3.0, "0.75"), (-1.0, "0.3")])
@pytest.mark.rule(
    "ACC-306", "Funds of twice leverage keep 50 % and of three times 75 % as maintenance", source="DOC", status="documented"
)
def test_leveraged_fund_keeps_more(client: Any, leverage: float, rate: str) -> None:
    client.exchange.market.source.instruments["ABC"] = Instrument("ABC", "A fund", leverage)
    bought(client, qty="100")
    value, maintenance = figures(client, "long_market_value", "maintenance_margin")
    assert maintenance == (value * Decimal(rate)).quantize(Decimal("0.01"))


@pytest.mark.rule(
    "ACC-307",
    "A short counts negative in equity and keeps the larger of 5 dollars a share and 30 %",
    source="DOC",
    status="documented",
)
def test_short_stock_keeps_three_tenths_beyond_its_proceeds(client: Any) -> None:
    bought(client, side="sell", qty="100")
    cash, value, equity, maintenance = figures(client, "cash", "short_market_value", "equity", "maintenance_margin")
    assert cash > 109_000 and value < -9_000 and equity == cash + value and maintenance == -value * Decimal("0.3")


@pytest.mark.rule(
    "ACC-308",
    "Open orders that open or add reserve buying power, orders that close a position do not",
    source="DOC",
    status="documented",
)
def test_open_orders_reserve_what_they_would_open(client: Any) -> None:
    bought(client, qty="100")
    (before,) = figures(client, "buying_power")
    client.send(side="sell", qty="100", type="limit", limit_price="150")
    assert figures(client, "buying_power") == (before,)
    client.send(symbol="XYZ", qty="100", type="limit", limit_price="40")
    assert figures(client, "buying_power") == (before - 4_000,)
    client.http.delete("/v2/orders")
    assert figures(client, "buying_power") == (before,)


@pytest.mark.rule(
    "ACC-309",
    "An order beyond buying power is refused with 403 40310000 and the figures as strings",
    source="3P",
    status="measured",
)
def test_order_beyond_buying_power_is_refused_with_the_figures(client: Any) -> None:
    status, said = client.send(qty="4001", type="limit", limit_price="100")
    assert (status, said) == (
        403,
        {"code": 40310000, "message": "insufficient buying power", "buying_power": "400000", "cost_basis": "400100"},
    )
    assert client.send(qty="4000", type="limit", limit_price="100")[0] == 200


@pytest.mark.rule(
    "ACC-310", "A short sale is valued at the larger of its limit and 3 % above the ask", source="DOC", status="documented"
)
def test_short_sale_is_valued_above_the_ask(client: Any) -> None:
    ask = Decimal(str(client.get("/v2/stocks/quotes/latest", symbols="ABC", feed="iex")["quotes"]["ABC"]["ap"]))
    status, said = client.send(side="sell", qty="4000", type="limit", limit_price="90")
    assert status == 403 and 4000 * ask * Decimal("1.03") <= Decimal(said["cost_basis"]) < 4000 * ask * Decimal("1.03") + 40
    status, said = client.send(side="sell", qty="4000", type="limit", limit_price="110")
    assert (status, said["cost_basis"]) == (403, "440000")


@pytest.mark.rule(
    "ACC-311", "A market buy is valued at its collar above the ask: 2.5 % from 50 dollars up", source="DOC", status="documented"
)
def test_market_buy_is_valued_at_its_collar(client: Any) -> None:
    ask = Decimal(str(client.get("/v2/stocks/quotes/latest", symbols="ABC", feed="iex")["quotes"]["ABC"]["ap"]))
    _, said = client.send(qty="5000")
    assert Decimal(said["cost_basis"]) == 5000 * (ask * Decimal("1.025")).quantize(Decimal("0.01"))


@pytest.mark.rule("ACC-312", "The pattern-day-trader fields are gone since 2026-07-06", source="DOC", status="documented")
def test_pattern_day_trader_fields_are_there_by_switch_only(client: Any, new_client: New) -> None:
    gone = {
        "pattern_day_trader", "daytrade_count", "last_daytrade_count", "daytrading_buying_power", "last_daytrading_buying_power",
    }  # fmt: skip
    assert not gone & set(client.get("/v2/account"))
    legacy = at_ten(new_client, switches=Switches(legacy_pdt=True)).get("/v2/account")
    assert gone <= set(legacy) and (legacy["pattern_day_trader"], legacy["daytrade_count"]) == (False, 0)


@pytest.mark.rule(
    "ACC-313",
    "Before that a fourth day trade in five days below 25,000 dollars was refused with 403 40310100",
    source="DOC",
    status="documented",
)
def test_fourth_day_trade_was_refused(new_client: New) -> None:
    for legacy in (True, False):
        client = at_ten(new_client, cash_usd=20_000.0, switches=Switches(legacy_pdt=legacy))
        answers = []
        for day in (2, 3, 4, 5):
            client.to(f"2008-09-0{day}T14:01:00Z")
            client.send(qty="1")
            client.to(f"2008-09-0{day}T14:02:00Z")
            answers.append(client.send(side="sell", qty="1"))
            client.to(f"2008-09-0{day}T14:03:00Z")
        assert [status for status, _ in answers] == [200, 200, 200, 403 if legacy else 200]
        if legacy:
            assert answers[-1][1] == {"code": 40310100, "message": "trade denied due to pattern day trading protection"}
            assert client.get("/v2/account")["daytrade_count"] == 3


@pytest.mark.rule(
    "ACC-314", "An inverse fund beside its underlying has margin of its own: nothing is offset", source="DOC", status="documented"
)
def test_inverse_fund_offsets_nothing(client: Any) -> None:
    client.exchange.market.source.instruments["XYZ"] = Instrument("XYZ", "Inverse ABC", -1.0)
    client.send(qty="100")
    bought(client, symbol="XYZ", qty="200")
    value, maintenance = figures(client, "long_market_value", "maintenance_margin")
    assert value > 19_000 and maintenance == value * Decimal("0.3")


@pytest.mark.rule("ACC-315", "Buying to cover a short needs no buying power", source="DOC", status="documented")
def test_covering_a_short_needs_no_buying_power(new_client: New) -> None:
    client = bought(at_ten(new_client, multiplier=2), side="sell", qty="1900")
    assert figures(client, "buying_power")[0] < 20_000
    assert client.send(qty="1900", type="limit", limit_price="90")[0] == 200


@pytest.mark.rule(
    "ACC-316", "The configuration max_margin_multiplier lowers the multiplier in force", source="OAS", status="documented"
)
def test_configuration_lowers_the_multiplier(client: Any) -> None:
    answer = client.http.request("PATCH", "/v2/account/configurations", json={"max_margin_multiplier": "1"})
    assert answer.status_code == 200
    account = client.get("/v2/account")
    assert (account["multiplier"], account["buying_power"], account["shorting_enabled"]) == ("1", "100000", False)


@pytest.mark.rule(
    "ACC-317", "Equity is cash and the market value of positions; portfolio_value is the same", source="OAS", status="documented"
)
def test_equity_is_cash_and_positions(client: Any) -> None:
    client.send(qty="100")
    bought(client, symbol="XYZ", side="sell", qty="100")
    account = client.get("/v2/account")
    parts = figures(client, "cash", "long_market_value", "short_market_value")
    assert Decimal(account["equity"]) == sum(parts) and account["portfolio_value"] == account["equity"]
    assert all(
        isinstance(account[name], str) for name in ("cash", "equity", "sma", "initial_margin", "last_equity", "multiplier")
    )


@pytest.mark.rule(
    "ACC-318",
    "last_equity and last_maintenance_margin are those of the last close before today",
    source="OAS",
    status="documented",
)
def test_last_figures_are_those_of_yesterdays_close(client: Any) -> None:
    bought(client, qty="100")
    client.to("2008-09-02T20:30:00Z")
    equity, maintenance = figures(client, "equity", "maintenance_margin")
    client.to("2008-09-03T15:00:00Z")
    assert figures(client, "last_equity", "last_maintenance_margin") == (equity, maintenance)
    assert figures(client, "equity") != (equity,)
