"""Watchlists and account settings, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desk.exchange.account_settings import AccountSettings, amended, settings_json, settings_of
from desk.exchange.config import AccountConfig
from desk.exchange.rules.rejections import Rejection
from desk.exchange.watchlists import MOST_LISTS, MOST_SYMBOLS, Watchlist, created, updated, with_symbol, without_symbol

NOW = datetime(2008, 9, 2, 14, tzinfo=UTC)


def is_known(symbol: str) -> bool:
    return symbol in ("ABC", "XYZ")


def make(lists: dict[str, Watchlist], **body: Any) -> Watchlist | Rejection:
    found = created(lists, body, "owner", NOW, is_known)
    if isinstance(found, Watchlist):
        lists[found.id] = found
    return found


def one(**body: Any) -> Watchlist:
    found = make({}, **{"name": "one", "symbols": ["ABC"], **body})
    assert isinstance(found, Watchlist)
    return found


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 422, "name is required"),
        ({"name": 5}, 422, "name is required"),
        ({"name": ""}, 422, "name is required"),
        ({"name": "x" * 65}, 422, "64 characters"),
        ({"name": "a", "symbols": "ABC"}, 422, "list of symbols"),
        ({"name": "a", "symbols": [5]}, 422, "list of symbols"),
        ({"name": "a", "symbols": ["ABC", "ABC"]}, 422, "duplicate symbol ABC"),
        ({"name": "a", "symbols": ["NONE"]}, 404, "asset not found for NONE"),
        ({"name": "a", "symbols": ["ABC"] * (MOST_SYMBOLS + 1)}, 422, "at most"),
    ],
)
def test_a_list_that_cannot_be_is_refused(body: dict[str, Any], status: int, named: str) -> None:
    refusal = make({}, **body)
    assert isinstance(refusal, Rejection) and refusal.status == status and named in refusal.message


def test_names_are_unique_among_the_lists_of_an_account() -> None:
    lists: dict[str, Watchlist] = {}
    first, second = make(lists, name="one"), make(lists, name="two")
    assert isinstance(first, Watchlist) and isinstance(second, Watchlist) and first.id != second.id
    refusal = make(lists, name="one")
    assert isinstance(refusal, Rejection) and (refusal.status, refusal.message) == (422, "watchlist name must be unique")
    assert isinstance(updated(lists, second, {"name": "one"}, NOW, is_known), Rejection)
    assert isinstance(updated(lists, second, {"name": "two"}, NOW, is_known), Watchlist)


def test_lists_are_bounded_in_number() -> None:
    lists: dict[str, Watchlist] = {}
    made = [make(lists, name=str(number)) for number in range(MOST_LISTS + 1)]
    assert [isinstance(each, Rejection) for each in made] == [False] * MOST_LISTS + [True]


def test_a_symbol_is_added_at_the_end_once_and_taken_out() -> None:
    later = NOW + timedelta(hours=1)
    longer = with_symbol(one(), {"symbol": "XYZ"}, later, is_known)
    assert isinstance(longer, Watchlist) and (longer.symbols, longer.updated_at) == (("ABC", "XYZ"), later)
    for body in ({"symbol": "ABC"}, {"symbol": ""}, {}, None, {"symbol": "NONE"}):
        assert isinstance(with_symbol(one(), body, later, is_known), Rejection)
    shorter = without_symbol(longer, "ABC", later)
    assert isinstance(shorter, Watchlist) and shorter.symbols == ("XYZ",)
    assert isinstance(without_symbol(shorter, "ABC", later), Rejection)


def test_an_update_changes_what_it_names() -> None:
    changed = updated({}, one(), {"symbols": ["XYZ"]}, NOW, is_known)
    assert isinstance(changed, Watchlist) and (changed.name, changed.symbols) == ("one", ("XYZ",))
    assert isinstance(updated({}, one(), {}, NOW, is_known), Rejection)
    assert isinstance(updated({}, one(), [], NOW, is_known), Rejection)


# settings


def test_an_account_begins_with_what_it_may_do() -> None:
    settings = settings_of(AccountConfig("k", "s", multiplier=2, options_level=1))
    assert (settings.max_margin_multiplier, settings.max_options_trading_level) == (2, 1)
    shown = settings_json(settings)
    assert (shown["max_margin_multiplier"], shown["max_options_trading_level"]) == ("2", 1)
    assert "pdt_check" not in shown and "pdt_check" in settings_json(settings, legacy_pdt=True)


@pytest.mark.parametrize("given", ["1", 2, "4"])
def test_the_multiplier_may_be_text_or_a_number(given: object) -> None:
    changed = amended(AccountSettings(), {"max_margin_multiplier": given})
    assert isinstance(changed, AccountSettings) and changed.max_margin_multiplier == int(str(given))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_shorting", "yes"),
        ("suspend_trade", 1),
        ("fractional_trading", []),
        ("max_margin_multiplier", "3"),
        ("max_margin_multiplier", True),
        ("max_options_trading_level", 4),
        ("max_options_trading_level", 1.5),
        ("trade_confirm_email", "some"),
        ("trade_confirm_email", {}),
        ("pdt_check", "never"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(name: str, value: object) -> None:
    refusal = amended(AccountSettings(), {"suspend_trade": True, name: value}, legacy_pdt=True)
    assert isinstance(refusal, Rejection) and (refusal.status, refusal.code) == (422, 40010001)
    assert name in refusal.message


def test_nulls_and_unknown_names_change_nothing() -> None:
    body = {"no_shorting": None, "dtbp_check": None, "colour": "blue", "pdt_check": "nonsense of old"}
    assert amended(AccountSettings(), body) == AccountSettings()
    assert isinstance(amended(AccountSettings(), ["no_shorting"]), Rejection)
