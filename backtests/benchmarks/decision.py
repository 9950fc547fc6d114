"""One decision under measurement, the network apart: from a market that was looked at to a journal that has everything.

A book of bracketed positions is looked after by the combined strategy, hedge included. At every iteration it adds to some of them
and sells what the iteration before has added, so that each step of the corridor has work: rebalance, review, protect, a synced
journal, and a gateway that acknowledges. What the broker then tells of fills comes between the iterations and is not counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from types import MappingProxyType

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import pandas as pd

from benchmarks import rules
from benchmarks.rules import Task
from desk.core.ports import Door
from desk.core.prints import Prints
from desk.core.protect import is_settled
from desk.core.upkeep import CROSSED_AT_MOST
from desk.data.calendars import session_on
from desk.data.history_feed import before
from desk.data.source import daily_bars
from desk.domain.decisions import FixedExit, Mode, Shares, Signal, Target
from desk.domain.journal import Acknowledged
from desk.domain.market import DailyBars, Market, Print, Quote
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.prices import legal_price
from desk.domain.steps import Cancel, NewOrder, Replace, Step, Submit
from desk.domain.trades import Account, Book
from desk.journal.sql import SqlJournal
from desk.runtime.build import hedge_rules, limits_of, rules_of
from desk.runtime.clock import VirtualClock
from desk.runtime.corridor import Corridor
from desk.runtime.decided import Decided
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread
from desk.runtime.strategy import Surroundings
from desk.settings.behaviour import Behaviour
from hedging.plan import HedgePlan
from strategies.combined import Combined, CombinedParameters

ITERATIONS_A_SESSION = 7
HELD_SHARES, ADDED_SHARES = 100, 10
# Names that are watched and not held, for each one that is: what is oversold among them asks the model, and there is no cash.
UNHELD_SHARE, FEWEST_UNHELD = 0.1, 3
# Positions that are added to, and as many that are reduced, in one iteration.
CHANGED_SHARE = 0.01
FREE_CASH_SHARE = 0.05
# Nothing reaches these, and the time barrier is looked at and never over.
FAR = FixedExit(0.9, 9.0, time_barrier_sessions=250)
BEHAVIOUR = Behaviour(tolerance_fraction=0.0, confidence_gate="report")
PLENTY_USD = 1e12
# The last is what the journal still writes of it when the steps are on their way: their answers, and that it is over.
PARTS = SIGNALS, HEDGE, DECIDE, REST = "signals", "hedge", "decide", "answers"


@dataclass(frozen=True)
class Decision:
    """Milliseconds of each iteration, whole and by its `PARTS`, and beside it those of one look of the guardian.

    `steps` were sent in all, and `denied` refused.
    """

    positions: int
    milliseconds: Sequence[float]
    parts: Mapping[str, Sequence[float]]
    guard: Sequence[float]
    steps: int
    denied: int


# ---- the world ---------------------------------------------------------------------------------------------------------


class Playback:
    """Markets of a seeded history, one an hour; implements `desk.core.ports.MarketFeed` and `AccountFeed`."""

    def __init__(self, task: Task, held: int, clock: VirtualClock) -> None:
        frames = dict(rules.frames(task))
        self.names = tuple(frames)
        self.held = self.names[:held]
        frames |= dict(_inverse_funds(frames))
        self._bars = {symbol: daily_bars(frame) for symbol, frame in frames.items()}
        self._clock = clock
        self._shown: dict[str, DailyBars] = {}
        self.market: Market
        self.account_now: Account

    def move_to(self, moment: datetime, session: date) -> None:
        """Have it be that moment of that session."""
        if not self._shown or next(iter(self._shown.values())).sessions[-1] != self._last_before(session):
            self._shown = {symbol: before(bars, session) for symbol, bars in self._bars.items()}
        self._clock.move_to(moment)
        quotes = {symbol: self._quote(symbol, moment) for symbol in self._bars}
        self.market = Market(moment, session, MappingProxyType(self._shown), MappingProxyType(quotes))

    def _last_before(self, session: date) -> date:
        return before(self._bars[self.names[0]], session).sessions[-1]

    def _quote(self, symbol: str, moment: datetime) -> Quote:
        bars, place = self._bars[symbol], len(self._shown[symbol])
        part = (moment.hour * 60 + moment.minute) % 390 / 390
        last = float(bars.open[place] + part * (bars.close[place] - bars.open[place]))
        return Quote(moment, round(last * 0.9999, 2), round(last * 1.0001, 2), round(last, 2))

    def take_stock(self, book: Book) -> None:
        """Have the account hold what the book holds, and little cash beside it."""
        worth_usd = sum(shares * self.market.quotes[symbol].last for symbol, shares in book.shares().items())
        cash_usd = FREE_CASH_SHARE * worth_usd
        self.account_now = Account(worth_usd + cash_usd, cash_usd, book.shares())

    def observe(self, symbols: Sequence[str]) -> Market:
        return self.market

    def account(self) -> Account:
        return self.account_now


def _inverse_funds(frames: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Bars of funds that pay the average daily return of all names, times minus one or minus three."""
    closes = pd.DataFrame({symbol: frame["close"] for symbol, frame in frames.items()})
    returns = closes.pct_change().fillna(0.0).mean(axis=1)
    for symbol, leverage in (("SH", -1.0), ("SPXS", -3.0), ("SQQQ", -3.0)):
        price = (50.0 * (1.0 + leverage * returns).cumprod()).round(2)
        yield symbol, pd.DataFrame({name: price for name in ("open", "high", "low", "close")}).assign(volume=1e6)


