"""The desk against a small venue that behaves as Alpaca does, through whatever days hypothesis can think of.

At every moment a second desk over the same journal must have the same book, the venue must hold what the book says, and no
share may be without a live exit unless the broker refused one. A desk that met such a refusal, or whose exits are ended again
and again, is halted until a person loosens it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from recording_desk import traded

from desk.core.covering import MAX_COVERS
from desk.core.prints import Known
from desk.core.protect import has_exits, is_settled
from desk.core.review import Limits
from desk.domain.decisions import FixedExit, Mode, Shares, Target, Weight
from desk.domain.journal import Acknowledged, BrokerRefusal, ModeChanged, Row
from desk.domain.market import DailyBars, Market
from desk.domain.orders import TERMINAL, Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Account, Trade
from desk.journal.memory import MemoryJournal
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk

START = datetime(2024, 1, 3, 15, tzinfo=UTC)
SYMBOLS = ("AAA", "BBB", "CCC")
RULE = FixedExit(0.05, 0.15, break_even_after_fraction=0.03, trail_fraction=0.06)
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
BELOW_STOP = "stop_loss.stop_price must be <= base_price - 0.01"
S = OrderStatus


@dataclass
class Group:
    """One order group at the venue: shares still to buy, shares that its exits guard or sell, and whether it is over."""

    spec: OrderSpec
    to_buy: int
    guarded: int = 0
    is_over: bool = False
    is_ending: bool = False  # the desk asked for the end of its exits
    stop: Decimal | None = None  # where the exits were moved to
    target: Decimal | None = None

    @property
    def is_plain_purchase(self) -> bool:
        return self.spec.side is Side.BUY and self.spec.order_class is OrderClass.SIMPLE

    @property
    def is_sale(self) -> bool:
        return self.spec.side is Side.SELL and self.spec.order_class is OrderClass.SIMPLE

    @property
    def exits_awake(self) -> bool:
        return not self.is_over and self.to_buy == 0 and self.guarded > 0


@dataclass
class Venue:
    """Implements `desk.core.ports.Gateway`: takes what is journaled, and tells the desk what happens to it."""

    desk: Desk
    journal: MemoryJournal
    clock: VirtualClock
    groups: dict[str, Group] = field(default_factory=dict)
    shares: dict[str, int] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    refuses: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    mode: Mode = Mode.ACTIVE  # what the desk's ought to be
    executions: int = 0

    def send(self, step: Step) -> None:
        assert self.journal.has_step(step.key), "sent before it was journaled"
        assert step.key not in self.sent, "sent twice"
        self.sent.append(step.key)
        if self.refuses:
            self._refuse(step, self.refuses.pop())
        elif isinstance(step, Submit):
            self._take(step.spec)
        elif isinstance(step, Cancel):
            self._asked_to_cancel(step)
        else:
            self._moved(step)

    def _refuse(self, step: Step, words: str) -> None:
        self.refused.add(step.key)
        if isinstance(step, Submit) and step.covers is not None:
            is_sale = step.spec.order_class is not OrderClass.OCO
            trade = self.desk.book.owner(step.key)
            stop_is_passed = words == BELOW_STOP or (trade is not None and trade.stop_passed)
            self.mode = self.mode if stop_is_passed != is_sale else Mode.HALTED
        self.desk.refused(BrokerRefusal(step.key, 422, 42210000, words))

    def _take(self, spec: OrderSpec) -> None:
        sells = spec.side is Side.SELL
        if sells:
            assert self.shares.get(spec.symbol, 0) - self.reserved(spec.symbol) >= spec.quantity, "sells more than is free"
        self.groups[spec.key] = Group(spec, 0 if sells else spec.quantity, spec.quantity if sells else 0)
        self.desk.acknowledged(Acknowledged(spec.key, {}))
        self.say(spec.key, TARGET if spec.order_class is OrderClass.OCO else ENTRY, S.WORKING)

    def reserved(self, symbol: str) -> int:
        return sum(group.guarded for group in self.groups.values() if group.spec.symbol == symbol and group.exits_awake)

    def _asked_to_cancel(self, step: Cancel) -> None:
        group = self.groups.get(step.of_key)
        if group is not None and group.exits_awake:
            group.is_ending = True
            self.desk.acknowledged(Acknowledged(step.key, {}))
        elif group is None or group.is_over or not group.to_buy:
            self.desk.refused(BrokerRefusal(step.key, 422, 42210000, 'order is already in "filled" state'))
        else:
            self.desk.acknowledged(Acknowledged(step.key, {}))

    def _moved(self, step: Replace) -> None:
        group = self.groups.get(step.of_key)
        if group is None or group.is_sale or not group.exits_awake:
            self.desk.refused(BrokerRefusal(step.key, 422, 42210000, "order is not open"))
        else:
            stop = group.spec.stop_loss if group.stop is None else group.stop
            assert stop is not None and step.limit_price > stop
            if step.role is STOP:
                assert group.target is None or step.limit_price < group.target
                group.stop = step.limit_price
            else:
                group.target = step.limit_price
            self.desk.acknowledged(Acknowledged(step.key, {}))

    def say(self, key: str, role: GroupRole, status: OrderStatus, shares: int = 0) -> None:
        fill = None
        if shares:
            self.executions += 1
            spec = self.groups[key].spec
            side = spec.side if role is ENTRY else Side.SELL
            held = self.shares.get(spec.symbol, 0)
            self.shares[spec.symbol] = held + (shares if side is Side.BUY else -shares)
            fill = Fill(f"x{self.executions}", key, spec.symbol, side, shares, Decimal(100), self.clock.now(), role)
        self.desk.order_event(OrderEvent(key, role, status, self.clock.now(), "b", fill))

    def buying(self) -> list[str]:
        return sorted(key for key, group in self.groups.items() if group.to_buy and not group.is_over)

    def cut_short(self) -> list[str]:
        """Ended entries that bought a part, of which more may be told: the trade still holds something."""
        held = {trade.key for trade in self.desk.book.open.values() if trade.shares}
        return sorted(key for key, group in self.groups.items() if group.to_buy and group.is_over and key in held)

    def guarding(self) -> list[str]:
        return sorted(key for key, group in self.groups.items() if group.exits_awake and not group.is_sale)

    def ending(self) -> list[str]:
        return sorted(key for key, group in self.groups.items() if group.exits_awake and group.is_ending)

    def selling(self) -> list[str]:
        return sorted(key for key, group in self.groups.items() if group.exits_awake and group.is_sale)


class DeskAndVenue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(START)
        self.journal = MemoryJournal("f00d")
        self.desk = Desk(self.journal, self.clock, Limits(0.15))
        self.venue = Venue(self.desk, self.journal, self.clock)
        self.desk.send_through(self.venue)
        self.known: Known = {}

    # ---- what may happen -------------------------------------------------------------------------------------------

    @rule(
        wanted=st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from([0.0, 0.1, 0.1, 0.05, 0.14])),
        close=st.sampled_from([80.0, 94.0, 95.3, 100.0, 104.0, 112.0, 118.0]),
        hours=st.sampled_from([0, 1, 24]),
    )
    def iterates(self, wanted: dict[str, float], close: float, hours: int) -> None:
        self.clock.move_to(self.clock.now() + timedelta(hours=hours))
        targets = [Target(s, Weight(part) if part else Shares(0), RULE, "test") for s, part in sorted(wanted.items())]
        account = Account(100_000.0, 100_000.0, {s: n for s, n in self.venue.shares.items() if n})
        bare = {trade.key: len(trade.covers) for trade in self.bare()}
        if self.has_slow_cancels():
            self.venue.mode = Mode.HALTED
        decided = self.desk.decide(self._market(close), account, targets)
        assert decided.breaks == ()
        tried = {key: len(trade.covers) - bare[key] for key, trade in self.desk.book.open.items() if key in bare}
        assert all(tries > 0 for tries in tried.values()), "shares without exits were forgotten"
        self.desk.finish_iteration(self.clock.now().date(), account, len(account.shares))

    def has_slow_cancels(self, patience: timedelta = timedelta(seconds=60)) -> bool:
        """Whether a half-filled entry, or exits that are to be replaced, have not ended a minute after they were asked to."""
        held = [trade for trade in self.desk.book.open.values() if trade.shares]
        asked = [trade for trade in held if trade.is_entry_working or (trade.is_renewing and has_exits(trade))]
        return any(each.cancel_asked_at and each.cancel_asked_at + patience <= self.clock.now() for each in asked)

    def bare(self) -> list[Trade]:
        """Trades whose shares no order at the venue guards or sells, and of which nothing more is bought."""
        held = [trade for trade in self.desk.book.open.values() if trade.shares and not trade.is_entry_working]
        return [trade for trade in held if not self._is_guarded(trade)]

    def _is_guarded(self, trade: Trade) -> bool:
        group = self.venue.groups.get(trade.exits_key)
        if group is None or not group.exits_awake:
            return False
        # Exits for another number of shares, and a sale of a part, are over in a moment; the right ones follow.
        is_changing = group.is_ending or not trade.fits
        return group.guarded == trade.shares or is_changing

    def _market(self, close: float) -> Market:
        column, now = np.array([close]), self.clock.now()
        bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
        return Market(now, now.date(), dict.fromkeys(SYMBOLS, bars))

    @precondition(lambda self: self.venue.buying())
    @rule(data=st.data())
    def buys(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.venue.buying()))
        group = self.venue.groups[key]
        shares = data.draw(st.sampled_from([group.to_buy, max(group.to_buy // 2, 1)]))
        group.to_buy -= shares
        group.guarded += 0 if group.is_plain_purchase else shares
        self.venue.say(key, ENTRY, S.PARTIALLY_FILLED if group.to_buy else S.FILLED, shares)
        if not group.to_buy and not group.is_plain_purchase:
            self.venue.say(key, TARGET, S.WORKING)

    @precondition(lambda self: self.venue.buying())
    @rule(data=st.data(), news=st.sampled_from([S.CANCELED, S.EXPIRED, S.CANCELED]))
    def gives_up_buying(self, data: st.DataObject, news: OrderStatus) -> None:
        key = data.draw(st.sampled_from(self.venue.buying()))
        self.venue.groups[key].is_over = True
        self.venue.say(key, ENTRY, news)

    @precondition(lambda self: self.venue.guarding())
    @rule(data=st.data(), role=st.sampled_from([TARGET, STOP]))
    def sells(self, data: st.DataObject, role: GroupRole) -> None:
        key = data.draw(st.sampled_from(self.venue.guarding()))
        group = self.venue.groups[key]
        shares = data.draw(st.sampled_from([group.guarded, max(group.guarded // 2, 1)])) if role is TARGET else group.guarded
        if role is STOP:
            self.venue.say(key, TARGET, S.REPLACED)
        group.guarded -= shares
        self.venue.say(key, role, S.PARTIALLY_FILLED if group.guarded else S.FILLED, shares)
        if not group.guarded:
            self.venue.say(key, STOP if role is TARGET else TARGET, S.CANCELED)

    @precondition(lambda self: self.venue.guarding())
    @rule(data=st.data(), roles=st.permutations([TARGET, STOP]))
    def somebody_cancels_the_exits(self, data: st.DataObject, roles: list[GroupRole]) -> None:
        key = data.draw(st.sampled_from(self.venue.guarding()))
        self.venue.groups[key].is_over = True
        for role in roles:
            self.venue.say(key, role, S.CANCELED)

    @precondition(lambda self: self.venue.ending())
    @rule(data=st.data(), roles=st.permutations([TARGET, STOP]))
    def carries_out_a_cancel(self, data: st.DataObject, roles: list[GroupRole]) -> None:
        key = data.draw(st.sampled_from(self.venue.ending()))
        group = self.venue.groups[key]
        group.is_over = True
        for role in [ENTRY] if group.is_sale else roles:
            self.venue.say(key, role, S.CANCELED)

    @precondition(lambda self: self.venue.ending())
    @rule(data=st.data())
    def takes_a_cancel_back(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.venue.ending()))
        group = self.venue.groups[key]
        group.is_ending = False
        role = ENTRY if group.is_sale else TARGET
        self.venue.say(key, role, S.PENDING_CANCEL)
        self.venue.say(key, role, S.WORKING)
        asked = self.desk.book.owner(key)
        assert asked is None or not asked.is_renewing or group.is_ending, "the exits rest, and nothing more may be asked of them"

    @precondition(lambda self: self.venue.cut_short())
    @rule(data=st.data())
    def tells_late_what_an_ended_entry_bought(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.venue.cut_short()))
        group = self.venue.groups[key]
        shares = data.draw(st.sampled_from([group.to_buy, max(group.to_buy // 2, 1)]))
        group.to_buy -= shares
        self.venue.say(key, ENTRY, S.PARTIALLY_FILLED, shares)

    @rule(close=st.sampled_from([80.0, 94.0, 95.3, 100.0, 104.0, 112.0, 118.0]), seconds=st.sampled_from([1, 25, 40]))
    def the_guardian_looks(self, close: float, seconds: int) -> None:
        self.clock.move_to(self.clock.now() + timedelta(seconds=seconds))
        if self.has_slow_cancels(timedelta(seconds=60)):
            self.venue.mode = Mode.HALTED
        self.known = traded(self.known, dict.fromkeys(SYMBOLS, close), self.clock.now())
        self.desk.guard(self.known)
        left = [trade for trade in self.desk.book.open.values() if not trade.fits and is_settled(trade)]
        assert not left or self.venue.refused, "exits for another number of shares stay as they are"

    @precondition(lambda self: self.venue.selling())
    @rule(data=st.data(), how=st.sampled_from(["whole", "half", "its day ends"]))
    def a_sale_goes_on(self, data: st.DataObject, how: str) -> None:
        key = data.draw(st.sampled_from(self.venue.selling()))
        group = self.venue.groups[key]
        if how == "its day ends":
            group.is_over = True
            self.venue.say(key, ENTRY, S.EXPIRED)
            return
        shares = group.guarded if how == "whole" else max(group.guarded // 2, 1)
        group.guarded -= shares
        self.venue.say(key, ENTRY, S.PARTIALLY_FILLED if group.guarded else S.FILLED, shares)

    @rule(words=st.lists(st.sampled_from(["not today", BELOW_STOP]), min_size=1, max_size=2))
    def refuses_what_comes_next(self, words: list[str]) -> None:
        self.venue.refuses = words

    @rule()
    def somebody_loosens_and_restarts_it(self) -> None:
        if self.desk.mode is not Mode.ACTIVE:
            self.journal.append([Row(self.clock.now(), ModeChanged(Mode.ACTIVE, "looked at it"))])
        self.desk = Desk(self.journal, self.clock, Limits(0.15))
        self.desk.recover()
        self.venue.desk, self.venue.mode = self.desk, Mode.ACTIVE
        self.desk.send_through(self.venue)
        self.desk.cover_bare_shares()

    @rule(data=st.data())
    def tells_something_again(self, data: st.DataObject) -> None:
        events = [row.value for row in self.journal.rows() if isinstance(row.value, OrderEvent)]
        fills = [event for event in events if event.fill is not None and self.desk.book.owner(event.key) is not None]
        if fills:
            self.desk.order_event(data.draw(st.sampled_from(fills)))

    @rule(data=st.data())
    def hears_late_that_an_older_cover_never_arrived(self, data: st.DataObject) -> None:
        older = [key for trade in self.desk.book.open.values() for key in trade.covers[:-1]]
        if older:
            key = data.draw(st.sampled_from(older))
            self.desk.refused(BrokerRefusal(key, None, None, "never reached the broker", explained=True, unsent=True))

    # ---- what must stay true ---------------------------------------------------------------------------------------

    @invariant()
    def a_desk_that_recovers_has_the_same_book(self) -> None:
        again = Desk(self.journal, self.clock, Limits(0.15))
        assert again.recover() == self.desk.book
        assert again.mode is self.desk.mode
        assert again.iterations == self.desk.iterations

    @invariant()
    def the_venue_holds_what_the_book_says(self) -> None:
        assert self.desk.book.shares() == {symbol: count for symbol, count in self.venue.shares.items() if count}

    @invariant()
    def it_is_halted_exactly_when_exits_fail_or_an_entry_does_not_end(self) -> None:
        if any(len(trade.covers) - trade.renewals >= MAX_COVERS for trade in self.bare()):
            self.venue.mode = Mode.HALTED
        assert self.desk.mode is self.venue.mode

    @invariant()
    def everything_sent_is_journaled_once(self) -> None:
        assert len(set(self.venue.sent)) == len(self.venue.sent)
        assert all(self.journal.has_step(key) for key in self.venue.sent)

    @invariant()
    def every_share_is_guarded_being_bought_or_sold_unless_the_broker_refused(self) -> None:
        for trade in self.bare():
            refused = bool(trade.covers) and trade.covers[-1] in self.venue.refused
            assert refused or len(trade.covers) - trade.renewals >= MAX_COVERS, f"{trade.shares} {trade.symbol} are bare"
            assert not trade.is_protected, f"{trade.symbol} is called protected and is not"

    @invariant()
    def no_trade_is_over_that_still_holds(self) -> None:
        assert all(trade.shares == 0 and trade.entry_status in TERMINAL for trade in self.desk.book.closed)
        assert all(trade.shares >= 0 for trade in self.desk.book.open.values())


DeskAndVenue.TestCase.settings = settings(max_examples=200, stateful_step_count=30)
TestDeskAndVenue = DeskAndVenue.TestCase
