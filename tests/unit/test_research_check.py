"""What `desk check` says where there is little to see, and what it refuses to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pytest

from desk.data.calendars import session_dates
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.errors import UsageError
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book
from desk.research import costs, delay, neighbourhood, recursion, shuffled_labels, standing
from desk.research.asked import Asked, answered, lines
from desk.research.examination import Examination, examine
from desk.research.laboratory import Effort, Laboratory, laboratory
from desk.research.shuffled_labels import area_error
from desk.research.subject import subject_of
from desk.research.verdict import Level, Verdict
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour

EFFORT = Effort(cuts=1, looks=2, worlds=2, relabels=2, shifts=(11,), steps=(0.2,))


def bars(seed: int, n: int) -> DailyBars:
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, n)))
    opens = np.concatenate(([50.0], closes[:-1]))
    highs, lows = np.maximum(opens, closes) * 1.002, np.minimum(opens, closes) * 0.998
    days = tuple(session_dates(date(2012, 1, 3), date(2014, 12, 31))[:n])
    return DailyBars(days, opens, highs, lows, closes, np.full(n, 1e6))


class Sleeper(DeskStrategy):
    """Wants nothing."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return []

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return []


class Buyer(Sleeper):
    """Holds on every other day."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        long = market.session.toordinal() % 2 == 0
        return [Signal(symbol, Direction.LONG if long else Direction.FLAT, "day") for symbol in market.bars]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        rule = FixedExit(0.2, 0.3)
        return [Target(s.symbol, Weight(0.1) if s.direction is Direction.LONG else Shares(0), rule, s.reason) for s in signals]


class KnowsByHeart(Buyer):
    """Has the answers, and forgets nothing when it is taught with shuffled labels."""

    answers: ClassVar[frozenset[tuple[str, date]]] = frozenset()

    def relabel(self, rng: np.random.Generator) -> None:
        """Its opinion does not come from labels."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        rises = {symbol: (symbol, market.session) in self.answers for symbol in market.bars}
        return [Signal(symbol, Direction.LONG if up else Direction.FLAT, "heart") for symbol, up in rises.items()]


def lab_of(strategy: type[DeskStrategy], sessions: int = 200, lead: int = 100) -> Laboratory:
    histories = MappingProxyType({"AAA": bars(1, lead + sessions), "BBB": bars(2, lead + sessions)})
    days = histories["AAA"].sessions
    behaviour = Behaviour(hedging=False)
    return laboratory(subject_of("animal", strategy, behaviour, histories, days[lead], days[-1]), EFFORT, 0)


@pytest.mark.slow
def test_nothing_is_claimed_of_a_strategy_that_never_trades():
    lab = lab_of(Sleeper)
    done = examine(lab.subject, EFFORT)
    assert done.verdict is Verdict.INCONCLUSIVE
    assert {one.level for one in done.findings} == {Level.NOT_APPLICABLE}
    assert [one for one in done.findings if "never traded" in one.sentence or "never wanted" in one.sentence]


@pytest.mark.parametrize("sessions", [25, 60])
def test_a_run_too_short_to_be_started_elsewhere_is_not_accused(sessions):
    found = recursion.check(lab_of(Buyer, sessions, lead=2))
    assert found.level is Level.NOT_APPLICABLE and f"{sessions} sessions are too few" in found.sentence


def test_a_knowledge_that_shuffled_labels_leave_alone_is_suspect():
    history = {"AAA": bars(1, 300), "BBB": bars(2, 300)}
    ahead = shuffled_labels.HORIZON_SESSIONS - 1
    known = frozenset(
        (symbol, one.sessions[at])
        for symbol, one in history.items()
        for at in range(len(one) - ahead)
        if one.close[at + ahead] > one.open[at]
    )
    knows = type("KnowsByHeart", (KnowsByHeart,), {"answers": known, "__module__": __name__})
    found = shuffled_labels.check(lab_of(knows))
    assert found.level is Level.SUSPECT and found.figures["auc"] > 0.85


def test_an_opinion_that_knows_nothing_and_ignores_labels_is_left_in_peace():
    rng = np.random.default_rng(3)
    days = bars(1, 300).sessions
    guessed = frozenset((symbol, day) for symbol in ("AAA", "BBB") for day in days if rng.random() < 0.5)
    guesses = type("KnowsByHeart", (KnowsByHeart,), {"answers": guessed, "__module__": __name__})
    assert shuffled_labels.check(lab_of(guesses)).level is Level.OK


