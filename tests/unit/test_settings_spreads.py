"""Spreads whose own rules would end them the moment they are there are refused, with words for the person."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from desk.domain.errors import ConfigurationError
from desk.settings.behaviour import Behaviour
from desk.settings.load import load_settings
from desk.settings.spreads import SpreadSettings


def test_an_exit_rule_that_ends_every_spread_at_once_is_refused() -> None:
    with pytest.raises(ValidationError, match="exit_days below min_days"):
        SpreadSettings(min_days=5, target_days=7, max_days=14)
    assert SpreadSettings(min_days=5, target_days=7, max_days=14, exit_days=None).exit_days is None
    assert SpreadSettings(min_days=20, target_days=40, max_days=60).exit_days == 21


def test_a_put_is_not_sold_at_a_delta_at_which_it_is_left() -> None:
    with pytest.raises(ValidationError, match="breach_delta above short_delta"):
        SpreadSettings(short_delta=0.45)
    assert SpreadSettings(short_delta=0.45, breach_delta=None).short_delta == 0.45
    assert SpreadSettings(short_delta=0.3).short_delta == 0.3


@pytest.mark.parametrize("entry_seconds", [5, 10])
def test_an_entry_that_is_given_up_before_its_ladder_steps_is_refused(entry_seconds: int) -> None:
    with pytest.raises(ValidationError, match=f"spreads.entry_seconds is {entry_seconds} and spreads.rung_seconds 10: .* Set"):
        SpreadSettings(entry_seconds=entry_seconds)
    assert SpreadSettings(entry_seconds=11).entry_seconds == 11
    assert SpreadSettings(entry_seconds=entry_seconds, rungs=1).rungs == 1  # a single price has nothing to step to


def behaviour(folder: Path, text: str) -> Behaviour:
    file = folder / "mine.yaml"
    file.write_text(f"spreads: {text}\n", encoding="utf-8")
    return load_settings(config=file, environ={}, dotenv=None).behaviour


def test_days_of_earnings_are_read_from_a_file(tmp_path: Path) -> None:
    read = behaviour(tmp_path, "{earnings: {AAPL: [2026-01-29, 2026-04-30]}, ex_dividends: {IBM: [2026-02-09]}}")
    assert read.spreads.earnings == {"AAPL": (date(2026, 1, 29), date(2026, 4, 30))}
    assert read.spreads.ex_dividends == {"IBM": (date(2026, 2, 9),)}
    assert Behaviour.model_validate(read.model_dump()) == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{earnings: {AAPL: [soon]}}", "spreads.earnings.AAPL[0] is soon; it takes symbols with days"),
        ('{earnings: {AAPL: ["2026-01-29"]}}', 'spreads.earnings.AAPL[0] is "2026-01-29"; it takes symbols with days'),
        ("{earnings: {AAPL: 2026-01-29}}", "spreads.earnings.AAPL is 2026-01-29; it takes symbols with days"),
        ("{min_days: 70}", "mine.yaml: spreads.min_days is 70, spreads.target_days 45 and spreads.max_days 60: they must ascend"),
        ("{short_delta: 0.5}", "mine.yaml: spreads.short_delta is 0.5 and spreads.breach_delta 0.45"),
        ("5", "spreads is 5; it takes these keys, each with a value: sleeve, min_score"),
    ],
)
def test_what_does_not_fit_is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        behaviour(tmp_path, text)
    assert words in str(told.value) and len(str(told.value).splitlines()) == 1
