"""The null test on random walks: where no price has a drift, the rule's days can neither earn nor lose before costs.

The rule's timing is played in arrays over many walks, a dollar in the -3x fund a hedge; on the first walks the desk's own
backtest says whether the arrays open and leave when it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from desk.data.calendars import session_dates
from desk.domain.market import FloatArray
from desk.indicators.rsi import wilder_rsi
from desk.runtime.backtest import Costs
from hedging.rules import HedgeRules, InverseFund
from hedging.sentiment import DUST
from hedging_study import made, replica
from hedging_study.books import play
from hedging_study.made import Paths
from hedging_study.replica import Brackets, IntArray, Result, Tape
from hedging_study.sleeve import Hedge, hedges

NAMES = ("WALKA", "WALKB", "WALKC", "WALKD", "WALKE")
FIRST_DAY, LAST_DAY = date(2015, 1, 2), date(2024, 12, 31)
WARM_UP_SESSIONS = 130  # the rule looks 120 sessions back
# A limit is filled at its price although a step has gone beyond it: small steps keep that small.
STEPS_A_DAY = 39
MARKET_VOLATILITY, OWN_VOLATILITY = 0.010, 0.008  # a day
FREE = Costs(0.0, 0.0)
# With one index there is no better one, and the least leveraged fund against it never has room enough beside this book.
FUND = InverseFund("SPXS", "SP500", -3.0)


@dataclass(frozen=True)
class WalkTest:
    """`hedge_bps` is the profit or loss of each hedge in basis points of the money in the fund, before costs.

    `desk_hedges` were opened by the desk's backtest on the first `desk_walks`, `same_hedges` of them bought and sold in the same
    sessions by the arrays.
    """

    walks: int
    sessions: int
    fired: int
    hedge_bps: tuple[float, ...]
    desk_walks: int
    desk_hedges: int
    same_hedges: int

    @property
    def hedges(self) -> int:
        return len(self.hedge_bps)

    @property
    def mean_bps(self) -> float:
        return float(np.mean(self.hedge_bps)) if self.hedge_bps else 0.0

    @property
    def standard_error_bps(self) -> float:
        return float(np.std(self.hedge_bps, ddof=1) / np.sqrt(self.hedges)) if self.hedges > 1 else 0.0

    @property
    def t_value(self) -> float:
        return self.mean_bps / self.standard_error_bps if self.standard_error_bps > 0 else 0.0


def walk_test(walks: int, sessions: int, desk_walks: int) -> WalkTest:
    """The rule on the walks of seeds 0, 1, 2 ...; the first `desk_walks` of them through the desk's own backtest too."""
    rules = HedgeRules(sentiment_symbols=NAMES)
    # Paths inside the day are large: of each walk no more is kept than what the rule sees and the fund's bars.
    seen = [(overbought_share(drawn, rules), _fund_bars(drawn)) for drawn in (walk(seed, sessions) for seed in range(walks))]
    share = np.array([each for each, _ in seen])
    tape = Tape(
        _days(sessions)[WARM_UP_SESSIONS - 1 :], (FUND,) * walks, *np.array([bars for _, bars in seen]).transpose(1, 0, 2)
    )
    brackets, result = rule_played(share, tape, rules)
    gained = 1e4 * result.pnl_usd.sum(axis=1)
    ours = set(zip(brackets.fund.tolist(), _dates(tape, result.entered), _dates(tape, result.left), strict=True))
    desks = [(seed, hedge.entered, hedge.left) for seed in range(desk_walks) for hedge in desk_hedges(seed, sessions)]
    return WalkTest(
        walks=walks,
        sessions=sessions,
        fired=int((share >= rules.bearish_share - DUST).sum()),
        hedge_bps=tuple(gained.tolist()),
        desk_walks=desk_walks,
        desk_hedges=len(desks),
        same_hedges=len(ours.intersection(desks)),
    )


# ---- the walks -----------------------------------------------------------------------------------------------------------


def walk(seed: int, sessions: int) -> Paths:
    """Five names and an index on common driftless steps: every step of every price is a fair bet in dollars."""
    rng, days = np.random.default_rng(seed), WARM_UP_SESSIONS + sessions
    market = _steps(rng, days, MARKET_VOLATILITY)
    names = {name: _path(market + _steps(rng, days, OWN_VOLATILITY)) for name in NAMES}
    index = _path(market)
    return Paths(names, {"SP500": index, "NASDAQ": index})


def _steps(rng: np.random.Generator, sessions: int, daily_volatility: float) -> FloatArray:
    found: FloatArray = rng.normal(0.0, daily_volatility / np.sqrt(STEPS_A_DAY), (sessions, STEPS_A_DAY))
    return found


def _path(steps: FloatArray) -> FloatArray:
    growth = np.asarray(np.cumprod(1.0 + steps.ravel()), dtype=np.float64)
    return made.STARTS_AT_USD * growth.reshape(steps.shape)


