"""Schedules of option spreads: what they must have for rolls, stocks and assignments to happen, and to end within the prices."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

BACKTESTS = Path(__file__).parents[2] / "backtests"
SEEDS = range(1, 121)


@pytest.fixture
def schedules(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.syspath_prepend(str(BACKTESTS))
    drawn = importlib.import_module("crash.spread_schedule").drawn
    return [drawn(seed) for seed in SEEDS]


def test_a_seed_is_always_the_same_schedule(schedules: list[Any]) -> None:
    drawn = importlib.import_module("crash.spread_schedule").drawn
    assert all(drawn(schedule.seed) == schedule for schedule in schedules[:20])


def test_a_third_holds_stocks_and_most_of_them_are_underlyings_of_spreads(schedules: list[Any]) -> None:
    mixed = [schedule for schedule in schedules if schedule.stocks]
    assert 0.2 < len(mixed) / len(schedules) < 0.5
    assert sum(bool(set(each.stocks) & set(each.symbols)) for each in mixed) > 0.9 * len(mixed)
    assert sum(bool(set(each.stocks) - set(each.symbols)) for each in mixed) > 0.5 * len(mixed)
    assert any(each.ends_flat for each in mixed) and not all(each.ends_flat for each in mixed)
    assert all(each.assignments for each in mixed)


def test_without_stocks_nothing_is_closed_at_the_end(schedules: list[Any]) -> None:
    assert not any(schedule.ends_flat for schedule in schedules if not schedule.stocks)


def test_what_is_rolled_has_a_later_expiration_to_go_to_and_a_rule_that_rolls(schedules: list[Any]) -> None:
    rolling = [schedule.spreads for schedule in schedules if schedule.spreads.rolls]
    assert len(rolling) > 0.2 * len(schedules)
    assert all(rules.max_days - rules.target_days >= 14 for rules in rolling)
    assert sum(rules.loss_multiple is not None for rules in rolling) > 0.8 * len(rolling)


def test_whatever_is_held_expires_and_settles_before_the_prices_end(schedules: list[Any]) -> None:
    days = importlib.import_module("crash.made_market").DAYS
    for schedule in schedules:
        left = schedule.moments[-1] + timedelta(minutes=sum(schedule.pauses_minutes), days=schedule.spreads.max_days)
        settled = [day for day in days if day > left.date()]
        assert len(settled) >= 2, schedule.seed
