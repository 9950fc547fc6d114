"""A schedule: everything that goes wrong in one run, drawn from its seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from crash.made_market import DAYS, SYMBOLS
from desk.data import calendars
from desk.exchange.faults.plan import FaultKind

Json = dict[str, Any]

# Iterations: five minutes after the opening, then every 65 minutes, so that six fit in a session.
FIRST_MINUTES, INTERVAL_MINUTES, PER_SESSION = 5, 65, 6
ITERATIONS = (3, 7)
# The guardian ends a half-filled entry after 20 seconds, a sale that hangs likewise; a minute more for what the broker takes.
BOUND_SECONDS = 100.0
# Sessions of prices before the first that is traded, and after the last.
LEAD_SESSIONS, TAIL_SESSIONS = 5, 4
# The life that is measured has nothing to trade; one that has takes longer.
LONGEST_FRACTION = 2.5
ROW_KINDS = ("submit", "replace", "cancel", "acknowledged", "event", "heard", "iteration", "run_started", "refused", "link")


@dataclass(frozen=True, slots=True)
class Doom:
    """When a life of the desk ends. `means` is what is counted: a journal `row` of the kind `what`, a request `sent` with the
    method `what`, a stream message `told`; the `nth` kills, `before` it is done or right after. An `instant` kills `seconds`
    of real time after the life began."""

    means: str
    what: str = ""
    nth: int = 1
    before: bool = True
    fraction: float = 0.0

    @property
    def label(self) -> str:
        if self.means == "instant":
            return "at a random instant"
        return f"{'before' if self.before else 'after'} {self.means} {self.what}".strip()


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run. `moments` are the iterations (aware, UTC), `faults` what is switched on at the exchange before the first,
    `dooms` one for each life but the last, `pauses_minutes` of virtual time after each of them; at `clear_before` that life
    begins with every fault cleared that is on. `ends_flat`: whether the positions are closed at the end."""

    seed: int
    start: date
    moments: tuple[datetime, ...]
    partial_fill_probability: float
    latency: str
    faults: tuple[Json, ...]
    dooms: tuple[Doom, ...]
    pauses_minutes: tuple[int, ...]
    clear_before: int
    ends_flat: bool


def drawn(seed: int) -> Schedule:
    """The schedule of `seed`, always the same."""
    chance = np.random.default_rng([seed, 1])
    first = int(chance.integers(LEAD_SESSIONS, len(DAYS) - TAIL_SESSIONS - 2))
    moments = tuple(moment for day in DAYS[first : first + 2] for moment in _moments(day))
    begin = int(chance.integers(0, PER_SESSION))
    moments = moments[begin : begin + int(chance.integers(*ITERATIONS))]
    lives = int(chance.integers(1, 5))
    return Schedule(
        seed=seed,
        start=DAYS[first],
        moments=_hurried(seed, moments),
        partial_fill_probability=float(chance.choice([0.1, 0.5, 0.9])),
        latency=str(chance.choice(["zero", "measured"])),
        faults=tuple(fault(chance, moments) for _ in range(int(chance.integers(0, 5)))),
        dooms=tuple(doom(chance) for _ in range(lives)),
        pauses_minutes=tuple(int(chance.choice([0, 0, 1, 10, 45, 90])) for _ in range(lives)),
        clear_before=int(chance.integers(1, lives + 2)),
        ends_flat=bool(chance.random() < 0.5),
    )


def _moments(day: date) -> list[datetime]:
    session = calendars.session_on(day)
    assert session is not None
    minutes = [FIRST_MINUTES + number * INTERVAL_MINUTES for number in range(PER_SESSION)]
    return [moment for count in minutes if (moment := session.opens_at + timedelta(minutes=count)) < session.closes_at]


