"""A schedule of option spreads: what is opened by which rules, and all that goes wrong, drawn from its seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from crash.made_market import DAYS, SYMBOLS
from crash.schedule import LEAD_SESSIONS, LONGEST_FRACTION, Doom, Json, Schedule, doom, fault
from desk.data import calendars
from desk.exchange.faults.plan import FaultKind
from desk.settings.spreads import SpreadSettings

# Minutes after the opening at which the strategy is asked; the last of them is near the close of a full day.
MINUTES = (5, 70, 135, 200, 265, 330, 380)
SESSIONS, OPENINGS, SPREADS = (3, 10), (3, 8), (2, 7)
# Sessions that prices must go on for after the first: those of the schedule, its pauses, a roll at their end by the longest
# window, and what settles after that.
TAIL_SESSIONS = 29
# The client waits in real time after these, or the desk tries again all the time that the window is open.
MOST_HITS = {"rate_limit": 3, "server_error": 12, "reset": 12, "timeout_after_taken": 6, "rejected_after_accepted": 20}
ROW_KINDS = (
    "spread_opened",
    "spread_turned",
    "spread_turned",
    "spread_order",
    "spread_order",
    "spread_settled",
    "spread_settled",
    "cancel",
    "acknowledged",
    "event",
    "heard",
    "iteration",
    "run_started",
    "refused",
    "link",
)
# Where shares are held too, a desk may die of their rows as well.
STOCK_ROW_KINDS = (*ROW_KINDS, "submit", "submit", "replace")


@dataclass(frozen=True, slots=True)
class Assignment:
    """At `at` the holder of a sold put exercises: `which` and `part` from 0 to 1 choose the position and how much of it."""

    at: datetime
    which: float
    part: float


@dataclass(frozen=True, slots=True)
class SpreadSchedule(Schedule):
    """One run with spreads. They are opened at the moments up to `opens_until`, on `symbols`, one on each at a time. Shares of
    `stocks`, most of them underlyings of the spreads, are bought and sold beside them in the same account."""

    spreads: SpreadSettings
    symbols: tuple[str, ...]
    stocks: tuple[str, ...]
    opens_until: datetime
    assignments: tuple[Assignment, ...]
    cash_usd: float
    multiplier: int
    with_fees: bool


def drawn(seed: int) -> SpreadSchedule:
    """The schedule of `seed`, always the same."""
    chance = np.random.default_rng([seed, 11])
    first = int(chance.integers(LEAD_SESSIONS, len(DAYS) - TAIL_SESSIONS))
    days = DAYS[first : first + int(chance.integers(*SESSIONS))]
    moments = tuple(moment for day in days for moment in _moments(chance, day))
    count = int(chance.integers(*SPREADS))
    symbols = tuple(str(each) for each in chance.choice(SYMBOLS, count, replace=False))
    stocks, ends_flat = _stocks(np.random.default_rng([seed, 14]), symbols)
    exercises = [1, 2, 3, 4] if stocks else [0, 0, 1, 2, 3]
    assignments = tuple(_assignment(chance, days) for _ in range(int(chance.choice(exercises))))
    lives = int(chance.integers(1, 5))
    opens_until = moments[min(int(chance.integers(*OPENINGS)), len(moments)) - 1]
    openings = [moment for moment in moments if moment <= opens_until]
    lively = sorted([*openings, *openings, *moments, *(each.at for each in assignments), *_closes(days)])
    return SpreadSchedule(
        seed=seed,
        start=DAYS[first],
        moments=moments,
        partial_fill_probability=float(chance.choice([0.1, 0.5, 0.9])),
        latency=str(chance.choice(["zero", "measured"])),
        faults=tuple(_fault(chance, lively) for _ in range(int(chance.integers(0, 11)))),
        dooms=tuple(_doom(chance, STOCK_ROW_KINDS if stocks else ROW_KINDS) for _ in range(lives)),
        pauses_minutes=tuple(int(chance.choice([0, 0, 1, 10, 90, 400, 1500])) for _ in range(lives)),
        clear_before=int(chance.integers(1, lives + 2)),
        ends_flat=ends_flat,
        spreads=_settings(np.random.default_rng([seed, 12]), count),
        symbols=symbols,
        stocks=stocks,
        opens_until=opens_until,
        assignments=assignments,
        cash_usd=float(chance.choice([5_000.0, 1_000_000.0, 1_000_000.0])),
        multiplier=int(chance.choice([1, 1, 4])),
        with_fees=bool(chance.random() < 0.5),
    )


def _stocks(chance: np.random.Generator, symbols: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Symbols of which shares are held beside the spreads, in a third of the schedules, and whether those are sold at the end."""
    holds, ends_flat = bool(chance.random() < 1 / 3), bool(chance.random() < 0.5)
    found = tuple(symbol for symbol in SYMBOLS if chance.random() < (0.8 if symbol in symbols else 0.2))
    return (found, ends_flat) if holds else ((), False)


