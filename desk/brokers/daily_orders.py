"""A Lumibot order in a backtest: which bar it meets next, and how the fill rules see it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any, Protocol

from lumibot.entities import Order

from desk.brokers.daily_fills import (
    EVERY_BAR,
    NOTHING,
    Kind,
    Outcome,
    Prices,
    Resting,
    at_opening,
    at_tick,
    during_session,
    touch_levels,
)

KINDS = {
    Order.OrderType.MARKET: Kind.MARKET,
    Order.OrderType.LIMIT: Kind.LIMIT,
    Order.OrderType.STOP: Kind.STOP,
    Order.OrderType.STOP_LIMIT: Kind.STOP_LIMIT,
    Order.OrderType.TRAIL: Kind.STOP,
}


IMMEDIATE = frozenset({"ioc", "fok"})

# When something happens: POSIX seconds and a phase. At one instant the bar that ends comes before the one that begins.
Moment = tuple[float, int]
CLOSING, OPENING = 0, 1
NEVER: Moment = (inf, OPENING)


class TimedBar(Prices, Protocol):
    """One bar; `opens_at` and `closes_at` are POSIX seconds."""

    @property
    def opens_at(self) -> float: ...
    @property
    def closes_at(self) -> float: ...


class Tick(Protocol):
    """The last trade and the best bid and offer, in dollars."""

    @property
    def last(self) -> float: ...
    @property
    def bid(self) -> float: ...
    @property
    def ask(self) -> float: ...


class Tape(Protocol):
    """One symbol's real bars in order of time (`desk.data.tape.Tape`)."""

    def __len__(self) -> int: ...
    def bar(self, place: int) -> TimedBar: ...
    def tick(self, place: int, is_over: bool) -> Tick | None: ...
    def place_after(self, moment: float) -> int: ...
    def touching(self, place: int, low_at_most: float, high_at_least: float) -> int: ...


@dataclass(slots=True)
class Working:
    """Life of a working order. Call `schedule` when it begins and after whatever changes it."""

    order: Any
    tape: Tape
    place: int  # the bar of the tape that it meets next
    opened: bool = False  # that bar's opening is behind it
    part_place: int | None = None  # the bar of which it saw only an unknown part
    ends_at: float = inf  # POSIX seconds: when a DAY order ends
    extreme: float | None = None  # best price since it works, for a trailing stop
    triggered: bool = False  # a stop limit whose stop was passed
    resting: Resting | None = None  # the order as the fill rules see it, while that does not change
    due: Moment = NEVER  # when there is something to do for it

    def meets_bar_at(self) -> Moment:
        if self.place >= len(self.tape):
            return NEVER
        bar = self.tape.bar(self.place)
        return (bar.closes_at, CLOSING) if self.opened else (bar.opens_at, OPENING)

    def schedule(self, prescreen: bool) -> None:
        """Find the next bar to meet: with `prescreen` the next that can do anything to the order at all."""
        resting = resting_view(self) if prescreen and _rests(self.order) else None
        place = self.tape.touching(self.place, *(EVERY_BAR if resting is None else touch_levels(resting)))
        if place > self.place:
            self.place, self.opened = place, False
        self.due = min(self.meets_bar_at(), (self.ends_at, CLOSING))

    def meet(self) -> Outcome:
        """What is due does to the order: a tick where there are some, else a bar's opening, or when that is past its range."""
        tick = self.tape.tick(self.place, self.opened)
        if tick is not None:
            outcome = self._at(tick)
        else:
            outcome = self._range() if self.opened else self._opening()
        if outcome.triggered and not self.triggered:
            self.triggered, self.resting = True, None
        return outcome

    def _opening(self) -> Outcome:
        resting = resting_view(self)
        return NOTHING if resting is None else at_opening(resting, self.tape.bar(self.place).open)

    def _at(self, tick: Tick) -> Outcome:
        resting = resting_view(self)
        far = tick.ask if self.order.is_buy_order() else tick.bid
        outcome = NOTHING if resting is None else at_tick(resting, tick.last, far)
        if self.order.order_type is Order.OrderType.TRAIL:
            self._ratchet(tick.last)
        return outcome

    def _range(self) -> Outcome:
        bar, whole = self.tape.bar(self.place), self.part_place != self.place
        trails = self.order.order_type is Order.OrderType.TRAIL
        if trails and whole:
            self._ratchet(bar.open)
        resting = resting_view(self)
        outcome = NOTHING if resting is None else during_session(resting, bar, whole)
        if trails:
            best = bar.low if self.order.is_buy_order() else bar.high
            self._ratchet(best if whole else bar.close)
        return outcome

    def _ratchet(self, price: float) -> None:
        if self.extreme is None:
            self.extreme = price
        else:
            self.extreme = min(self.extreme, price) if self.order.is_buy_order() else max(self.extreme, price)

    def followed_by(self, exit_: Any, entry_price: float) -> Working:
        """The exit of this entry: one at the opening leaves it the whole bar, one inside the bar an unknown part."""
        part = self.place if self.opened else None
        return Working(exit_, self.tape, self.place, self.opened, part, self.ends_at, entry_price)

    def go_on(self, met: Moment, prescreen: bool) -> None:
        """Leave behind what was met at `met`."""
        if met == self.meets_bar_at():
            self.place, self.opened = (self.place + 1, False) if self.opened else (self.place, True)
        self.schedule(prescreen)


