"""The desk: owner of book and journal. It journals every step before it is sent and every word the broker says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from desk.core.allocation import Allocations
from desk.core.covering import given_up
from desk.core.ports import Clock, Gateway, Journal
from desk.core.prints import Known, last_prices, rising_prices
from desk.core.protect import Stamp, protect
from desk.core.rebalance import RebalanceRules, rebalance
from desk.core.reconcile import BrokerView, Differences
from desk.core.review import Limits, Situation, review
from desk.core.splits import ends, perhaps_split
from desk.core.spread_book import SpreadBook
from desk.core.targets import checked
from desk.core.upkeep import bids, stale_entries
from desk.domain.breaks import Break
from desk.domain.decisions import Denied, Mode, Target
from desk.domain.journal import (
    Acknowledged,
    BrokerRefusal,
    IterationDone,
    ModeChanged,
    Row,
    RowValue,
    RunStarted,
    SentAgain,
    SharesAdopted,
    SharesSplit,
    SharesWanted,
)
from desk.domain.market import Market
from desk.domain.orders import OrderEvent
from desk.domain.steps import Step, Submit
from desk.domain.trades import Account, Book
from desk.runtime.comparison import Comparison
from desk.runtime.decided import Decided, Plan
from desk.runtime.desk_thread import InlineRunner, Runner
from desk.runtime.door import DeskDoor, Word
from desk.runtime.ledger import Ledger
from desk.runtime.past import Past
from desk.runtime.protection import Protection
from desk.runtime.sent_steps import Member
from desk.runtime.spreads import Spreads

Result = TypeVar("Result")


class Desk(DeskDoor):
    """Implements `desk.core.ports.Door`. Public methods may be called from any thread."""

    def __init__(self, journal: Journal, clock: Clock, limits: Limits, rules: RebalanceRules | None = None) -> None:
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._rules = rules or RebalanceRules(limits.max_position_fraction)
        self._owed: list[ModeChanged] = []
        self._inbox: deque[tuple[Sequence[Word], datetime]] = deque()
        self._news: list[RowValue] = []
        self._runner: Runner = InlineRunner()
        self._gateway: Gateway | None = None
        self._ledger = Ledger(journal.nonce)
        self.residues = self._ledger.residues
        self._protection = Protection(self._ledger, self._execute, self._halt)
        self._spreads = Spreads(self._ledger, self._write, self._execute, self._may_open, journal.nonce)
        self._comparison = Comparison(self._ledger, self._write_now, self._halt)
        self._is_linked = True
        self._owes_cover = False
        self._in_doubt: set[str] = set()
        self._reasons: set[str] = set()  # of the mode that the desk is in, as far as it gave them itself

    # ---- wiring ------------------------------------------------------------------------------------------------------

    def work_in(self, runner: Runner) -> None:
        self._runner = runner

    def send_through(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def hand_over(self, work: Callable[[], None]) -> None:
        """Have the desk's own thread do `work`, and write what it still owes; a failure halts the desk."""
        self._runner.post(work)
        self._runner.post(self._catch_up)

    # ---- reading -----------------------------------------------------------------------------------------------------

    @property
    def book(self) -> Book:
        return self._runner.call(lambda: self._ledger.book)

    @property
    def mode(self) -> Mode:
        return self._ledger.mode

    @property
    def iterations(self) -> int:
        return self._ledger.iterations

    @property
    def past(self) -> Past:
        """When the runs were of which the journal told at `recover`."""
        return self._ledger.past

    def close(self) -> None:
        """Finish what was handed to the desk and stop its thread."""
        self._runner.close()

    def drain(self) -> None:
        """Return when everything handed to the desk so far is done."""
        self._runner.call(lambda: None)

    # ---- recovery ----------------------------------------------------------------------------------------------------

    def recover(self) -> Book:
        """Rebuild the book from the journal. Starting afresh is the same with an empty journal."""
        return self._runner.call(self._recover)

    def _recover(self) -> Book:
        self._write(self._ledger.recover(self._journal.rows()), self._clock.now())
        self._news = []
        return self._ledger.book

    # ---- one iteration -------------------------------------------------------------------------------------------------

    def decide(self, market: Market, account: Account, targets: Sequence[Target]) -> Decided:
        """Take `targets` down the corridor: rebalance, review, protect, journal, send."""
        return self._runner.call(lambda: self._decide(market, account, targets))

    def _decide(self, market: Market, account: Account, targets: Sequence[Target]) -> Decided:
        self._absorb()
        found = self._comparison.lumibot(account)
        news, self._news = tuple(self._news), []
        stamp = Stamp(self._journal.nonce, market.now)
        self._protection.watch_slow_cancels(market.now)
        ended = self._end_old_orders(market.now)
        given_up_before = frozenset(trade.key for trade in given_up(self._ledger.book))
        due = self._protection.upkeep(bids(self._ledger.book, market), stamp)
        upkeep = self._execute([*due, *stale_entries(self._ledger.book, stamp)], market.now)
        plan = self._plan(market, account, targets)
        planned = self._comparison.sellable(protect(plan.approved, self._ledger.book, stamp), account, market.now)
        denied = [verdict for verdict in (*plan.unsound, *plan.verdicts, *planned) if isinstance(verdict, Denied)]
        self._write(denied, market.now)
        steps = self._execute([step for step in planned if not isinstance(step, Denied)], market.now)
        # What nothing else sells gets one more try an iteration, for as long as it takes.
        insisted = self._protection.insist(given_up_before, market.now)
        return Decided((*ended, *upkeep, *steps, *insisted), tuple(denied), found, news, plan.left_alone)

    def plan(self, market: Market, account: Account, targets: Sequence[Target]) -> Plan:
        """What `decide` would do now, without doing it."""
        return self._runner.call(lambda: self._plan(market, account, targets))

    def _plan(self, market: Market, account: Account, targets: Sequence[Target]) -> Plan:
        book = self._ledger.book
        sound, unsound = checked(targets, market, book)
        # What option spreads may cost is not there to be spent; a broker keeps it as margin.
        reserved = float(self._ledger.spreads.reserved_usd())
        account = replace(account, cash_usd=account.cash_usd - reserved) if reserved else account
        balanced = rebalance(sound, book, account.equity_usd, account.cash_usd, market, self._rules)
        # Without the broker's updates the book may be out of date: what it holds is protected and closed, nothing is opened.
        mode = Mode.REDUCING if self._ledger.mode is Mode.ACTIVE and not self._is_linked else self._ledger.mode
        verdicts = review(balanced.intents, Situation(book, account, self._limits, mode, market.session))
        return Plan(tuple(verdicts), tuple(unsound), balanced.left_alone)

    def guard(self, known: Known, is_last: bool = False, night: Known | None = None) -> tuple[Step, ...]:
        """Look after the book between iterations: exits for bare shares, ends for what hangs, stops that rise or were passed.

        `known` are trades of each symbol while the market is open; none while it is closed. Those of `night`, outside regular
        hours, are for stops alone. Nobody looks after the one that `is_last`.
        """
        return self._runner.call(lambda: self._guard(known, is_last, night))

    def _guard(self, known: Known, is_last: bool, night: Known | None) -> tuple[Step, ...]:
        if self._gateway is None:
            return ()
        self._absorb()
        now = self._clock.now()
        stamp = Stamp(self._journal.nonce, now)
        self._protection.watch_slow_cancels(now)
        ended = self._end_old_orders(now)
        by_night = None if night is None else last_prices(night)
        kept = self._execute(self._protection.between(rising_prices(known), stamp, is_last, by_night), now)
        passed, instead = self._protection.passed_stops(known, stamp, night)
        self._write(passed, now)
        return (*ended, *kept, *self._execute(instead, now))

    def finish_iteration(self, session: date, account: Account, positions: int) -> None:
        """Journal that an iteration is over; a run that resumes goes on after the last one finished."""
        self._runner.call(lambda: self._finish(session, account, positions))

    def _finish(self, session: date, account: Account, positions: int) -> None:
        self._ledger.iterations += 1
        done = IterationDone(self._ledger.iterations, session, account.equity_usd, account.cash_usd, positions)
        self._write([done], self._clock.now())

    def cover_bare_shares(self) -> None:
        """Send exits for shares that a restart or a split left without any."""
        self._runner.call(self._cover)

    def _cover(self) -> None:
        def work(at: datetime) -> None:
            self._end_old_orders(at)
            self._protection.cover(at)

        self._protecting(work)

    def _end_old_orders(self, at: datetime) -> list[Step]:
        """Ends for what is on the terms from before a split, first of all: nothing else may be asked of such an order."""
        return self._execute(ends(self._ledger.book, self._ledger.orders_before_splits, Stamp(self._journal.nonce, at)), at)

    def _protecting(self, work: Callable[[datetime], None]) -> None:
        if self._gateway is None:
            return  # whoever attaches one covers what is bare then
        self._owes_cover = True
        self._absorb()
        work(self._clock.now())
        self._owes_cover = False

    def _execute(self, steps: Sequence[Step], at: datetime) -> list[Step]:
        """Journal all steps in one write, then send them.

        A step that was journaled before is not sent again, unless it is known never to have reached the broker.
        """
        if not steps:
            self._write([], at)
            return []
        if self._gateway is None:
            raise RuntimeError("the desk has no gateway to a broker")
        fresh = [step for step in steps if not self._journal.has_step(step.key)]
        again = [step for step in steps if step not in fresh and self._may_go_out_again(step.key)]
        due = [step for step in steps if step in fresh or step in again]
        self._in_doubt |= {step.key for step in due}
        self._write([*fresh, *(SentAgain(step.key, step if isinstance(step, Submit) else None) for step in again)], at)
        self._in_doubt -= {step.key for step in due}
        for step in due:
            self._ledger.send(step, at)
        for step in due:
            self._send(step)
        return due

    def _may_go_out_again(self, key: str) -> bool:
        """Whether a journaled step was surely not sent; an append that failed here may have reached the disk all the same."""
        return self._ledger.sent.is_unsent(key) or key in self._in_doubt

    def _send(self, step: Step) -> None:
        assert self._gateway is not None
        try:
            self._gateway.send(step)
        except Exception as error:
            # The other steps of the batch may be the protective ones; they go out all the same.
            self._hear([BrokerRefusal(step.key, None, None, f"could not be sent: {error!r}")], self._clock.now())

    def _write(self, values: Sequence[RowValue], at: datetime) -> None:
        due = [*self._owed, *values]
        if due:
            self._journal.append([Row(at, value) for value in due])
            self._owed = []
            self._news.extend(due)

    def _write_now(self, values: Sequence[RowValue]) -> None:
        self._write(values, self._clock.now())

    # ---- reconciliation --------------------------------------------------------------------------------------------------

    def start(self, started: RunStarted, there: Account | BrokerView) -> tuple[Break, ...]:
        """Journal the start of a run. Returns what nothing explains between a recovered book and the broker."""
        return self._runner.call(lambda: self._comparison.start(started, there))

    def compare(self, view: BrokerView, strategy: Mapping[str, int] | None) -> tuple[Break, ...]:
        """Compare book, broker and Lumibot's shares by symbol. Somebody else's trades are journaled as such.

        Returns what differs now; `believe` it when it lasts.
        """
        return self._runner.call(lambda: self._comparison.look(view, strategy))

    def believe(self, found: Sequence[Break]) -> None:
        """Halt on differences that lasted, but for those that do no harm."""
        self._runner.call(lambda: self._comparison.believe(found))

    def unexplained(self, shares: Mapping[str, int]) -> frozenset[str]:
        """Symbols of which the broker's `shares` are not what the journal says, and nothing is known that tells why."""
        return self._runner.call(lambda: self._comparison.unexplained(shares))

    def split(self, splits: Sequence[SharesSplit], shares: Mapping[str, int]) -> tuple[SharesSplit, ...]:
        """Book those of the broker's `splits` that account for its `shares`; `cover_bare_shares` then renews the exits."""
        return self._runner.call(lambda: self._comparison.split(splits, shares))

    @property
    def differences(self) -> Differences:
        return self._ledger.differences

    def member_of(self, broker_id: str, client_id: str) -> Member | None:
        """Group and role of an order at the broker, None for an order that is not the desk's."""
        return self._ledger.sent.member_of(broker_id) or self._ledger.sent.first_member(client_id, self._journal.nonce)

    def adopt_shares(self, adopted: SharesAdopted) -> None:
        """Journal that a person gave shares to the desk; the next `cover_bare_shares` sends their exits."""
        self.record(adopted)
        self._runner.call(lambda: self._ledger.adopt(adopted, self._clock.now()))

    @property
    def allocations(self) -> Allocations:
        """Whose the shares are among the strategies of a portfolio."""
        return self._runner.call(lambda: self._ledger.allocations)

    def want(self, wanted: Sequence[SharesWanted]) -> None:
        """Journal what strategies want; what fills from here on is theirs by it."""
        self._runner.call(lambda: self._want(wanted))

    def _want(self, wanted: Sequence[SharesWanted]) -> None:
        self._write_now(wanted)
        for each in wanted:
            self._ledger.want(each)

    # ---- option spreads ------------------------------------------------------------------------------------------------------

    @property
    def spreads(self) -> SpreadBook:
        return self._runner.call(lambda: self._ledger.spreads)

    def about_spreads(self, work: Callable[[Spreads], Result]) -> Result:
        """Have the desk's own thread do `work` with what keeps the option spreads."""

        def done() -> Result:
            self._absorb()
            return work(self._spreads)

        return self._runner.call(done)

    def _may_open(self) -> bool:
        return self._ledger.mode is Mode.ACTIVE and self._is_linked

    def halt(self, reason: str) -> None:
        """Open nothing from now on; protection and exits go on."""
        self._runner.call(lambda: self._halt(reason))

    def _halt(self, reason: str) -> None:
        self._set_mode(Mode.HALTED, reason)

    def _set_mode(self, mode: Mode, reason: str) -> None:
        if mode is self._ledger.mode and reason in self._reasons:
            return
        self._reasons = {*(self._reasons if mode is self._ledger.mode else ()), reason}
        # First the mode, then the row: a journal that cannot be written must not keep a desk from halting. It owes the row then.
        self._ledger.mode = mode
        self._owed.append(ModeChanged(mode, reason))
        self._write([], self._clock.now())

    def record(self, value: RowValue) -> None:
        self._runner.call(lambda: self._write_now([value]))

    # ---- what the broker says ----------------------------------------------------------------------------------------------

    def _hear(self, words: Sequence[Word], at: datetime) -> None:
        self._inbox.append((words, at))
        self._absorb()

    def _absorb(self) -> None:
        """Journal and book what came in, in its order. What cannot be written waits: whoever told it will not tell it again."""
        while self._inbox:
            words, at = self._inbox[0]
            self._write(words, at)
            self._inbox.popleft()
            self._book_words(words, at)

    def _book_words(
        self, words: Sequence[Word], at: datetime
    ) -> None:  # all of it before any reaction: a reaction writes, and may fail
        odd = [word for word in words if isinstance(word, OrderEvent) and not self._ledger.hear(word)]
        refused = [(word, self._ledger.refuse(word, at)) for word in words if isinstance(word, BrokerRefusal)]
        for word in words:
            if isinstance(word, Acknowledged):
                self._ledger.answer(word)
        for event in odd:
            self._set_mode(Mode.HALTED, f"unexpected news of {event.key}: its {event.role.value} is {event.status.value}")
        for refusal, step in refused:
            self._protecting(partial(self._protection.react_to, perhaps_split(refusal), step))
        if any(isinstance(word, OrderEvent) for word in words):
            self._cover()

    def _catch_up(self) -> None:
        self._absorb()
        self._write([], self._clock.now())
        if self._owes_cover:
            self._cover()
