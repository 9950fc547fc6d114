"""Chains in, candidates out; the model looks at the chosen puts of all chains at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np

from desk.domain.options import Chain
from options import black_scholes
from options.black_scholes import Floats
from options.candidate import BullPut, SpreadGreeks
from options.expirations import IsSession, days_left, years_left
from options.legs import Legs, SpreadChoice, choose_legs, judged, named_legs, target_credit
from options.probability import probability_above
from options.refusals import SpreadRefusal
from options.smile import volatilities

# The put sold counts against the put bought; the last axis of every array here runs along (sold, bought).
_POSITION = np.array([-1.0, 1.0])


def candidate(chain: Chain, choice: SpreadChoice, now: datetime, is_session: IsSession) -> BullPut | SpreadRefusal:
    """The spread that the rules choose from one chain at `now` (aware), or why there is none."""
    return scan([chain], choice, now, is_session)[0]


def named_candidate(chain: Chain, short: str, long: str, choice: SpreadChoice, now: datetime) -> BullPut | SpreadRefusal:
    """The spread of two given symbols, when their quotes pass the same tests."""
    legs = named_legs(chain, short, long, now, choice.roots)
    passed = legs if isinstance(legs, SpreadRefusal) else judged(legs, choice, now)
    return passed if isinstance(passed, SpreadRefusal) else appraised([passed], choice, now)[0]


def scan(
    chains: Iterable[Chain], choice: SpreadChoice, now: datetime, is_session: IsSession
) -> tuple[BullPut | SpreadRefusal, ...]:
    """What the rules choose from each chain, in the order of the chains."""
    found = [choose_legs(chain, choice, now, is_session) for chain in chains]
    offered = iter(appraised([legs for legs in found if isinstance(legs, Legs)], choice, now))
    return tuple(each if isinstance(each, SpreadRefusal) else next(offered) for each in found)


def appraised(many: Sequence[Legs], choice: SpreadChoice, now: datetime) -> list[BullPut]:
    """Candidates of legs that passed their tests, with what the model says of them."""
    if not many:
        return []
    model = _model(many, choice, now)
    told = zip(many, model.deltas.tolist(), model.odds.tolist(), model.greeks, strict=True)
    return [
        BullPut(
            legs,
            days_left(legs.expiration, now),
            target_credit(legs, choice),
            _known(delta),
            _odds(odds, delta),
            greeks,
        )
        for legs, delta, odds, greeks in told
    ]


@dataclass(frozen=True, slots=True)
class _Model:
    """Sold puts' deltas and odds of a profit, shape (n,), NaN where unknown; greeks of each spread."""

    deltas: Floats
    odds: Floats
    greeks: list[SpreadGreeks | None]


def _model(many: Sequence[Legs], choice: SpreadChoice, now: datetime) -> _Model:
    spots = np.array([legs.spot for legs in many])
    years = np.array([years_left(legs.expiration, now) for legs in many])
    strikes = np.array([(legs.short_strike, legs.long_strike) for legs in many], dtype=np.float64)
    quotes = [quote for legs in many for quote in (legs.short, legs.long)]
    flat = volatilities(quotes, np.repeat(spots, 2), strikes.ravel(), np.repeat(years, 2), choice.rate)
    volatility = np.where(years[:, None] > 0, flat.reshape(-1, 2), np.nan)
    share = np.array([float(target_credit(legs, choice) / legs.width) for legs in many])
    # The break-even lies between the strikes, `share` of the width below the sold one: so does its volatility.
    at_even = volatility[:, 0] * (1 - share) + volatility[:, 1] * share
    even = strikes[:, 0] - share * (strikes[:, 0] - strikes[:, 1])
    odds = probability_above(spots, even, years, at_even, choice.rate)
    by_leg = _greeks(spots, strikes, years, volatility, choice.rate)
    told = np.array([np.nan if legs.short.delta is None else legs.short.delta for legs in many])
    deltas = np.where(np.isfinite(told), told, by_leg["delta"][:, 0])
    return _Model(deltas, odds, _of_spreads(by_leg))


def _greeks(spots: Floats, strikes: Floats, years: Floats, volatility: Floats, rate: float) -> dict[str, Floats]:
    """Each greek of each leg, shape (n, 2), NaN without a volatility."""
    is_known = volatility > 0
    time = np.where(years > 0, years, 1.0)[:, None]
    found = black_scholes.greeks(False, spots[:, None], strikes, time, np.where(is_known, volatility, 1.0), rate)
    return {each.name: np.where(is_known, getattr(found, each.name), np.nan) for each in fields(found)}


def _of_spreads(by_leg: dict[str, Floats]) -> list[SpreadGreeks | None]:
    sums = np.column_stack([by_leg[each.name] @ _POSITION for each in fields(SpreadGreeks)])
    return [SpreadGreeks(*row) if np.isfinite(row).all() else None for row in sums.tolist()]


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _odds(odds: float, delta: float) -> float | None:
    return _known(odds if np.isfinite(odds) else 1.0 - abs(delta))