def _doom(chance: np.random.Generator, row_kinds: Sequence[str]) -> Doom:
    """The life that is measured is a whole one here."""
    found = doom(chance, row_kinds)
    return replace(found, fraction=found.fraction / LONGEST_FRACTION)


def _moments(chance: np.random.Generator, day: date) -> list[datetime]:
    session = calendars.session_on(day)
    assert session is not None
    minutes = sorted(int(each) for each in chance.choice(MINUTES, int(chance.integers(1, 4)), replace=False))
    return [moment for count in minutes if (moment := session.opens_at + timedelta(minutes=count)) < session.closes_at]


def _closes(days: Sequence[date]) -> list[datetime]:
    return [session.closes_at for day in days if (session := calendars.session_on(day)) is not None]


def _assignment(chance: np.random.Generator, days: Sequence[date]) -> Assignment:
    """Mostly while the market is open, and sometimes in the evening."""
    session = calendars.session_on(days[int(chance.integers(1, len(days)))])
    assert session is not None
    minutes = float(chance.uniform(0, 390)) if chance.random() < 0.8 else 600.0
    return Assignment(session.opens_at + timedelta(minutes=minutes), float(chance.random()), float(chance.random()))


def _fault(chance: np.random.Generator, moments: Sequence[datetime]) -> Json:
    found = fault(chance, moments)
    # Between two moments may lie a weekend: a window that went on would be one long outage.
    long = float(chance.choice([2.0, 20.0, 60.0, 200.0]))
    began = datetime.fromisoformat(found["when"]["since"])
    found["when"]["until"] = (began + timedelta(minutes=long)).isoformat()
    if found["kind"] in MOST_HITS:
        found["when"]["count"] = int(chance.integers(1, MOST_HITS[found["kind"]] + 1))
    if found["kind"] == FaultKind.HALTED_SYMBOL:
        found["when"]["symbol"] += "*"  # its options with it
    return found


# Whatever the market quotes is traded.
TAKES_ALL: Mapping[str, Any] = {
    "min_score": 0.0,
    "min_confidence": 0.0,
    "min_credit_usd": 0.02,
    "min_credit_fraction": 0.0,
    "max_spread_fraction": 1.0,
    "allowed_spread_usd": 1.0,
    "min_open_interest": 0,
}