def _days(sessions: int) -> tuple[date, ...]:
    return session_dates(FIRST_DAY, LAST_DAY)[: WARM_UP_SESSIONS + sessions]


def _fund_bars(drawn: Paths) -> FloatArray:
    """Open, high, low and close of the fund, shape (4, sessions + 1), to the cent as a source has them."""
    path = np.round(made.fund_path(drawn.indices["SP500"], FUND.leverage)[WARM_UP_SESSIONS - 1 :], 2)
    return np.array([path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1]])


def _dates(tape: Tape, numbers: IntArray) -> list[date | None]:
    return [tape.sessions[number] if number >= 0 else None for number in numbers.tolist()]


# ---- the rule in arrays --------------------------------------------------------------------------------------------------


def overbought_share(drawn: Paths, rules: HedgeRules) -> FloatArray:
    """Share of overbought names at the opening of each session, by the closes before it, shape (sessions + 1,); 0 at number 0."""
    levels = [wilder_rsi(np.round(path[:, -1], 2), rules.rsi_length) for path in drawn.names.values()]
    share: FloatArray = np.mean(np.array(levels) >= rules.overbought_rsi, axis=0)
    return np.concatenate(([0.0], share[WARM_UP_SESSIONS - 1 : -1]))


def rule_played(share: FloatArray, tape: Tape, rules: HedgeRules) -> tuple[Brackets, Result]:
    """Every hedge that the rule opens, a dollar each, and what became of it; `share` has shape (walks, sessions + 1)."""
    walks, decided = np.nonzero(share >= rules.bearish_share - DUST)
    nobody = np.full(len(walks), rules.max_hold_sessions)
    fired = Brackets(np.arange(len(walks)), walks, 1.0 / tape.close[walks, decided - 1], decided, nobody)
    entered = replica.play(fired, tape, FREE, rules).entered
    tried = list(zip(walks.tolist(), decided.tolist(), entered.tolist(), strict=True))
    wanted = [_is_wanted(share[number], first, last, rules) for number, first, last in tried]
    hold = np.array([_hold(share[number], last, rules) for number, _, last in tried], dtype=np.int64)
    timed = Brackets(fired.account, walks, fired.shares, decided, hold)
    played = replica.play(timed, tape, FREE, rules)
    chosen = _one_at_a_time(share, timed, played, np.array(wanted, dtype=bool), rules)
    kept = Brackets(np.arange(len(chosen)), walks[chosen], fired.shares[chosen], decided[chosen], hold[chosen])
    return kept, replica.play(kept, tape, FREE, rules)


def _is_wanted(share: FloatArray, decided: int, entered: int, rules: HedgeRules) -> bool:
    """Whether the mood asked for the entry until it was filled."""
    return entered >= 0 and bool((share[decided + 1 : entered + 1] >= rules.bearish_share - DUST).all())


def _hold(share: FloatArray, entered: int, rules: HedgeRules) -> int:
    """Sessions from the entry to the opening that asks for the end."""
    after = share[entered + rules.min_hold_sessions : entered + rules.max_hold_sessions]
    ended = np.nonzero(after < rules.unwind_share - DUST)[0]
    return rules.min_hold_sessions + int(ended[0]) if len(ended) else rules.max_hold_sessions


def _one_at_a_time(
    share: FloatArray, brackets: Brackets, played: Result, wanted: NDArray[np.bool_], rules: HedgeRules
) -> IntArray:
    """Places of the hedges that find the sleeve of their walk empty and not at rest; one that is left today opens no other."""
    last: dict[int, int] = {}
    chosen = []
    for place in np.nonzero(wanted)[0].tolist():
        number, decided = int(brackets.fund[place]), int(brackets.decided[place])
        if number not in last or _may_follow(share[number], played, last[number], decided, rules):
            chosen.append(place)
            last[number] = place
    return np.array(chosen, dtype=np.int64)


def _may_follow(share: FloatArray, played: Result, place: int, decided: int, rules: HedgeRules) -> bool:
    """Whether the rule opens a hedge at `decided` after the one at `place`; `share` is their walk's, shape (sessions + 1,)."""
    left = int(played.left[place])
    if left < 0 or decided <= left:
        return False
    if not played.stopped[place] and left - played.entered[place] < rules.max_hold_sessions:
        return True
    was_calm = bool((share[left : decided + 1] < rules.bearish_share - DUST).any())
    return was_calm and decided - left >= rules.min_hold_sessions


# ---- the desk on the same walks ------------------------------------------------------------------------------------------


def desk_hedges(seed: int, sessions: int) -> tuple[Hedge, ...]:
    """The hedges of the weights book on a walk, through the desk's own backtest, without costs."""
    days = _days(sessions)
    source = made.source_of(walk(seed, sessions), days, f"driftless random walk {seed}")
    behaviour = made.behaviour_for(NAMES, fee_bps=0.0, slippage_bps=0.0)
    return hedges(play("weights", behaviour, source, days[WARM_UP_SESSIONS], days[-1], hedging=True))
