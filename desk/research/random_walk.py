"""Does the strategy earn money where none can be earned?

Two kinds of worlds are made of the same symbols. On walks every step is a fair bet, with the real volatility of the day; high
and low are those of a continuous path between open and close (the known law of a Brownian bridge's extremes), so that a stop
fills at its price without an edge for anybody. Resampled worlds are real days, drawn with replacement, with their mean
moves taken out.
"""

from __future__ import annotations

import numpy as np

from desk.domain.market import DailyBars, FloatArray
from desk.report.wording import count, percent
from desk.research.foresight import _shapes
from desk.research.laboratory import Laboratory
from desk.research.simulation import t_of
from desk.research.subject import Histories
from desk.research.verdict import Finding, Level

NAME = "random walk"
SUSPECT_T, BIASED_T = 3.0, 5.0
VOLATILITY_SPAN = 40


def check(lab: Laboratory) -> Finding:
    """SUSPECT from a t of 3 of all worlds' daily returns after costs, BIASED from 5; losing is no accusation."""
    trials = [
        lab.run(lab.subject.on(world(lab.subject.original, lab.chance(number), number))) for number in range(lab.effort.worlds)
    ]
    done = [trial for trial in trials if trial.failed is None]
    if not done:
        return Finding(NAME, Level.NOTE, f"It does not run on made histories: {trials[0].failed}.")
    t_value = t_of(np.concatenate([trial.returns for trial in done]))
    totals = [trial.total_return for trial in done]
    mean = float(np.mean(totals))
    entries = sum(trial.entries for trial in done)
    if not entries:
        return Finding(NAME, Level.NOT_APPLICABLE, f"On {len(done)} histories without an edge it never traded.")
    figures = {"t": t_value, "mean_return": mean, "worlds": float(len(done)), "entries": float(entries)}
    words = (
        f"On {len(done)} histories without an edge it made {percent(mean, signed=True)} on average after costs "
        f"(t of the daily returns {t_value:.1f}, {count(entries, 'entry', 'entries')})"
    )
    points = {"total returns": totals}
    if t_value < SUSPECT_T:
        return Finding(NAME, Level.OK, f"{words}: not more than chance.", figures, points)
    level = Level.BIASED if t_value >= BIASED_T else Level.SUSPECT
    return Finding(NAME, level, f"{words}: nobody can without seeing what comes.", figures, points)


def world(real: Histories, rng: np.random.Generator, number: int) -> Histories:
    """Walks for even numbers, resampled days for odd ones; same symbols and sessions as `real`."""
    return walks(real, rng) if number % 2 == 0 else resampled(real, rng)


def walks(real: Histories, rng: np.random.Generator) -> Histories:
    """Fair walks that move together as the real symbols do."""
    days = sorted({day for bars in real.values() for day in bars.sessions})
    place = {day: at for at, day in enumerate(days)}
    common = rng.standard_normal((2, len(days)))
    made: dict[str, DailyBars] = {}
    for symbol in sorted(real):
        at = np.array([place[day] for day in real[symbol].sessions], dtype=np.int64)
        made[symbol] = _walk(real[symbol], common[:, at], _loading(real, symbol), rng)
    return made


def _loading(real: Histories, symbol: str) -> float:
    """Correlation of the symbol's daily moves with the mean of all, over the sessions that all have."""
    shared = set.intersection(*(set(bars.sessions) for bars in real.values()))
    if len(shared) < 30 or len(real) < 2:
        return 0.5
    moves = {}
    for name, bars in real.items():
        close = bars.close[[day in shared for day in bars.sessions]]
        moves[name] = np.diff(np.log(close))
    correlation = float(np.corrcoef(moves[symbol], np.mean(list(moves.values()), axis=0))[0, 1])
    return float(np.clip(np.nan_to_num(correlation), -0.95, 0.95))


def _walk(real: DailyBars, common: FloatArray, loading: float, rng: np.random.Generator) -> DailyBars:
    n = len(real)
    night, day = _volatility(np.log(_shapes(real)[0]), n), _volatility(np.log(real.close / real.open)[1:], n)
    own = rng.standard_normal((2, n))
    steps = loading * common + np.sqrt(1 - loading**2) * own
    jumps = night * steps[0] - night**2 / 2
    moves = day * steps[1] - day**2 / 2
    chance = 1.0 - rng.random((2, n))
    above = (moves + np.sqrt(moves**2 - 2 * day**2 * np.log(chance[0]))) / 2
    below = (moves - np.sqrt(moves**2 - 2 * day**2 * np.log(chance[1]))) / 2
    opens = real.open[0] * np.exp(np.cumsum(jumps) + np.concatenate([[0.0], np.cumsum(moves)[:-1]]))
    columns = (opens, opens * np.exp(above), opens * np.exp(below), opens * np.exp(moves))
    return DailyBars(real.sessions, *columns, rng.permutation(real.volume))


def _volatility(moves: FloatArray, n: int) -> FloatArray:
    """Deviation of each session by the real moves up to it, exponentially weighted, shape (n,): it knows no direction."""
    if not len(moves):
        return np.full(n, 0.01)
    weight = 2 / (VOLATILITY_SPAN + 1)
    variance = np.empty(n)
    level = float(np.mean(moves**2))
    for at in range(n):
        variance[at] = level
        level += weight * (float(moves[min(at, len(moves) - 1)]) ** 2 - level)
    return np.sqrt(np.maximum(variance, 1e-10))


def resampled(real: Histories, rng: np.random.Generator) -> Histories:
    """Whole days drawn with replacement, the same ones for symbols of the same length; nights and days are fair bets."""
    draws = rng.random(max(len(bars) for bars in real.values()))
    return {symbol: _redrawn(bars, draws[-len(bars) :]) for symbol, bars in real.items()}


def _redrawn(real: DailyBars, draws: FloatArray) -> DailyBars:
    jump, high, low, close = _shapes(real)
    at = (draws * len(jump)).astype(np.int64)
    day = close / close.mean()
    opens = real.open[0] * np.cumprod((jump / jump.mean())[at]) * np.concatenate([[1.0], np.cumprod(day[at])[:-1]])
    closes = opens * day[at]
    shift = 1 / close.mean()
    highs = np.maximum.reduce([opens * high[at] * shift, opens, closes])
    lows = np.minimum.reduce([opens * low[at] * shift, opens, closes])
    return DailyBars(real.sessions, opens, highs, lows, closes, real.volume[1:][at] if len(real) > 1 else real.volume)
