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
SESSIONS, OPENINGS, SPREADS = (3, 10), (2, 5), (2, 7)
# Sessions that prices must go on for after the first: the longest window, a roll out of it, and what settles after that.
TAIL_SESSIONS = 25
# The client waits in real time after these.
MOST_HITS = {"rate_limit": 3, "server_error": 12, "reset": 12, "timeout_after_taken": 6}
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


@dataclass(frozen=True, slots=True)
class Assignment:
    """At `at` the holder of a sold put exercises: `which` and `part` from 0 to 1 choose the position and how much of it."""

    at: datetime
    which: float
    part: float


@dataclass(frozen=True, slots=True)
class SpreadSchedule(Schedule):
    """One run with spreads. They are opened at the moments up to `opens_until`, on `symbols`, one on each at a time."""

    spreads: SpreadSettings
    symbols: tuple[str, ...]
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
    assignments = tuple(_assignment(chance, days) for _ in range(int(chance.choice([0, 0, 1, 2, 3]))))
    count = int(chance.integers(*SPREADS))
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
        dooms=tuple(_doom(chance) for _ in range(lives)),
        pauses_minutes=tuple(int(chance.choice([0, 0, 1, 10, 90, 400, 1500])) for _ in range(lives)),
        clear_before=int(chance.integers(1, lives + 2)),
        ends_flat=False,
        spreads=_settings(np.random.default_rng([seed, 12]), count),
        symbols=tuple(str(each) for each in chance.choice(SYMBOLS, count, replace=False)),
        opens_until=opens_until,
        assignments=assignments,
        cash_usd=float(chance.choice([5_000.0, 1_000_000.0, 1_000_000.0])),
        multiplier=int(chance.choice([1, 1, 4])),
        with_fees=bool(chance.random() < 0.5),
    )


def _doom(chance: np.random.Generator) -> Doom:
    """The life that is measured is a whole one here."""
    found = doom(chance, ROW_KINDS)
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


def _settings(chance: np.random.Generator, count: int) -> SpreadSettings:
    """Rules by whim: near the market and near expiration, so that much happens within days; some let everything expire."""
    least = int(chance.integers(1, 6))
    distance = float(chance.uniform(0.005, 0.03))
    style = str(chance.choice(["expires", "expires", "rolls", "rolls", "leaves", "leaves"]))
    # What is rolled early, out of a few days and into more of them, brings a credit that trades.
    rolls = style == "rolls"
    is_legged = bool(chance.random() < 0.25)
    chances = {"expires": (0.0, 0.0, 0.1, 0.0), "rolls": (0.1, 0.8, 0.8, 0.1), "leaves": (0.5, 0.4, 0.4, 0.5)}
    gain, loss, breach, through = chances[style]
    minutes = [0, 0, 1] if style == "expires" else [0, 1, 30, 90, 240]
    return SpreadSettings(
        **TAKES_ALL,
        max_contracts=int(chance.integers(1, 4)),
        max_risk_usd=float(chance.choice([300.0, 1000.0, 5000.0])),
        max_positions=count,
        min_days=least,
        max_days=12 if rolls else least + 7,
        target_days=least + (0 if rolls else int(chance.integers(0, 8))),
        short_distance_fraction=distance,
        long_distance_fraction=distance + float(chance.uniform(0.01, 0.05)),
        min_bid_usd=float(chance.choice([0.0, 0.02])),
        profit_fraction=_some(chance, gain, 0.3, 0.9),
        loss_multiple=_some(chance, loss, 0.1, 0.4 if rolls else 2.0),
        exit_days=int(chance.integers(0, 3)) if style == "leaves" and chance.random() < 0.5 else None,
        breach_delta=_some(chance, breach, 0.2, 0.35 if rolls else 0.7),
        exits_through_strike=bool(chance.random() < through),
        expiry_exit_minutes=int(chance.choice(minutes)),
        let_expire_above_fraction=_some(chance, 0.4, 0.001, 0.03),
        pin_fraction=0.0 if style == "expires" else float(chance.choice([0.0, 0.01, 0.03])),
        rolls=rolls,
        min_roll_credit_usd=0.01,
        rungs=int(chance.integers(1, 6)),
        rung_seconds=int(chance.choice([60, 600] if rolls else [20, 60])),
        entry_seconds=int(chance.choice([1200, 3600] if rolls else [120, 600, 1200])),
        floor_fraction=float(chance.uniform(0.1, 0.7)),
        entry="legged" if is_legged else "atomic",
        keeps_long=is_legged and bool(chance.random() < 0.5),
    )


def _some(chance: np.random.Generator, likely: float, lowest: float, highest: float) -> float | None:
    value = float(chance.uniform(lowest, highest))
    return value if chance.random() < likely else None