@dataclass
class Acknowledging:
    """A gateway that takes every message and says so at once; what becomes of it is told at `settle`."""

    door: Door
    playback: Playback
    sent: deque[Step] = field(default_factory=deque)
    specs: dict[str, OrderSpec] = field(default_factory=dict)
    fills: int = 0

    def send(self, step: Step) -> None:
        self.sent.append(step)
        roles = step.spec.roles if isinstance(step, NewOrder) else (step.role,)
        self.door.acknowledged(Acknowledged(step.key, {role.value: f"{step.key}:{role}" for role in roles}))

    def settle(self, desk: Desk) -> None:
        """Have everything that was sent come to its end."""
        while self.sent:
            step = self.sent.popleft()
            for event in self._news(step):
                self.door.order_event(event)
            desk.drain()

    def _news(self, step: Step) -> Iterator[OrderEvent]:
        if isinstance(step, Submit):
            self.specs[step.key] = step.spec
            yield from self._taken(step.spec)
        elif isinstance(step, Replace) and step.role is GroupRole.TAKE_PROFIT:
            yield self._event(step.of_key, GroupRole.TAKE_PROFIT, OrderStatus.FILLED, Side.SELL)
            yield self._event(step.of_key, GroupRole.STOP_LOSS, OrderStatus.CANCELED)
        elif isinstance(step, Cancel):
            yield self._event(step.of_key, GroupRole.TAKE_PROFIT, OrderStatus.CANCELED)
            yield self._event(step.of_key, GroupRole.STOP_LOSS, OrderStatus.CANCELED)

    def _taken(self, spec: OrderSpec) -> Iterator[OrderEvent]:
        if spec.order_class is not OrderClass.OCO:
            yield self._event(spec.key, GroupRole.ENTRY, OrderStatus.FILLED, spec.side)
        if spec.order_class is not OrderClass.SIMPLE:
            yield self._event(spec.key, GroupRole.TAKE_PROFIT, OrderStatus.WORKING)
            yield self._event(spec.key, GroupRole.STOP_LOSS, OrderStatus.HELD)

    def _event(self, key: str, role: GroupRole, status: OrderStatus, side: Side | None = None) -> OrderEvent:
        """News of a member; with a `side` it fills as a whole, at the market."""
        now, spec, fill = self.playback.market.now, self.specs[key], None
        if side is not None:
            self.fills += 1
            price = Decimal(legal_price(self.playback.market.quotes[spec.symbol].last))
            fill = Fill(f"fill-{self.fills}", key, spec.symbol, side, spec.quantity, price, now, role, spec.quantity)
        return OrderEvent(key, role, status, now, f"{key}:{role}", fill)


# ---- the desk ----------------------------------------------------------------------------------------------------------


class Busy(Combined):
    """Combined, which also adds to some positions and sells what it added at the iteration before; notes what its parts take."""

    def prepare(self) -> None:
        super().prepare()
        self.spent: dict[str, float] = {}
        self.rising: tuple[str, ...] = ()
        self.falling: tuple[str, ...] = ()

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        began = perf_counter()
        found = super().signals(market, book)
        self.spent[SIGNALS] = perf_counter() - began
        return found

    def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
        began = perf_counter()
        plan = super().hedge(market, book, equity_usd)
        self.spent[HEDGE] = perf_counter() - began
        return plan

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        more = [Target(symbol, Shares(book.shares_of(symbol) + ADDED_SHARES), FAR, "more") for symbol in self.rising]
        less = [Target(symbol, Shares(book.shares_of(symbol) - ADDED_SHARES), FAR, "less") for symbol in self.falling]
        return [*super().targets(signals, market, book), *more, *less]


class TimedDesk(Desk):
    """Notes how long it decides."""

    spent = 0.0

    def decide(self, market: Market, account: Account, targets: Sequence[Target]) -> Decided:
        began = perf_counter()
        decided = super().decide(market, account, targets)
        self.spent = perf_counter() - began
        return decided


