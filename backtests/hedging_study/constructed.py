"""A few sessions made by hand that show the hedge's mechanics: constructed, not history, and no sign of what it earns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from desk.data.calendars import session_dates
from desk.data.source import Source
from desk.domain.market import FloatArray
from hedging.plan import HedgePlan
from hedging_study import made
from hedging_study.books import Played, play
from hedging_study.made import Paths
from hedging_study.sleeve import account, fills

LABEL = "constructed, not history"
NAMES = ("ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO")
FIRST_DAY, LAST_DAY = date(2015, 1, 2), date(2015, 12, 31)
WARM_UP_SESSIONS = 130  # the rule looks 120 sessions back
# Index returns: swings by turns, the beginning of a rally, and then what is shown: the rally stretches the names, goes on for a
# session that costs the hedge, and ends in a fall.
SWING, RALLY = 0.006, (0.010, 0.010)
INDEX = (0.010, 0.011, 0.012, 0.006, -0.022, -0.026, -0.014, 0.006, -0.004, 0.005)
# Names move with the index, each with a swing of its own that goes on as before.
OWN_SWINGS = (0.001, 0.003, 0.004, 0.006, 0.010)
# Inside a session a price goes in a straight line from the last close to the close.
STEPS_A_DAY = 8


@dataclass(frozen=True)
class Moment:
    """One session of the example; the rule looks at the opening, on what the closes before it were. Fractions of 1, dollars."""

    session: date
    overbought: int
    counted: int
    mood: str
    index_fraction: float
    fund: str
    fund_fraction: float
    shares: int
    sleeve_usd: float
    unhedged_usd: float
    hedged_usd: float
    said: str


def example() -> tuple[Moment, ...]:
    """The sessions of the example, played through the desk's own backtest after modelled costs, with and without the hedge."""
    behaviour = made.behaviour_for(NAMES, fee_bps=1.0, slippage_bps=5.0)
    source = constructed()
    days = source.sessions()
    hedged, unhedged = (play("weights", behaviour, source, days[WARM_UP_SESSIONS], days[-1], on) for on in (True, False))
    return tuple(_moments(hedged, unhedged))


def constructed() -> Source:
    count = WARM_UP_SESSIONS + len(INDEX)
    days = session_dates(FIRST_DAY, LAST_DAY)[:count]
    swings = SWING * (-1.0) ** np.arange(WARM_UP_SESSIONS - len(RALLY))
    index = np.concatenate((swings, RALLY, INDEX))
    # By pairs, so that it is no part of the index's own swing.
    own = (-1.0) ** (np.arange(count) // 2)
    names = {name: _path(index + swing * own) for name, swing in zip(NAMES, OWN_SWINGS, strict=True)}
    return made.source_of(Paths(names, {"SP500": _path(index), "NASDAQ": _path(index)}), days, LABEL)


def _path(returns: FloatArray) -> FloatArray:
    closes = 100.0 * np.cumprod(1.0 + returns)
    before = np.concatenate(([100.0], closes[:-1]))
    share = np.linspace(0.0, 1.0, STEPS_A_DAY + 1)
    path: FloatArray = before[:, None] + (closes - before)[:, None] * share
    return path


def _moments(hedged: Played, unhedged: Played) -> Iterator[Moment]:
    own, traded = account(hedged), fills(hedged)
    gained = np.cumsum(own.pnl_usd)
    equities = [[point.equity_usd for point in played.done.record.equity] for played in (unhedged, hedged)]
    for place, each in enumerate(hedged.openings):
        plan, day = each.hedge, each.session
        assert plan is not None  # the run hedges
        held = {fill.symbol for fill in traded if fill.session <= day}
        fund = next(iter(held), "")
        yield Moment(
            session=day,
            overbought=len(plan.sentiment.overbought),
            counted=len(plan.sentiment.counted),
            mood=plan.sentiment.mood.value,
            index_fraction=INDEX[place],
            fund=fund,
            fund_fraction=_day_return(hedged.source, fund, day) if fund else 0.0,
            shares=sum(fill.shares for fill in traded if fill.session <= day),
            sleeve_usd=float(gained[place]),
            unhedged_usd=equities[0][place + 1] - equities[0][0],
            hedged_usd=equities[1][place + 1] - equities[1][0],
            said=_said(plan),
        )


def _day_return(source: Source, symbol: str, day: date) -> float:
    bars = source.bars(symbol)
    place = bars.sessions.index(day)
    return float(bars.close[place] / bars.close[place - 1] - 1.0)


def _said(plan: HedgePlan) -> str:
    """What the plan says at last, without the mood, which stands in columns of its own."""
    return plan.reasons[-1].removeprefix(f"{plan.reasons[0]}: ")