@dataclass(frozen=True, slots=True)
class Style:
    """How spreads end. `profit`, `loss`, `breach` and `through` are the chances that those rules are on, `losses` and `deltas`
    the ranges that their limits are drawn from; `window` is how many days after the nearest expiration may be chosen, `late` how
    many of them may be wished for. `distances` of the sold strike and `widths` are fractions of the market. An order's ladder
    takes `rung_seconds` a step and `entry_seconds` at most."""

    profit: float
    loss: float
    breach: float
    through: float
    losses: tuple[float, float] = (0.1, 2.0)
    deltas: tuple[float, float] = (0.2, 0.7)
    window: int = 7
    late: int = 7
    minutes: tuple[int, ...] = (0, 1, 30, 90, 240)
    pins: tuple[float, ...] = (0.0, 0.01, 0.03)
    rung_seconds: tuple[int, ...] = (20, 60)
    entry_seconds: tuple[int, ...] = (120, 600, 1200)
    distances: tuple[float, float] = (0.005, 0.03)
    widths: tuple[float, float] = (0.01, 0.05)
    risks_usd: tuple[float, ...] = (300.0, 1000.0, 5000.0)
    roll_credits_usd: tuple[float, ...] = (0.01,)


STYLES: Mapping[str, Style] = {
    "expires": Style(0.0, 0.0, 0.1, 0.0, minutes=(0, 0, 1), pins=(0.0,)),
    # The exchange trades at bid and ask alone, so a roll pays where time does: early, at a small loss, out of the nearest
    # expiration into a later one. A limit on the delta must leave room for the next put, which is as near to the market.
    "rolls": Style(
        *(0.1, 0.95, 0.2, 0.05),
        losses=(0.05, 0.5),
        deltas=(0.45, 0.6),
        window=14,
        late=0,
        minutes=(0, 1, 30),
        pins=(0.0, 0.0, 0.01),
        rung_seconds=(30, 120),
        entry_seconds=(1200, 3600),
        distances=(0.002, 0.02),
        widths=(0.03, 0.08),
        risks_usd=(1000.0, 5000.0),
        roll_credits_usd=(0.01, 0.15, 0.3),
    ),
    "leaves": Style(0.5, 0.4, 0.4, 0.5),
}


def _settings(chance: np.random.Generator, count: int) -> SpreadSettings:
    """Rules by whim: near the market and near expiration, so that much happens within days; some let everything expire."""
    name = str(chance.choice(list(STYLES)))
    style, is_legged = STYLES[name], bool(chance.random() < 0.25)
    least, distance = int(chance.integers(1, 6)), float(chance.uniform(*style.distances))
    return SpreadSettings(
        **TAKES_ALL,
        max_contracts=int(chance.integers(1, 4)),
        max_risk_usd=float(chance.choice(style.risks_usd)),
        max_positions=count,
        min_days=least,
        max_days=least + style.window,
        target_days=least + int(chance.integers(0, style.late + 1)),
        short_distance_fraction=distance,
        long_distance_fraction=distance + float(chance.uniform(*style.widths)),
        min_bid_usd=float(chance.choice([0.0, 0.02])),
        profit_fraction=_some(chance, style.profit, 0.3, 0.9),
        loss_multiple=_some(chance, style.loss, *style.losses),
        exit_days=int(chance.integers(0, 3)) if name == "leaves" and chance.random() < 0.5 else None,
        breach_delta=_some(chance, style.breach, *style.deltas),
        exits_through_strike=bool(chance.random() < style.through),
        expiry_exit_minutes=int(chance.choice(style.minutes)),
        let_expire_above_fraction=_some(chance, 0.4, 0.001, 0.03),
        pin_fraction=float(chance.choice(style.pins)),
        rolls=name == "rolls",
        min_roll_credit_usd=float(chance.choice(style.roll_credits_usd)),
        # With one step an order stays at the middle, where nothing trades.
        rungs=int(chance.choice([1, 2, 2, 2, 3, 3, 3, 4, 4, 5])),
        rung_seconds=int(chance.choice(style.rung_seconds)),
        entry_seconds=int(chance.choice(style.entry_seconds)),
        floor_fraction=float(chance.uniform(0.1, 0.6)),
        entry="legged" if is_legged else "atomic",
        keeps_long=is_legged and bool(chance.random() < 0.5),
    )


def _some(chance: np.random.Generator, likely: float, lowest: float, highest: float) -> float | None:
    value = float(chance.uniform(lowest, highest))
    return value if chance.random() < likely else None