def measure_decision(positions: int, iterations: int) -> Decision:
    """At least so many iterations over a journal in the working directory.

    Raises RuntimeError when the book is not what it should be, or the desk halted.
    """
    sessions = -(-iterations // ITERATIONS_A_SESSION) + 1
    task = Task(positions + max(FEWEST_UNHELD, int(positions * UNHELD_SHARE)), sessions + 1)
    days = rules.traded_sessions(task)
    clock = VirtualClock(_moments(days[0])[0])
    playback = Playback(task, positions, clock)
    with closing(SqlJournal(Path("journal.db"), "benchmark")) as journal:
        owner = TimedDesk(journal, clock, limits_of(BEHAVIOUR, False), rules_of(BEHAVIOUR))
        owner.work_in(DeskThread(on_error=lambda error: owner.halt(f"the desk met an error: {error!r}")))
        gateway = Acknowledging(owner, playback)
        owner.send_through(gateway)
        with closing(owner):
            _open_all(owner, gateway, playback, _moments(days[0])[0], days[0])
            found = _decide_often(owner, gateway, playback, days[:sessions])
            return _checked(owner, found, positions)


def _moments(day: date) -> list[datetime]:
    session = session_on(day)
    assert session is not None
    return [session.opens_at + timedelta(minutes=5) + number * timedelta(minutes=50) for number in range(ITERATIONS_A_SESSION)]


def _open_all(owner: Desk, gateway: Acknowledging, playback: Playback, moment: datetime, session: date) -> None:
    playback.move_to(moment, session)
    targets = [Target(symbol, Shares(HELD_SHARES), FAR, "to begin with") for symbol in playback.held]
    owner.decide(playback.market, Account(PLENTY_USD, PLENTY_USD, {}), targets)
    gateway.settle(owner)
    if not all(is_settled(trade) for trade in owner.book.open.values()) or len(owner.book.open) != len(targets):
        raise RuntimeError(f"{len(owner.book.open)} of {len(targets)} positions were opened")


@dataclass
class _Found:
    """Milliseconds, by iteration."""

    whole: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PARTS})
    guard: list[float] = field(default_factory=list)
    steps: int = 0
    denied: int = 0

    def note(self, whole_seconds: float, parts: Mapping[str, float]) -> None:
        self.whole.append(1000 * whole_seconds)
        for name in PARTS:
            self.parts[name].append(1000 * parts.get(name, whole_seconds - sum(parts.values())))


def _decide_often(owner: TimedDesk, gateway: Acknowledging, playback: Playback, days: Sequence[date]) -> _Found:
    """Iterate through the sessions; the first one warms up, trains the model and is not counted."""
    found, planner = _Found(), _planner(owner, playback)
    changed = max(1, int(len(playback.held) * CHANGED_SHARE))
    looks = [(moment, session) for session in days for moment in _moments(session)]
    for number, (moment, session) in enumerate(looks):
        places = range(number * changed, (number + 1) * changed)
        names = tuple(playback.held[place % len(playback.held)] for place in places)
        planner.rising, planner.falling = names, planner.rising
        playback.move_to(moment, session)
        playback.take_stock(owner.book)
        began = perf_counter()
        decided = planner.corridor.iterate(planner).decided
        owner.drain()
        whole_seconds = perf_counter() - began
        gateway.settle(owner)
        guard_seconds = _guarded(owner, playback.market)
        if number >= ITERATIONS_A_SESSION:
            found.note(whole_seconds, {**planner.spent, DECIDE: owner.spent})
            found.guard.append(1000 * guard_seconds)
            found.steps, found.denied = found.steps + len(decided.steps), found.denied + len(decided.denied)
    return found


def _planner(owner: Desk, playback: Playback) -> Busy:
    """The strategy without Lumibot around it: its verbs need a corridor and its surroundings, and nothing else."""
    rules_of_hedge = hedge_rules(BEHAVIOUR, playback.names[:5])
    corridor = Corridor(owner, playback, playback, playback.names, lambda iteration: None, ("SH", "SPXS", "SQQQ"))
    bound = Busy.bound(lambda strategy: corridor, CombinedParameters(), Surroundings(hedge=rules_of_hedge))
    planner = bound.__new__(bound)
    planner.corridor = corridor
    planner.prepare()
    return planner


def _guarded(owner: Desk, market: Market) -> float:
    latest = {symbol: market.quotes[symbol].last for symbol in owner.book.shares()}
    # Two trades at the price, as a guardian has seen in a session that goes on.
    times = (market.now - CROSSED_AT_MOST, market.now)
    known = {symbol: Prints(tuple(Print(price, at) for at in times)) for symbol, price in latest.items()}
    began = perf_counter()
    owner.guard(known)
    return perf_counter() - began


def _checked(owner: Desk, found: _Found, positions: int) -> Decision:
    held = len(owner.book.shares())
    if owner.mode is not Mode.ACTIVE or held < positions or found.steps < len(found.whole):
        told = f"the desk is {owner.mode} with {held} positions after {found.steps} steps"
        raise RuntimeError(f"{told}: not what was to be measured")
    return Decision(positions, found.whole, found.parts, found.guard, found.steps, found.denied)