def _rests(order: Any) -> bool:
    """Whether an order only waits for its price: a trail moves with every bar, other terms may end it on any."""
    if order.order_type is Order.OrderType.TRAIL or order.good_till_date is not None:
        return False
    return str(order.time_in_force).lower() not in IMMEDIATE


def tie(order: Any) -> None:
    """Exits live as long as their entry says (Alpaca, "Bracket Orders"), and two of them cancel each other."""
    for child in order.child_orders:
        child.time_in_force = order.time_in_force
    if len(order.child_orders) == 2:
        first, second = order.child_orders
        first.dependent_order, second.dependent_order = second, first


def priority(working: Working) -> tuple[bool, bool]:
    """Sales first, their proceeds may pay for purchases; stops before limits, so a bar that touches both hits the stop."""
    return working.order.is_buy_order(), working.order.order_type is Order.OrderType.LIMIT


def resting_view(working: Working) -> Resting | None:
    """The order as the fill rules see it; None for a trailing stop that has not seen a price yet."""
    order = working.order
    if order.order_type is Order.OrderType.TRAIL:
        level = _trail_level(working)
        order._trail_stop_price = level
        return None if level is None else Resting(Kind.STOP, order.is_buy_order(), stop=level)
    if working.resting is None:
        stop = None if order.stop_price is None else float(order.stop_price)
        working.resting = Resting(KINDS[order.order_type], order.is_buy_order(), limit_of(order), stop, working.triggered)
    return working.resting


def limit_of(order: Any) -> float | None:
    """Limit of a limit or stop-limit order; Lumibot keeps the latter's in either of two fields, and its broker reads one."""
    if order.order_type is Order.OrderType.LIMIT:
        return float(order.limit_price)
    if order.order_type is not Order.OrderType.STOP_LIMIT:
        return None
    return float(order.limit_price if order.stop_limit_price is None else order.stop_limit_price)


def _trail_level(working: Working) -> float | None:
    """Stop of a trailing order: the trail behind the best price, never looser than a first stop price given with it."""
    order, best = working.order, working.extreme
    first = None if order.stop_price is None else float(order.stop_price)
    if best is None:
        return first
    gap = best * float(order.trail_percent) if order.trail_percent is not None else float(order.trail_price)
    if order.is_buy_order():
        return best + gap if first is None else min(first, best + gap)
    return best - gap if first is None else max(first, best - gap)


def taker_fee(fee: Any, notional: Decimal, order: Any) -> Decimal:
    return Decimal(fee.flat_fee + notional * fee.percent_fee + Decimal(str(order.quantity)) * fee.per_contract_fee)