def _hurried(seed: int, moments: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """In some schedules the desk looks again within seconds of an iteration: it finds entries that still rest, and ends them."""
    chance = np.random.default_rng([seed, 3])
    if chance.random() < 0.6:
        return moments
    again = [moment + timedelta(seconds=float(chance.uniform(0.5, 40.0))) for moment in moments if chance.random() < 0.7]
    return tuple(sorted([*moments, *again]))


def doom(chance: np.random.Generator, row_kinds: Sequence[str] = ROW_KINDS) -> Doom:
    """The end of a life; `row_kinds` are the kinds of rows at which one may come."""
    means = str(chance.choice(["row", "row", "row", "sent", "told", "instant", "instant"]))
    before = bool(chance.random() < 0.5)
    if means == "instant":
        return Doom(means, fraction=float(chance.uniform(0.0, LONGEST_FRACTION)))
    if means == "row":
        return Doom(means, str(chance.choice(row_kinds)), int(chance.geometric(0.3)), before)
    if means == "sent":
        method, least = [("POST", 0.15), ("PATCH", 0.5), ("DELETE", 0.4), ("GET", 0.1)][int(chance.integers(4))]
        return Doom(means, method, int(chance.geometric(least)), before)
    return Doom(means, nth=int(chance.geometric(0.15)), before=before)


def fault(chance: np.random.Generator, moments: Sequence[datetime]) -> Json:
    """A fault around one of `moments`."""
    kind = FaultKind(str(chance.choice([each.value for each in FaultKind])))
    first, more = int(chance.integers(0, len(moments))), int(chance.integers(0, 3))
    # From just before an iteration until after it or one of the next: between iterations little can go wrong.
    began = moments[first] - timedelta(seconds=float(chance.uniform(0, 120)))
    ended = moments[min(first + more, len(moments) - 1)] + timedelta(minutes=float(chance.uniform(1, 50)))
    window: Json = {"since": began.isoformat(), "until": ended.isoformat()}
    return {"kind": kind.value, "when": {**window, **_when(chance, kind)}, **_parameters(chance, kind)}


# Real time passes at these, so they happen a few times only.
_SLOW = {FaultKind.HANG: 3, FaultKind.SLOW: 4, FaultKind.LATE_EVENT: 6}
_REQUESTS: tuple[Json, ...] = (
    {"method": "POST", "path": "/v2/orders"},
    {"method": "PATCH", "path": "/v2/orders/*"},
    {"method": "DELETE", "path": "/v2/orders/*"},
    {"path": "/v2/orders*"},
    {"method": "GET", "path": "/v2/orders*"},
    {},
)
_ON_REQUESTS = frozenset(
    {
        FaultKind.RATE_LIMIT,
        FaultKind.SERVER_ERROR,
        FaultKind.HANG,
        FaultKind.SLOW,
        FaultKind.RESET,
        FaultKind.TIMEOUT_AFTER_TAKEN,
    }
)
_EVENTS = ("fill", "partial_fill", "canceled", "new", None, None)


def _when(chance: np.random.Generator, kind: FaultKind) -> Json:
    when: Json = {}
    if kind is FaultKind.CLOCK_SKEW:
        return when
    if kind is FaultKind.HALTED_SYMBOL:
        return {"symbol": str(chance.choice(SYMBOLS))}
    when["probability"] = float(chance.choice([0.2, 0.5, 1.0]))
    if kind in _ON_REQUESTS:
        when |= _REQUESTS[int(chance.integers(len(_REQUESTS)))]
    event = _EVENTS[int(chance.integers(len(_EVENTS)))]
    if event is not None and kind in _OF_EVENTS:
        when["event"] = event
    if kind in _SLOW:
        when["count"] = int(chance.integers(1, _SLOW[kind] + 1))
    return when


_OF_EVENTS = frozenset(
    {
        FaultKind.DUPLICATE_EVENT,
        FaultKind.LATE_EVENT,
        FaultKind.REORDERED_EVENT,
        FaultKind.LOST_EVENT,
        FaultKind.DROPPED_STREAM,
    }
)


def _parameters(chance: np.random.Generator, kind: FaultKind) -> Mapping[str, object]:
    taken, leg = bool(chance.random() < 0.5), str(chance.choice(["take_profit", "stop_loss"]))
    status, behind = int(chance.choice([500, 502, 503])), int(chance.integers(1, 4))
    seconds, fraction = float(chance.uniform(0.05, 0.6)), float(np.round(chance.uniform(0.1, 0.9), 2))
    every: Mapping[FaultKind, Mapping[str, object]] = {
        FaultKind.RATE_LIMIT: {"with_headers": taken},
        FaultKind.SERVER_ERROR: {"status": status, "taken": taken},
        FaultKind.HANG: {"taken": taken},
        FaultKind.SLOW: {"seconds": seconds, "taken": taken},
        FaultKind.RESET: {"taken": taken},
        FaultKind.CLOCK_SKEW: {"seconds": 600 * (seconds - 0.3)},
        FaultKind.STUCK_PENDING_CANCEL: {"seconds": 3000 * seconds} if taken else {},
        FaultKind.REJECTED_AFTER_ACCEPTED: {"seconds": 10 * seconds},
        FaultKind.PARTIAL_FILL: {"fraction": fraction, **({"leg": leg} if taken else {})},
        FaultKind.LEG_STUCK_HELD: {"leg": leg},
        FaultKind.LATE_EVENT: {"seconds": seconds},
        FaultKind.REORDERED_EVENT: {"behind": behind},
        FaultKind.DROPPED_STREAM: {"delivered": taken},
    }
    return every.get(kind, {})
