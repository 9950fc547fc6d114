"""A finished run as plain values: what the summary, the JSON and the pictures are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from desk.domain.market import DailyBars


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Portfolio value in dollars at a moment (aware, UTC)."""

    at: datetime
    equity_usd: float
    cash_usd: float


@dataclass(frozen=True, slots=True)
class Trip:
    """One trade from entry to exit; the exit fields are None while it is open. Prices in dollars, fees included in pnl_usd."""

    symbol: str
    shares: int
    entry_at: datetime
    entry_price: float
    stop_price: float
    target_price: float
    confidence: float | None = None
    exit_at: datetime | None = None
    exit_price: float | None = None
    exit_reason: str | None = None  # "target", "stop", "time", "trim", "hand"
    pnl_usd: float | None = None
    gapped: bool = False  # a stop that filled below its price because the market opened through it
    is_protected: bool = False  # while open: exits at the broker cover every share

    @property
    def is_open(self) -> bool:
        return self.exit_at is None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One denied trade, as journaled; `reason` is a code: `desk.domain.decisions.Reason`, `options.refusals.RefusalCode`."""

    at: datetime
    symbol: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class SpreadTrip:
    """One bull put spread from its first fill to its end; what comes with the end is None while it is open.

    `short` and `long` are the contracts sold and bought, strikes and `credit` in dollars a share, `contracts` how many were sold:
    none of one whose bought put came and went alone. `credit_usd` is what the entry brought, `debit_usd` all that came after it
    took, `fees_usd` what the run knows of fees, `pnl_usd` all the cash of it together.
    """

    key: str
    underlying: str
    short: str
    long: str
    short_strike: float
    long_strike: float
    expiration: date
    contracts: int
    opened_at: datetime
    credit: float
    credit_usd: float
    phase: str
    closed_at: datetime | None = None
    debit_usd: float | None = None
    fees_usd: float = 0.0
    pnl_usd: float | None = None
    exit_reason: str | None = None

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a run's summary and report show.

    `daily` holds the completed daily bars of each traded symbol over (at least) the run's days, for its pictures.
    `notes` are lines that must stand beside the figures: derived instruments, adjusted prices, why this period.
    """

    strategy: str
    broker: str
    source: str
    seed: int | None
    first_session: date | None
    last_session: date | None
    sessions: int
    iterations: int
    equity: tuple[EquityPoint, ...]
    trips: tuple[Trip, ...]
    refusals: tuple[Refusal, ...]
    daily: Mapping[str, DailyBars]
    gate_threshold: float | None
    gate_refusals: int  # entries that the confidence gate refuses, or would have refused when it only reports
    gate_enforced: bool
    unprotected_share_seconds: float  # not a number when nobody measured them, as in a backtest
    costs_usd: float = 0.0
    spread_costs_usd: float = 0.0  # of them, what option spreads cost
    entries: int = 0  # entry orders sent, filled or not
    notes: tuple[str, ...] = ()
    spreads: tuple[SpreadTrip, ...] = ()  # by their opening
