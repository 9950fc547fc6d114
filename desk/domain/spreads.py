"""Bull put spreads as the desk keeps them: what was decided, the rules that end it, and what is held of it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from desk.domain.options import CONTRACT_SHARES
from desk.domain.orders import GroupRole, OrderSpec, OrderStatus

ZERO = Decimal(0)


class SpreadPhase(StrEnum):
    """Where a spread is in its life."""

    ENTERING = "entering"
    OPEN = "open"
    CLOSING = "closing"
    ROLLING = "rolling"
    REPAIRING = "repairing"
    CLOSED = "closed"


class Turn(StrEnum):
    """What takes a spread from one phase to the next."""

    FILLED = "filled"  # all that was wanted is there
    ENTRY_OVER = "entry_over"  # the entry ended before that
    LEAVE = "leave"
    ROLL = "roll"
    ROLL_OVER = "roll_over"
    ASSIGNED = "assigned"  # shares are there instead of contracts
    FLAT = "flat"
    BACK = "back"  # of a closed one something is there after all


class Settlement(StrEnum):
    """What became of contracts without an order."""

    ASSIGNED = "assigned"
    EXERCISED = "exercised"
    EXPIRED = "expired"
    TRADED = "traded"  # by an order that is not the desk's: a person's, or the broker's own before the last close


class Manner(StrEnum):
    """How both legs come to be: in one order, or one after the other, the protection first."""

    ATOMIC = "atomic"
    LEGGED = "legged"


@dataclass(frozen=True, slots=True)
class SpreadRules:
    """How a spread is entered and left. Fractions and multiples are of the credit received, seconds of the market's time.

    Left when `profit_fraction` of the credit is earned, when closing costs the credit and `loss_multiple` of it more, from
    `exit_days` before expiration on, when the sold put's delta is beyond `breach_delta`, when the underlying is through the
    sold strike, `expiry_exit_minutes` before the last close, before an ex-dividend day while in the money, and from `pin_days`
    before expiration on within `pin_fraction` of the sold strike. With `is_rolled` a loss or a breach is first tried to be
    moved out (and down) for a credit. With `let_expire_above_fraction` a spread whose underlying is that far above the sold
    strike in the last hours is left to expire. None switches a rule off.

    An entry goes from the middle to the natural price in `rungs` steps of `rung_seconds`, never below `floor_fraction` of the
    middle's credit, and is given up after `entry_seconds`. `keeps_long` says of a legged entry whose second half fails that
    the bought put stays until the spread is left; else it is sold at once.
    """

    profit_fraction: float | None = 0.5
    loss_multiple: float | None = 2.0
    exit_days: int | None = 21
    breach_delta: float | None = 0.45
    exits_through_strike: bool = True
    expiry_exit_minutes: int = 90
    let_expire_above_fraction: float | None = None
    pin_days: int = 1
    pin_fraction: float = 0.01
    is_rolled: bool = False
    rungs: int = 5
    rung_seconds: int = 10
    entry_seconds: int = 120
    floor_fraction: float = 0.7
    keeps_long: bool = False


@dataclass(frozen=True, slots=True)
class SpreadPlan:
    """A spread as it was decided. `short` and `long` are the contracts sold and bought, `credit` and `floor` dollars a share:
    what the middle of the quotes paid, and the least that is taken; of a spread that another one rolls into, `floor` is the least
    that the whole roll brings. `key` is unique for ever; `rolled_from` is the key of the
    spread that this one takes the place of.
    """

    key: str
    underlying: str
    short: str
    long: str
    contracts: int
    credit: Decimal
    floor: Decimal
    rules: SpreadRules
    reason: str
    decided_at: datetime
    manner: Manner = Manner.ATOMIC
    score: float | None = None
    confidence: float | None = None
    rolled_from: str | None = None


@dataclass(frozen=True, slots=True)
class Working:
    """An order that a spread has at the broker, sent in `phase`. Over when each of its members is known to have ended; it was
    asked to `asks` times, last at `cancel_asked_at`."""

    spec: OrderSpec
    sent_at: datetime
    phase: SpreadPhase
    statuses: Mapping[GroupRole, OrderStatus] = field(default_factory=lambda: MappingProxyType({}))
    cancel_asked_at: datetime | None = None
    asks: int = 0

    @property
    def is_over(self) -> bool:
        return self.spec.is_over(self.statuses)


@dataclass(frozen=True, slots=True)
class LostSale:
    """An order of one leg that would sell `contracts` and was given up as never sent; it may come after all before `until`."""

    key: str
    symbol: str
    contracts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Spread:
    """One spread's life so far. `short` counts contracts sold and owed, `long` contracts bought and held, `stock` shares that an
    assignment brought; none of them counts what an order may still do.

    `cash_usd` is all that fills and settlements paid less all that they took, `credit_usd` what its entry alone brought. `sold`
    counts the contracts that were ever sold to open. `working` are its orders at the broker: one, or more when one that was taken
    for lost came after all; `coming` are the keys of those that another spread has there and that change this one too. `lost` are
    sales that were given up. `rung` is the step of the present ladder, `orders` counts orders sent, and `refused` says what the
    broker did not take, after which single legs go on the grid of their class, `refusals` how often in a row; nothing is asked
    again before `retry_at`. `settled` are the broker's activities that are booked, `inferred` contracts by symbol and kind whose
    end was booked from the positions and is not confirmed yet.
    """

    plan: SpreadPlan
    since: datetime
    phase: SpreadPhase = SpreadPhase.ENTERING
    why: str = ""
    working: tuple[Working, ...] = ()
    coming: tuple[str, ...] = ()
    lost: tuple[LostSale, ...] = ()
    short: int = 0
    long: int = 0
    stock: int = 0
    sold: int = 0
    cash_usd: Decimal = ZERO
    credit_usd: Decimal = ZERO
    rung: int = 0
    orders: int = 0
    refused: str = ""
    refusals: int = 0
    retry_at: datetime | None = None
    settled: frozenset[str] = frozenset()
    inferred: Mapping[tuple[str, Settlement], int] = field(default_factory=lambda: MappingProxyType({}))
    opened_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def key(self) -> str:
        return self.plan.key

    @property
    def is_closed(self) -> bool:
        return self.phase is SpreadPhase.CLOSED

    @property
    def is_complete(self) -> bool:
        """All that was wanted is there, or more, and nothing is on its way."""
        return not (self.working or self.coming) and min(self.short, self.long) >= self.plan.contracts

    @property
    def is_flat(self) -> bool:
        """Nothing held, and no order that could change that."""
        return not (self.working or self.coming or self.short or self.long or self.stock)

    @property
    def naked(self) -> int:
        """Contracts owed without their protection."""
        return max(0, self.short - self.long)

    def owed(self, now: datetime) -> int:
        """Contracts sold, as many as it may be: those of sales that were given up and may come after all counted in."""
        return max(0, self.short) + self._lost(self.plan.short, now)

    def spare(self, now: datetime) -> int:
        """Bought contracts that may be sold: those that protect nothing, even if each sale that was given up comes after all."""
        owed = self.owed(now)
        # Where nothing is owed the broker sells no more than there is.
        return max(0, self.long - owed - self._lost(self.plan.long, now)) if owed else self.long

    def _lost(self, symbol: str, now: datetime) -> int:
        return sum(sale.contracts for sale in self.lost if sale.symbol == symbol and now < sale.until)

    @property
    def credit(self) -> Decimal | None:
        """What a share of it brought on average, in dollars; None before the first fill."""
        return self.credit_usd / (self.sold * CONTRACT_SHARES) if self.sold else None

    def contracts(self) -> dict[str, int]:
        """Signed positions by symbol, shares of the underlying among them, those of nothing left out."""
        held = {self.plan.short: -self.short, self.plan.long: self.long, self.plan.underlying: self.stock}
        return {symbol: count for symbol, count in held.items() if count}


# ---- what the journal keeps of them ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpreadOpened:
    """A spread was decided; its orders follow."""

    plan: SpreadPlan


@dataclass(frozen=True, slots=True)
class SpreadTurned:
    """A spread goes another way from here on, for `reason`."""

    key: str
    turn: Turn
    reason: str


@dataclass(frozen=True, slots=True)
class SpreadSettled:
    """`contracts` of `symbol` ended by `kind`; `shares` came (or went, below zero) for them at the strike, `price` dollars each.

    `cash_usd` is what contracts that deliver no shares, an index's, paid (or took, below zero). Without contracts, `shares` of
    the underlying were traded by somebody else's order, `price` dollars each; without either the activity is only noted.

    `activity` is the broker's id for it, which counts once; of what was seen in the positions alone, before the broker told of
    it, it begins with `desk.core.spread_life.SEEN`.
    """

    key: str
    symbol: str
    kind: Settlement
    contracts: int
    shares: int
    price: Decimal
    activity: str
    cash_usd: Decimal = ZERO
