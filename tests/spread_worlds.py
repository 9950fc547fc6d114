"""What a desk and a broker have of one option spread, or of two of which one rolls into the other, as one value: a world."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

from desk.core.spread_book import COMES_WITHIN, SpreadBook
from desk.domain.options import OptionQuote
from desk.domain.orders import TERMINAL, GroupRole, OrderSpec, OrderStatus, PositionIntent
from desk.domain.spreads import Manner, Spread, SpreadOpened, SpreadPhase, SpreadPlan, SpreadRules, SpreadSettled

START = datetime(2026, 1, 5, 15, tzinfo=UTC)
SHORT, LONG = "SPY260116P00100000", "SPY260116P00095000"
SHORT_2, LONG_2 = "SPY260220P00098000", "SPY260220P00093000"
SHARES = "SPY"
FIRST, SECOND = "one", "two"
PAIRS = {FIRST: (SHORT, LONG), SECOND: (SHORT_2, LONG_2)}
STRIKES = {SHORT: Decimal(100), LONG: Decimal(95)}
S, PHASES = OrderStatus, SpreadPhase
CLOSES = (PositionIntent.BUY_TO_CLOSE, PositionIntent.SELL_TO_CLOSE)
# Longer than any wait between two tries; longer than an entry may last, and than a lost order takes to come.
TICK, LATE = timedelta(minutes=6), COMES_WITHIN + timedelta(hours=1)


def _quotes(**bids: str) -> dict[str, OptionQuote]:
    names = {"short": SHORT, "long": LONG, "short_2": SHORT_2, "long_2": LONG_2}
    asks = {name: Decimal(bid) + Decimal("0.20") for name, bid in bids.items()}
    return {names[name]: OptionQuote(names[name], Decimal(bid), asks[name], START) for name, bid in bids.items()}


GOOD = _quotes(short="2.00", long="0.90", short_2="2.60", long_2="1.00")
POOR = _quotes(short="1.20", long="0.90", short_2="1.20", long_2="1.00")
NO_BID = _quotes(short="2.00", long="0", short_2="2.60", long_2="0")
MARKETS: tuple[Mapping[str, OptionQuote], ...] = (GOOD, POOR, NO_BID, {})


def plan(
    contracts: int,
    manner: Manner = Manner.ATOMIC,
    *,
    keeps_long: bool = False,
    rungs: int = 2,
    is_rolled: bool = False,
    key: str = FIRST,
    decided_at: datetime = START,
) -> SpreadPlan:
    rules = SpreadRules(rungs=rungs, rung_seconds=60, entry_seconds=12 * 3600, keeps_long=keeps_long, is_rolled=is_rolled)
    rolled_from, floor = (None, Decimal("0.80")) if key == FIRST else (FIRST, Decimal("0.10"))
    short, long = PAIRS[key]
    return SpreadPlan(
        key, SHARES, short, long, contracts, Decimal("1.10"), floor, rules, "", decided_at, manner, rolled_from=rolled_from
    )


class Kept:
    """A value that is changed into another much more often than it is looked at, and keeps what was worked out of it."""

    kept: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Self:
        """As `dataclasses.replace`, in a fraction of the time: a walk does little else."""
        there = object.__new__(type(self))
        there.__dict__.update(self.__dict__, **changes)
        for name in self.kept:
            there.__dict__.pop(name, None)
        return there


@dataclass(frozen=True)
class AtBroker(Kept):
    """An order as the broker has it. `told` is what the desk was told of each member: its status and units filled."""

    spec: OrderSpec
    status: OrderStatus = S.WORKING
    filled: int = 0
    is_cancel_asked: bool = False
    told: Mapping[GroupRole, tuple[OrderStatus, int]] = field(default_factory=lambda: MappingProxyType({}))

    kept = ("untold", "shape")

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @property
    def left(self) -> int:
        return 0 if self.is_over else self.spec.quantity - self.filled

    @cached_property
    def untold(self) -> tuple[GroupRole, ...]:
        last = (self.status, self.filled)
        return tuple(role for role in self.spec.roles if self.told.get(role) != last)

    @cached_property
    def shape(self) -> Hashable:
        """Members that live are alike, told of or not, and so are orders that ended without filling."""
        untold = self.untold if self.is_over else ()
        told = tuple((role in untold, self.told.get(role, ("", 0))[1]) for role in self.spec.roles)
        end = self.status if self.status is S.FILLED or not self.is_over else S.CANCELED
        return (shape_of(self.spec), end, self.filled, self.is_cancel_asked and not self.is_over, told)

    def closing(self, symbol: str) -> int:
        """Contracts of a position that are set aside for it."""
        if self.spec.position_intent in CLOSES and self.spec.symbol == symbol:
            return self.left
        return self.left if any(leg.symbol == symbol and leg.intent in CLOSES for leg in self.spec.legs) else 0


def shape_of(spec: OrderSpec) -> tuple[Hashable, ...]:
    intent = spec.legs[0].intent if spec.legs else spec.position_intent or ""
    return (spec.symbol, spec.quantity, spec.side, len(spec.legs), intent)


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """A message that has not arrived; the desk gave it up at `given_up_at`."""

    spec: OrderSpec
    given_up_at: datetime | None = None

    def may_come(self, now: datetime) -> bool:
        return self.given_up_at is None or now < self.given_up_at + COMES_WITHIN


@dataclass(frozen=True, slots=True)
class Ended:
    """Contracts that ended without an order, of which the account's activities will tell; `is_seen` in the positions before."""

    said: SpreadSettled
    is_seen: bool = False


