"""What is handed to the engine, read before anything is asked or sent."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.errors import UsageError
from desk.runtime.auto_execution import AutoExecutionEngine, read_opportunity
from desk.settings.load import load_settings

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
        {"final_score": None, "score": "8.7"},
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
