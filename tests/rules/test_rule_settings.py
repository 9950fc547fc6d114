"""Rules of the account's configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alpaca.trading.models import AccountConfiguration

from desk.exchange.switches import Switches

PATH = "/v2/account/configurations"


def patch(client: Any, **body: object) -> Any:
    return client.http.request("PATCH", PATH, json=body)


@pytest.mark.rule(
    "ACC-101",
    "the configurations have the eight fields of 2026, pattern-day-trader checks not among them",
    source="OAS",
    status="documented",
)
def test_configurations_have_the_fields_of_2026(client: Any) -> None:
    shown = client.get(PATH)
    assert shown == {
        "disable_overnight_trading": False,
        "fractional_trading": True,
        "max_margin_multiplier": "4",
        "max_options_trading_level": 3,
        "no_shorting": False,
        "ptp_no_exception_entry": False,
        "suspend_trade": False,
        "trade_confirm_email": "all",
    }
    assert AccountConfiguration(**shown).pdt_check is None


@pytest.mark.rule("ACC-102", "a change answers with all configurations and stays", source="OAS", status="documented")
def test_a_change_of_configurations_stays(client: Any) -> None:
    changed = patch(client, no_shorting=True, max_margin_multiplier="2", trade_confirm_email="none")
    assert changed.status_code == 200 and changed.json() == client.get(PATH)
    assert {**changed.json(), "no_shorting": False, "max_margin_multiplier": "4", "trade_confirm_email": "all"} == {
        **client.get(PATH),
        "no_shorting": False,
        "max_margin_multiplier": "4",
        "trade_confirm_email": "all",
    }
    assert (changed.json()["no_shorting"], changed.json()["max_margin_multiplier"]) == (True, "2")


@pytest.mark.rule(
    "ACC-103", "a configuration that cannot be is refused by its name, 422, and nothing changes", source="OAS", status="unknown"
)
@pytest.mark.parametrize(
    "wrong",
    [{"max_margin_multiplier": "3"}, {"max_options_trading_level": 9}, {"suspend_trade": "yes"}, {"trade_confirm_email": "some"}],
)
def test_a_wrong_configuration_is_refused(client: Any, wrong: dict[str, object]) -> None:
    before = client.get(PATH)
    answer = patch(client, no_shorting=True, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert next(iter(wrong)) in answer.json()["message"] and client.get(PATH) == before


@pytest.mark.rule("ACC-104", "suspend_trade blocks new orders", source="OAS", status="documented")
def test_suspended_trading_takes_no_orders(client: Any) -> None:
    patch(client, suspend_trade=True)
    status, body = client.send()
    assert (status, body["code"]) == (403, 40310000)
    assert client.get("/v2/account")["trade_suspended_by_user"] is True
    patch(client, suspend_trade=False)
    assert client.send()[0] == 200


@pytest.mark.rule("ACC-105", "no_shorting makes the account long only", source="OAS", status="documented")
def test_without_shorting_nothing_is_sold_short(client: Any) -> None:
    patch(client, no_shorting=True)
    status, body = client.send(side="sell")
    assert (status, body["message"]) == (403, "account is not allowed to short")
    assert client.get("/v2/account")["shorting_enabled"] is False
    patch(client, no_shorting=False)
    assert client.send(side="sell")[0] == 200


@pytest.mark.rule(
    "ACC-106", "without fractional_trading an order for part of a share is refused", source="OAS", status="documented"
)
def test_without_fractional_trading_shares_are_whole(client: Any) -> None:
    part = {"qty": "1.5", "time_in_force": "day"}
    assert client.send(**part)[0] == 200
    patch(client, fractional_trading=False)
    assert client.send(**part)[0] == 403


@pytest.mark.rule(
    "ACC-107", "max_options_trading_level lowers the level that the account trades at", source="OAS", status="documented"
)
def test_the_options_level_is_the_lower_of_two(client: Any) -> None:
    patch(client, max_options_trading_level=1)
    account = client.get("/v2/account")
    assert (account["options_approved_level"], account["options_trading_level"]) == (3, 1)


@pytest.mark.rule("ACC-108", "max_margin_multiplier lowers the account's multiplier", source="OAS", status="documented")
def test_the_multiplier_is_the_lower_of_two(client: Any) -> None:
    patch(client, max_margin_multiplier="1")
    account = client.get("/v2/account")
    assert (account["multiplier"], account["buying_power"]) == ("1", account["cash"])


@pytest.mark.rule(
    "ACC-109", "the checks that ended on 2026-07-06 are shown again by the switch legacy_pdt", source="DOC", status="documented"
)
def test_the_switch_brings_back_the_old_checks(new_client: Callable[..., Any]) -> None:
    client = new_client(switches=Switches(legacy_pdt=True))
    assert (client.get(PATH)["pdt_check"], client.get(PATH)["dtbp_check"]) == ("entry", "entry")
    assert patch(client, pdt_check="both").json()["pdt_check"] == "both"
    assert patch(client, pdt_check="never").status_code == 422


@pytest.mark.rule(
    "ACC-110",
    "a null in a change leaves the configuration as it is: alpaca-py sends all fields",
    source="SDK",
    status="documented",
)
def test_alpaca_pys_whole_object_is_a_change(client: Any) -> None:
    wanted = AccountConfiguration(**client.get(PATH))
    wanted.no_shorting = True
    answer = patch(client, **wanted.model_dump(mode="json"))
    assert answer.status_code == 200 and answer.json()["no_shorting"] is True