@dataclass(frozen=True)
class World(Kept):
    """`held` are the broker's positions, `cash_usd` what trades and settlements there came to.

    Of what may go wrong from here on: `may_lose` messages of orders with `loses_from` legs at least are lost, and `may_assign`
    early assignments happen; `may_sell` times somebody else sells shares of them, or buys short ones back. Unless it
    `may_refuse`, the broker takes whatever it can; unless it `may_close`, the market is open.
    """

    book: SpreadBook
    now: datetime = START
    is_open: bool = True
    has_ended: bool = False
    held: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    cash_usd: Decimal = Decimal(0)
    orders: tuple[AtBroker, ...] = ()
    on_the_way: tuple[OnTheWay, ...] = ()
    ended: tuple[Ended, ...] = ()
    may_refuse: bool = True
    may_lose: int = 1
    loses_from: int = 0
    may_assign: int = 1
    may_expire: bool = True
    may_close: bool = True
    may_sell: int = 0
    has_lost: bool = False

    def of(self, symbol: str) -> int:
        return self.held.get(symbol, 0)

    def but(self, **changes: Any) -> World:
        there = super().but(**changes)
        if "book" in changes:
            there.__dict__.pop("spreads", None)
        return there

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        found = {key: self.book.spread(key) for key in PAIRS}
        return {key: spread for key, spread in found.items() if spread is not None}

    @property
    def is_told(self) -> bool:
        """Whether the desk knows all that happened."""
        return not (
            self.ended or any(order.untold for order in self.orders) or any(not each.given_up_at for each in self.on_the_way)
        )

    @property
    def is_flat(self) -> bool:
        is_over = all(spread.is_closed for spread in self.spreads.values())
        return is_over and not (any(self.held.values()) or self.orders or self.on_the_way or self.ended)


def begin(*plans: SpreadPlan, **chances: int | bool) -> World:
    book = SpreadBook()
    for each in plans:
        book = book.opened(SpreadOpened(each))
    return World(book).but(**chances)


@dataclass(frozen=True, slots=True)
class Change:
    """What leads from one world to another; `is_good` when a broker, a market and a network that do their work lead there."""

    name: str
    world: World
    is_good: bool = True
