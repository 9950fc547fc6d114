"""The values that travel down the corridor: signal, target, intent, and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Direction(StrEnum):
    LONG = "long"
    FLAT = "flat"


@dataclass(frozen=True, slots=True)
class Signal:
    """What the strategy thinks of a symbol; `confidence` in [0, 1] or None when no model speaks; `reason` is for people."""

    symbol: str
    direction: Direction
    reason: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    count: int


@dataclass(frozen=True, slots=True)
class Weight:
    """Share of the portfolio's equity, 0.15 for 15 %."""

    fraction: float


@dataclass(frozen=True, slots=True)
class FixedExit:
    """Exits at fixed fractions of the entry limit: 0.05 is a stop 5 % below, 0.15 a target 15 % above.

    The stop only ever rises: to the entry price once the gain reached `break_even_after_fraction`, and to `trail_fraction`
    below the market. After `time_barrier_sessions` completed sessions, the entry's included, the position is left. None: not.
    """

    stop_loss_fraction: float
    take_profit_fraction: float
    break_even_after_fraction: float | None = None
    trail_fraction: float | None = None
    time_barrier_sessions: int | None = None


@dataclass(frozen=True, slots=True)
class AtrExit:
    """Exits at multiples of the average true range of `length` completed daily bars, fixed when the entry is decided.

    The parts that may be None are those of `FixedExit`, as multiples.
    """

    stop_multiple: float
    target_multiple: float
    length: int = 14
    break_even_after_multiple: float | None = None
    trail_multiple: float | None = None
    time_barrier_sessions: int | None = None


ExitRule = FixedExit | AtrExit


@dataclass(frozen=True, slots=True)
class Target:
    """The position wanted in a symbol, with the exit rule that protects it.

    One that `is_exact` is gone to whatever the tolerance for what is held: somebody enters or leaves, and nothing has drifted.
    """

    symbol: str
    amount: Shares | Weight
    exit_rule: ExitRule
    reason: str
    confidence: float | None = None
    is_exact: bool = False


class IntentKind(StrEnum):
    OPEN = "open"
    ADD = "add"
    REDUCE = "reduce"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Intent:
    """A change of one position in whole shares (always positive; the kind says the direction).

    `price` is the limit in dollars a share, `reference_price` the last price when the decision was taken. `trade` is the key of
    the one trade that a CLOSE means, None for all of the symbol.
    """

    kind: IntentKind
    symbol: str
    quantity: int
    price: float
    exit_rule: FixedExit
    reason: str
    confidence: float | None = None
    reference_price: float | None = None
    trade: str | None = None


class Reason(StrEnum):
    """Why a trade was refused; these codes stand in the journal and in the summary."""

    HALTED = "HALTED"
    REDUCING = "REDUCING"
    MAX_POSITION = "MAX_POSITION"
    CASH = "CASH"
    ZERO_SHARES = "ZERO_SHARES"
    EXITED_TODAY = "EXITED_TODAY"
    ALREADY_WORKING = "ALREADY_WORKING"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    NO_PRICE = "NO_PRICE"
    FOREIGN_POSITION = "FOREIGN_POSITION"
    SHARES_GONE = "SHARES_GONE"
    BELOW_TICK = "BELOW_TICK"
    BAD_TARGET = "BAD_TARGET"
    MAX_INVERSE = "MAX_INVERSE"
    WITHIN_BAND = "WITHIN_BAND"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    TURNOVER = "TURNOVER"
    SPREAD = "SPREAD"


@dataclass(frozen=True, slots=True)
class Approved:
    """An intent that passed review; only `desk.core.review` makes these, and protect takes nothing else."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Denied:
    """A refused trade: journaled with its code, told to the person, never an exception."""

    symbol: str
    reason: Reason
    text: str
    detail: Mapping[str, object] = field(default_factory=dict)


class Mode(StrEnum):
    """Tightens by itself from left to right; loosens only by a person's command."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"
