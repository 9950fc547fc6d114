"""A strategy under examination begins each run as it was, and finds nothing of what its world does not have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from desk.domain.decisions import FixedExit, Signal, Target, Weight
from desk.domain.errors import DeskError
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book
from desk.research.laboratory import QUICK, laboratory
from desk.research.planner import Isolation, planner
from desk.research.simulation import simulate
from desk.research.subject import Subject, subject_of
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour

DAYS = tuple(date(2012, 1, 2) + timedelta(days=day) for day in range(60))
PRICES = np.linspace(50.0, 60.0, 60)
REAL = MappingProxyType({"AAA": DailyBars(DAYS, PRICES, PRICES + 1, PRICES - 1, PRICES, np.full(60, 1e6))})
IN_THE_MODULE: dict[str, int] = {}
IN_THE_MODULE_TOO = dict(REAL)


@lru_cache
def remembered(symbol: str) -> list[str]:
    return [symbol]


class Hoarder(DeskStrategy):
    """Keeps whatever it can, wherever it can."""

    on_the_class: ClassVar[dict[str, Any]] = {}
    own: ClassVar[dict[str, DailyBars]] = dict(REAL)

    def prepare(self) -> None:
        self.found = (dict(self.on_the_class), dict(IN_THE_MODULE), list(remembered("AAA")))
        self.on_the_class["ran"] = IN_THE_MODULE["ran"] = 1
        remembered("AAA").append("ran")
        self.frame = pd.Series(PRICES, index=pd.DatetimeIndex(DAYS))

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return []

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target("AAA", Weight(0.1), FixedExit(0.05, 0.15), "always")]


class Breaks(Hoarder):
    """Fails in the midst of its own backtest."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        raise KeyError("nothing there")


def subject(strategy: type[DeskStrategy]) -> Subject:
    return subject_of("hoarder", strategy, Behaviour(), REAL, DAYS[20], DAYS[-1])


def test_each_run_finds_class_module_and_caches_as_they_were():
    isolation = Isolation(Hoarder)
    for _ in range(2):
        made: Any = planner(subject(Hoarder), isolation)
        assert made.found == ({}, {}, ["AAA"])
    assert Hoarder.on_the_class == {}


def test_a_cut_world_cuts_what_the_author_keeps_too():
    made: Any = planner(subject(Hoarder).cut(DAYS[40]), Isolation(Hoarder))
    assert made.own["AAA"].sessions[-1] == DAYS[39]
    assert made.frame.index[-1] == pd.Timestamp(DAYS[39])
    assert IN_THE_MODULE_TOO["AAA"].sessions[-1] == DAYS[39]
    assert Hoarder.own["AAA"].sessions[-1] == DAYS[-1]


def test_a_whole_world_is_left_as_it_is():
    made: Any = planner(subject(Hoarder), Isolation(Hoarder))
    assert made.own["AAA"].sessions == DAYS and len(made.frame) == 60 == len(REAL["AAA"])


def test_a_run_that_fails_says_how_far_it_came_and_why():
    trial = simulate(subject(Breaks), Isolation(Breaks))
    assert trial.failed == "KeyError: 'nothing there'" and trial.sessions == () and trial.t_value == 0.0
    with pytest.raises(DeskError, match="mend that first"):
        laboratory(subject(Breaks), QUICK, 0)


def test_costs_are_paid_and_doubled_costs_are_worse():
    isolation = Isolation(Hoarder)
    plain, dear = (simulate(one, isolation) for one in (subject(Hoarder), subject(Hoarder).with_costs(2.0)))
    assert plain.entries == dear.entries > 0
    assert dear.total_return < plain.total_return
