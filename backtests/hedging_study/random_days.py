"""The null test on history: the same hedges, opened on days drawn at random. What the rule's choice of days is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from desk.domain.market import FloatArray
from desk.runtime.desk_backtest import costs_of
from hedging_study import replica
from hedging_study.books import Played
from hedging_study.replica import Brackets, IntArray, Tape
from hedging_study.sleeve import Hedge, hedges

MIDDLE = (2.5, 97.5)


@dataclass(frozen=True)
class Placed:
    """A figure of the real days among those of random days: share of the draws below it, in percent, ties counted half."""

    real: float
    low: float
    median: float
    high: float
    percentile: float

    @staticmethod
    def of(real: float, drawn: FloatArray) -> Placed:
        low, median, high = np.percentile(drawn, [MIDDLE[0], 50.0, MIDDLE[1]])
        below = float(np.mean(drawn < real) + np.mean(drawn == real) / 2)
        return Placed(real, float(low), float(median), float(high), 100.0 * below)

    @property
    def is_ordinary(self) -> bool:
        return MIDDLE[0] <= self.percentile <= MIDDLE[1]


@dataclass(frozen=True)
class NullTest:
    """`checked` are pairs of profit or loss in dollars, the backtester's and the arrays', one a hedge of the real days.

    The placed figures come from the arrays on both sides, over the unhedged book's equity: the sleeve's profit or loss in
    dollars, and the book's total return, deepest drawdown and worst session as fractions with the sleeve added.
    """

    draws: int
    seed: int
    checked: tuple[tuple[float, float], ...]
    unhedged_drawdown_fraction: float
    sleeve_usd: Placed
    total_return_fraction: Placed
    drawdown_fraction: Placed
    worst_session_fraction: Placed


def null_test(hedged: Played, unhedged: Played, draws: int, seed: int) -> NullTest | None:
    """None when the rule opened nothing, or what it opened leaves no room for other days."""
    found, rules = hedges(hedged), hedged.rules
    if rules is None or not found:
        return None
    tape = Tape.of(hedged.source, rules.inverse_etfs, hedged.sessions)
    costs = costs_of(hedged.behaviour)
    equity = np.array([point.equity_usd for point in unhedged.done.record.equity])
    real = _real(found, tape)
    days = random_days(real.hold + 2, len(hedged.sessions), draws, np.random.default_rng(seed))
    if days is None:
        return None
    apart = Brackets(np.arange(len(found)), real.fund, real.shares, real.decided, real.hold)
    each = replica.play(apart, tape, costs, rules).pnl_usd.sum(axis=1)
    weights = np.array([hedge.weight for hedge in found])
    drawn = replica.play(_drawn(days, real, weights, tape, equity), tape, costs, rules).pnl_usd
    together = replica.play(real, tape, costs, rules).pnl_usd
    return NullTest(
        draws=draws,
        seed=seed,
        checked=tuple((hedge.pnl_usd, float(usd)) for hedge, usd in zip(found, each, strict=True)),
        unhedged_drawdown_fraction=float(_drawdown(equity[None, :])[0]),
        sleeve_usd=_placed(together.sum(axis=1), drawn.sum(axis=1)),
        total_return_fraction=_placed(*(_total_return(_equity(equity, pnl)) for pnl in (together, drawn))),
        drawdown_fraction=_placed(*(_drawdown(_equity(equity, pnl)) for pnl in (together, drawn))),
        worst_session_fraction=_placed(*(_worst(_equity(equity, pnl)) for pnl in (together, drawn))),
    )


def random_days(lengths: IntArray, sessions: int, draws: int, rng: np.random.Generator) -> IntArray | None:
    """Numbers, from 1, of the sessions on which spells of these `lengths` begin, shape (draws, len(lengths)).

    Spells of one draw lie in any order and do not overlap; every such arrangement is as likely as any other. None when they
    do not fit.
    """
    count, room = len(lengths), sessions - int(lengths.sum())
    if room < 0:
        return None
    order = rng.permuted(np.tile(np.arange(count), (draws, 1)), axis=1)
    chosen = np.sort(rng.random((draws, room + count)).argsort(axis=1)[:, :count], axis=1)
    in_order = lengths[order]
    begins = chosen - np.arange(count) + np.cumsum(in_order, axis=1) - in_order + 1
    found = np.empty_like(begins)
    np.put_along_axis(found, order, begins, axis=1)
    return found


def _real(found: tuple[Hedge, ...], tape: Tape) -> Brackets:
    symbols = [fund.symbol for fund in tape.funds]
    number = {day: place for place, day in enumerate(tape.sessions)}
    return Brackets(
        account=np.zeros(len(found), dtype=np.int64),
        fund=np.array([symbols.index(hedge.fund.symbol) for hedge in found]),
        shares=np.array([float(hedge.shares) for hedge in found]),
        decided=np.array([number[hedge.decided] for hedge in found]),
        hold=np.array([number[hedge.asked or hedge.left or tape.sessions[-1]] - number[hedge.entered] for hedge in found]),
    )


def _drawn(days: IntArray, real: Brackets, weights: FloatArray, tape: Tape, equity: FloatArray) -> Brackets:
    """The real hedges on other days, with the same share of the unhedged book's equity at the last close."""
    draws, count = days.shape
    fund, decided = np.tile(real.fund, draws), days.ravel()
    shares = np.floor(np.tile(weights, draws) * equity[decided - 1] / tape.close[fund, decided - 1])
    return Brackets(np.repeat(np.arange(draws), count), fund, shares, decided, np.tile(real.hold, draws))


def _placed(real: FloatArray, drawn: FloatArray) -> Placed:
    return Placed.of(float(real[0]), drawn)


def _equity(unhedged: FloatArray, pnl_usd: FloatArray) -> FloatArray:
    """The book's equity with a sleeve beside it, shape (accounts, sessions + 1)."""
    beside: FloatArray = unhedged + np.cumsum(pnl_usd, axis=1)
    return beside


def _total_return(equity: FloatArray) -> FloatArray:
    found: FloatArray = equity[:, -1] / equity[:, 0] - 1.0
    return found


def _drawdown(equity: FloatArray) -> FloatArray:
    peaks = np.maximum.accumulate(equity, axis=1)
    found: FloatArray = ((peaks - equity) / peaks).max(axis=1)
    return found


def _worst(equity: FloatArray) -> FloatArray:
    found: FloatArray = (equity[:, 1:] / equity[:, :-1] - 1.0).min(axis=1)
    return found