def test_few_scores_leave_much_to_luck():
    assert area_error(30) > 0.2 > 0.05 > area_error(1500)
    # 4 cases a side, Mann and Whitney: sqrt((8 + 1) / (12 * 4 * 4))
    assert area_error(8 * shuffled_labels.HORIZON_SESSIONS) == pytest.approx((9 / 192) ** 0.5)


def test_a_profit_that_a_session_takes_away_is_told_even_when_it_is_not_significant():
    lab = lab_of(Buyer)
    gained = replace(lab.base, returns=np.full(200, 1e-4) + np.tile((0.01, -0.01), 100))
    found = delay.check(replace(lab, base=gained))
    late = found.figures["late_return"]
    assert late <= delay.KEPT_FRACTION * gained.total_return
    assert found.level is Level.NOTE and "was luck" in found.sentence


def test_a_run_without_costs_is_told_so():
    lab = lab_of(Buyer)
    free = lab.subject.behaviour.model_copy(update={"fee_bps": 0.0, "slippage_bps": 0.0})
    found = costs.check(replace(lab, subject=replace(lab.subject, behaviour=free)))
    assert found.level is Level.NOTE and "set fee_bps" in found.sentence


def test_the_run_is_told_with_its_error_and_beside_holding():
    lab = lab_of(Buyer, 300)
    words = list(lines(Examination(lab.subject, lab.base, (), Verdict.PASS, ())))
    assert "on AAA, BBB" in words[1] and "deepest drawdown" in words[1] and "±" in words[1] and "a year" in words[1]
    assert words[2].startswith("Holding an equal part of each: ")


def test_growth_a_year_comes_to_the_total():
    assert standing.a_year(0.21, 504) == pytest.approx(0.1)
    assert standing.a_year(-1.0, 504) == -1.0
    assert standing.gain_words(0.05, 100) == "+5.0 %"


@pytest.mark.parametrize("name", ["ema_cross", "vwap", "combined,ema_cross"])
def test_a_strategy_on_bars_inside_the_day_is_refused_and_told_where_to_go(name):
    with pytest.raises(UsageError, match=r"looks at bars of .* seconds.*desk compare"):
        answered(Asked(name), Behaviour(), lambda _: None)


@pytest.mark.parametrize(
    ("start", "end"), [(date(2030, 1, 1), None), (None, date(1999, 1, 1)), (date(2010, 1, 4), date(2009, 1, 4))]
)
def test_dates_without_sessions_are_refused_with_those_that_there_are(start, end):
    with pytest.raises(UsageError, match=r"it has 2000-03-01 to 2013-03-01; choose --start and --end within"):
        answered(Asked("combined", start=start, end=end), Behaviour(), lambda _: None)


@dataclass(frozen=True)
class Knobs:
    """One that matters and three that do not."""

    every: int = 2
    idle: int = 5
    idler: int = 7
    idlest: float = 0.5


class Tuned(Buyer):
    """Holds on every so manyth day."""

    Parameters: ClassVar[type] = Knobs

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        long = market.session.toordinal() % self.settings.every == 0
        return [Signal(symbol, Direction.LONG if long else Direction.FLAT, "day") for symbol in market.bars]


def test_parameters_without_effect_are_no_neighbours():
    """They would do as it does, and hide that it stands alone."""
    lab = lab_of(Tuned)
    around = neighbourhood.neighbours(lab)
    assert {one.name for one in around} == {"every"}
    spike = replace(lab, base=replace(lab.base, returns=lab.base.returns * 0 + np.tile((0.02, -0.01), 100)))
    assert neighbourhood.check(spike, around).level is Level.SUSPECT


@pytest.mark.slow
def test_a_folder_is_examined_whole(tmp_path: Path):
    rows = [
        f"{symbol},{day},{one.open[at]},{one.high[at]},{one.low[at]},{one.close[at]},{one.volume[at]:.0f}"
        for symbol, one in {"AAPL": bars(1, 40), "NVDA": bars(2, 40)}.items()
        for at, day in enumerate(one.sessions)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["symbol,timestamp,open,high,low,close,volume", *rows]) + "\n")
    done = answered(Asked("combined", data=tmp_path, is_quick=True), Behaviour(hedging=False), lambda _: None)
    assert done.subject.universe == ("AAPL", "NVDA")
    assert done.verdict is Verdict.INCONCLUSIVE
    assert any(note.startswith("Prices: files in") for note in done.prices)
