"""What is handed to the engine, read before anything is asked or sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.spread_entry import Planned
from desk.domain.errors import UsageError
from desk.domain.options import OptionQuote
from desk.domain.spreads import Spread, SpreadPhase, SpreadPlan, SpreadRules
from desk.runtime.auto_execution import AutoExecutionEngine, risk_usd
from desk.runtime.opportunity import read_opportunity, start_told, underlying_named
from desk.runtime.spread_orders import Outcome
from desk.settings.load import load_settings
from options import occ
from options.candidate import BullPut
from options.legs import Legs
from options.listing import standard_root

GIVEN = {"symbol": "AAPL", "asset_type": "OPTIONS", "strategy": "BULL_PUT_SPREAD", "final_score": 8.7, "confidence": 0.8}


class AssetType(Enum):
    OPTIONS = 2


class Strategy(StrEnum):
    BULL_PUT_SPREAD = "bull_put_spread"


def test_everything_that_is_told_is_understood() -> None:
    wanted = read_opportunity({**GIVEN, "price": 175.5, "reason": "calm", "else": object()}, Decimal(500))
    told = wanted.opportunity
    assert (told.underlying, told.score, told.confidence, told.price, told.reason) == ("AAPL", 8.7, 0.8, 175.5, "calm")
    assert wanted.max_risk_usd == 500


@pytest.mark.parametrize(
    "changed",
    [
        {"symbol": " aapl "},
        {"asset_type": "options", "strategy": "bull put spread"},
        {"asset_type": "Option", "strategy": "bull-put-spread"},
        {"asset_type": AssetType.OPTIONS, "strategy": Strategy.BULL_PUT_SPREAD},
        {"asset_type": None, "strategy": None},
        {"final_score": None, "score": Decimal("8.7")},
    ],
)
def test_words_may_be_written_in_any_way_that_can_only_mean_one_thing(changed: dict[str, Any]) -> None:
    told = read_opportunity({**GIVEN, **changed}).opportunity
    assert (told.underlying, told.score) == ("AAPL", 8.7)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": 5}, "symbol"),
        ({"symbol": None}, "symbol is missing"),
        ({"symbol": "!!"}, "symbol '!!'"),
        ({"symbol": "../x"}, "symbol '../x'"),
        ({"final_score": "8.7"}, "final_score is '8.7': give a number"),
        ({"confidence": "0.8"}, "confidence is '0.8'"),
        ({"final_score": 10**400}, "final_score"),
        ({"asset_type": "STOCK"}, "asset_type"),
        ({"strategy": "IRON_CONDOR"}, "strategy"),
        ({"final_score": 11}, "final_score"),
        ({"final_score": float("nan")}, "final_score"),
        ({"final_score": True}, "final_score"),
        ({"final_score": None}, "final_score is missing"),
        ({"confidence": None}, "confidence is missing"),
        ({"confidence": 80}, "confidence"),
        ({"price": -1}, "price"),
        ({"price": 0}, "price"),
        ({"price": float("inf")}, "price"),
        ({"price": "much"}, "price"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        read_opportunity({**GIVEN, **changed})


@given(value=st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans()), key=st.sampled_from(sorted(GIVEN)))
def test_any_value_is_understood_or_refused_and_never_raises_anything_else(value: object, key: str) -> None:
    try:
        read_opportunity({**GIVEN, key: value})
    except ValueError as error:
        assert key in str(error)


@pytest.mark.parametrize("risk", [0, -5, float("nan"), float("inf"), 2_000_000, True, "500", None])
def test_a_budget_that_cannot_be_meant_is_refused(risk: Any) -> None:
    with pytest.raises(UsageError, match="max_risk_per_trade"):
        AutoExecutionEngine(max_risk_per_trade=risk, settings=load_settings(environ={}, dotenv=None))


def test_what_cannot_be_read_is_a_refusal_that_is_false_and_is_told() -> None:
    said: list[str] = []
    engine = AutoExecutionEngine(settings=load_settings(environ={}, dotenv=None), show=said.append)
    refusal = engine.execute_opportunity({"symbol": "AAPL", "final_score": "high"})
    assert not refusal
    assert said == ["AAPL: refused, opportunity: final_score is 'high': give a number from 0 to 10"]


@pytest.mark.parametrize(("nothing", "words"), [(None, "is missing"), ([], "a list and no mapping"), ({}, "symbol is missing")])
def test_an_opportunity_that_is_none_is_a_refusal_that_says_what_is_missing(nothing: Any, words: str) -> None:
    said: list[str] = []
    refusal = AutoExecutionEngine(settings=load_settings(environ={}, dotenv=None), show=said.append).execute_opportunity(nothing)
    assert not refusal and refusal.code == "opportunity" and words in refusal.text and "symbol" in refusal.text
    assert said == [str(refusal)]


@pytest.mark.parametrize("value", ["yes", "no", 1, 0, None])
def test_paper_trading_is_true_or_false_and_nothing_that_looks_like_it(value: Any) -> None:
    with pytest.raises(ValueError, match=f"paper_trading is {value!r}: give True"):
        AutoExecutionEngine(paper_trading=value, settings=load_settings(environ={}, dotenv=None))


def test_the_first_day_is_a_date_or_written_as_one() -> None:
    day = date(2012, 1, 3)
    assert start_told("2012-01-03") == start_told(day) == start_told(datetime(2012, 1, 3, 9, 30)) == day
    assert start_told(None) is None
    for value in ("soon", "", 2012, 5.0):
        with pytest.raises(ValueError, match=r"start is .*2012-01-03"):
            AutoExecutionEngine(start=value, settings=load_settings(environ={}, dotenv=None))  # type: ignore[arg-type]


def test_a_refused_value_is_also_an_error_of_usage_as_before() -> None:
    with pytest.raises(UsageError, match="paper_trading"):
        AutoExecutionEngine(paper_trading="yes", settings=load_settings(environ={}, dotenv=None))  # type: ignore[arg-type]


@given(text=st.one_of(st.text(max_size=8), st.from_regex(r"[A-Za-z]{1,6}[./]?[A-Z]{0,3}", fullmatch=True)))
def test_a_symbol_that_is_taken_gives_the_root_of_contracts(text: str) -> None:
    try:
        symbol = underlying_named(text)
    except ValueError as error:
        assert repr(text) in str(error)
        return
    contract = occ.format(standard_root(symbol), date(2026, 2, 20), "put", Decimal(100))
    assert occ.parse(contract).root == standard_root(symbol)


@pytest.mark.parametrize("text", ["AAPL", " brk.b ", "BF/B", "T"])
def test_symbols_of_underlyings_are_taken_in_any_case(text: str) -> None:
    assert underlying_named(text) == text.strip().upper()


SHORT, LONG = "AAPL260220P00167000", "AAPL260220P00158000"
NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)


def quote(symbol: str, price: str) -> OptionQuote:
    return OptionQuote(symbol, Decimal(price), Decimal(price), NOW)


def entered(phase: SpreadPhase, sold: int, credit_usd: str, *, at_rest: bool) -> Decimal:
    """The risk that is told of two contracts planned, strikes 167 and 158, for 2.70, of which `sold` came in for `credit_usd`."""
    short, long = quote(SHORT, "5.70"), quote(LONG, "3.00")
    legs = Legs("AAPL", date(2026, 2, 20), 175.5, NOW, short, long, Decimal(167), Decimal(158))
    chosen = BullPut(legs, 46, Decimal("2.70"))
    plan = SpreadPlan("s1", "AAPL", SHORT, LONG, 2, Decimal("2.70"), Decimal("1.89"), SpreadRules(), "calm", NOW)
    spread = Spread(plan, NOW, phase, short=sold, long=sold, sold=sold, credit_usd=Decimal(credit_usd))
    return risk_usd(Planned(plan, chosen), Outcome(spread, at_rest))


def test_the_risk_that_is_told_is_by_the_credit_that_came_in() -> None:
    assert entered(SpreadPhase.OPEN, 2, "540", at_rest=True) == 2 * 630
    assert entered(SpreadPhase.OPEN, 2, "500", at_rest=True) == 2 * 900 - 500
    assert entered(SpreadPhase.OPEN, 1, "250", at_rest=True) == 900 - 250


def test_while_an_order_rests_the_risk_is_the_plans() -> None:
    assert entered(SpreadPhase.ENTERING, 0, "0", at_rest=False) == 2 * 630
    assert entered(SpreadPhase.ENTERING, 1, "250", at_rest=False) == 2 * 630
