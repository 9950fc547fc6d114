"""The desk against the small venue by night: what the search by day demands holds, too, when stops are passed and sold at night.

Nights and days come in any order, and so do fills, refusals, expiries and restarts.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test
from recording_desk import traded
from unit.test_runtime_desk_machine import ENTRY, STOP, SYMBOLS, TARGET, DeskAndVenue, S, Venue

from desk.core.protect import has_exits, night_limit
from desk.core.upkeep import SALE_AT_MOST
from desk.domain.decisions import Mode
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import OrderClass, OrderType, Side
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Trade
from desk.runtime.desk import Desk

pytestmark = pytest.mark.slow

PRICES = st.sampled_from([78.0, 80.0, 93.0, 94.0, 95.3, 100.0])
NIGHTS = st.dictionaries(st.sampled_from(SYMBOLS[:2]), PRICES)
WAITS = st.sampled_from([1, 25, 40])
# What the search met, by name: a search that sells nothing at night proves nothing of nights.
SEEN: Counter[str] = Counter()


class Leaky:
    """A gateway that loses the first sale of a night on its way, and says so."""

    def __init__(self, desk: Desk, venue: Venue) -> None:
        self._desk, self._venue, self._has_lost = desk, venue, False

    def send(self, step: Step) -> None:
        if self._has_lost or not isinstance(step, Submit) or not step.spec.extended_hours:
            self._venue.send(step)
            return
        self._has_lost = True
        SEEN["lost"] += 1
        self._desk.refused(BrokerRefusal(step.key, None, None, "never reached the broker", explained=True, unsent=True))


class DeskAtNight(DeskAndVenue):
    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    @initialize()
    def holds_two_stocks(self) -> None:
        self.iterates(dict.fromkeys(SYMBOLS[:2], 0.1), 100.0, 0)
        for key in self.venue.buying():
            group = self.venue.groups[key]
            group.guarded, group.to_buy = group.to_buy, 0
            self.venue.say(key, ENTRY, S.FILLED, group.guarded)
            self.venue.say(key, TARGET, S.WORKING)

    @rule(night=NIGHTS, seconds=WAITS)
    def the_guardian_looks_at_night(self, night: dict[str, float], seconds: int) -> None:
        self._looks_at_night(night, seconds)

    @rule(price=st.sampled_from([80.0, 94.0]), are_ended=st.booleans(), leaks=st.booleans())
    def a_night_below_the_stops(self, price: float, are_ended: bool, leaks: bool) -> None:
        """With `are_ended` the venue ends what it is asked to; with `leaks` the first sale does not reach it at once."""
        for _ in range(2):
            self._looks_at_night(dict.fromkeys(SYMBOLS[:2], price), 40)
        self.desk.send_through(Leaky(self.desk, self.venue) if leaks else self.venue)
        for key in self.venue.ending() if are_ended else ():
            group = self.venue.groups[key]
            group.is_over = True
            for role in [ENTRY] if group.is_sale else [TARGET, STOP]:
                self.venue.say(key, role, S.CANCELED)
        self.desk.send_through(self.venue)

    def _looks_at_night(self, night: dict[str, float], seconds: int) -> None:
        self._later(seconds)
        self.known = traded(self.known, night, self.clock.now())
        for step in self.desk.guard({}, night=self.known):
            self._judge(step, night)

    def _judge(self, step: Step, night: dict[str, float]) -> None:
        """No exit moves at night, and none is ended but for a sale at once where the market is, below the stop."""
        assert not isinstance(step, Replace)
        # What is asked once more, since it has not ended, is what was asked at another price.
        if not isinstance(step, Cancel) or step.keep != 0 or "-again" in step.key:
            return
        trade = self.desk.book.owner(step.of_key) or self.desk.book.former(step.of_key)
        assert trade is not None and trade.stop_price is not None
        assert night[step.symbol] <= float(trade.stop_price)
        assert step.sale_limit == night_limit(night[step.symbol])
        SEEN["asked again" if "-sale" in step.of_key else "asked"] += 1

    @rule(price=PRICES, seconds=WAITS)
    def regular_hours_begin(self, price: float, seconds: int) -> None:
        """What was to be sold at night and was not is ended, so that exits or a sale at the market follow."""
        self._later(seconds)
        hanging = {trade.exits_key for trade in self.desk.book.open.values() if self._hangs(trade)}
        self.known = traded(self.known, dict.fromkeys(SYMBOLS, price), self.clock.now())
        asked = {step.of_key for step in self.desk.guard(self.known) if isinstance(step, Cancel)}
        assert hanging <= asked, "a sale of the night goes on by day"
        SEEN["ended by day"] += len(hanging)

    def _hangs(self, trade: Trade) -> bool:
        is_at_rest = trade.is_being_sold and not trade.is_renewing and has_exits(trade)
        is_old = trade.exits_at is not None and self.clock.now() - trade.exits_at >= SALE_AT_MOST
        return is_at_rest and is_old and trade.sale_limit is not None

    def _later(self, seconds: int) -> None:
        self.clock.move_to(self.clock.now() + timedelta(seconds=seconds))
        if self.has_slow_cancels():
            self.venue.mode = Mode.HALTED

    @invariant()
    def what_trades_at_night_is_a_plain_sale_at_a_limit_of_all_that_a_trade_has(self) -> None:
        rows = list(self.journal.rows())
        for row in rows[self.read :]:
            if not isinstance(row.value, Submit) or not row.value.spec.extended_hours:
                continue
            spec = row.value.spec
            assert (spec.side, spec.type, spec.order_class) == (Side.SELL, OrderType.LIMIT, OrderClass.SIMPLE)
            SEEN["sold at night"] += 1
        self.read = len(rows)

    @invariant()
    def no_more_is_offered_than_is_there(self) -> None:
        assert all(self.venue.reserved(symbol) <= self.venue.shares.get(symbol, 0) for symbol in SYMBOLS)


def test_what_is_sold_at_night_is_sold_once_and_covered_by_day() -> None:
    run_state_machine_as_test(DeskAtNight, settings=settings(max_examples=100, stateful_step_count=30))
    wanted = ("asked", "asked again", "sold at night", "lost", "ended by day")
    assert all(SEEN[what] for what in wanted), SEEN
