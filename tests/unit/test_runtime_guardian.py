"""The guardian between iterations: when it looks, and what it makes the desk do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
import recording_desk as R
from requests import ConnectionError

from desk.core.covering import AGAIN_AFTER, INSIST_AFTER, MAX_COVERS
from desk.core.upkeep import CROSSED_AT_MOST, HALF_FILLED_AT_MOST
from desk.domain.decisions import FixedExit, Mode, Target, Weight
from desk.domain.journal import BrokerRefusal, StopPassed
from desk.domain.market import Print
from desk.domain.steps import Cancel, Replace, Submit
from desk.journal.memory import MemoryJournal
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.guardian import Guardian

EVERY = timedelta(minutes=5)


class Quotes:
    """Prices that somebody sets; None for a broker that does not answer. The last trade was `at` a time, None for now."""

    def __init__(self, price: float | None, clock: VirtualClock) -> None:
        self.price = price
        self.asked = 0
        self.at: datetime | None = None
        self._clock = clock

    def last_prices(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        self.asked += 1
        if self.price is None:
            raise ConnectionError("no route to the broker")
        return dict.fromkeys(symbols, Print(self.price, self.at or self._clock.now()))


def always_open(moment: datetime) -> tuple[datetime, datetime]:
    return R.NOW, moment + timedelta(hours=1)


class Watched:
    """A desk that holds AAA from 100 dollars on, its guardian, clock and prices."""

    def __init__(self, shares: int = 99, rule: FixedExit = R.RULE) -> None:
        self.journal = MemoryJournal("f00d")
        self.clock = VirtualClock(R.NOW)
        self.desk = Desk(self.journal, self.clock, R.Limits(0.15))
        self.outbox = R.Outbox(self.desk)
        self.desk.send_through(self.outbox)
        self.quotes = Quotes(100.0, self.clock)
        self.guardian = Guardian(self.desk, self.quotes, self.clock, always_open, EVERY)
        self.desk.decide(R.market(), R.FLAT, [Target("AAA", Weight(0.1), rule, "test")])
        (entry,) = self.outbox.sent
        assert isinstance(entry, Submit)
        self.entry = entry
        status = R.S.FILLED if shares >= entry.spec.quantity else R.S.PARTIALLY_FILLED
        self.desk.order_event(R.news(entry, status, shares, "x1"))
        self.outbox.sent.clear()

    def after(self, wait: timedelta) -> bool:
        self.clock.move_to(self.clock.now() + wait)
        return self.guardian.look_if_due()

    @property
    def trade(self) -> R.Trade:
        (trade,) = self.desk.book.open.values()
        return trade


def test_nobody_looks_at_an_empty_book() -> None:
    clock = VirtualClock(R.NOW)
    quotes = Quotes(100.0, clock)
    guardian = Guardian(Desk(MemoryJournal("f00d"), clock, R.Limits(0.15)), quotes, clock, always_open, EVERY)
    assert guardian.next_look(R.NOW) is None
    assert not guardian.look_if_due()
    assert quotes.asked == 0


def test_prices_are_looked_at_as_often_as_asked_while_the_market_is_open() -> None:
    held = Watched()
    assert held.after(timedelta(0))
    assert not held.after(EVERY - timedelta(seconds=1))
    assert held.after(timedelta(seconds=1))
    assert held.quotes.asked == 2


def test_nothing_is_asked_while_the_market_is_closed() -> None:
    held = Watched()
    night = Guardian(held.desk, held.quotes, held.clock, lambda moment: None, EVERY)
    assert night.next_look(R.NOW) is None


def test_a_half_filled_entry_is_ended_after_its_seconds_and_covered() -> None:
    held = Watched(shares=10)
    held.after(timedelta(0))
    assert held.outbox.sent == []
    assert held.guardian.next_look(held.clock.now()) == R.NOW + HALF_FILLED_AT_MOST
    assert held.after(HALF_FILLED_AT_MOST)
    (cancel,) = held.outbox.sent
    assert isinstance(cancel, Cancel) and cancel.of_key == held.entry.key
    held.desk.order_event(R.news(held.entry, R.S.CANCELED))
    cover = held.outbox.sent[-1]
    assert isinstance(cover, Submit) and cover.spec.quantity == 10


def test_a_stop_rises_while_the_strategy_sleeps() -> None:
    held = Watched(rule=FixedExit(0.05, 0.15, trail_fraction=0.04))
    held.quotes.price = 106.0
    assert held.after(EVERY)
    assert held.outbox.sent == [], "by a single trade no stop rises"
    assert held.after(EVERY)
    (step,) = held.outbox.sent
    assert isinstance(step, Replace)
    assert float(step.limit_price) == pytest.approx(106.0 * 0.96, abs=0.01)
    held.quotes.price = 103.0
    assert held.after(EVERY)
    assert len(held.outbox.sent) == 1


def test_a_stop_that_sleeps_through_its_price_is_told_and_replaced_by_a_sale() -> None:
    held = Watched()
    held.quotes.price = 94.0
    held.after(EVERY)
    assert held.outbox.sent == []
    held.after(max(EVERY, CROSSED_AT_MOST))
    (cancel,) = held.outbox.sent
    assert isinstance(cancel, Cancel) and cancel.keep == 0
    told = [row.value for row in held.journal.rows() if isinstance(row.value, StopPassed)]
    assert [(each.symbol, each.price) for each in told] == [("AAA", 94.0)]


LOOK = timedelta(seconds=10)


def test_one_trade_below_a_stop_sells_nothing_however_often_it_is_seen() -> None:
    held = Watched()
    for _ in range(10):
        held.clock.move_to(held.clock.now() + LOOK)
        held.quotes.at = R.NOW + LOOK
        held.quotes.price = 94.9
        held.guardian.look()
    assert held.outbox.sent == []
    held.quotes.at = R.NOW + LOOK + CROSSED_AT_MOST - timedelta(seconds=1)
    held.guardian.look()
    assert held.outbox.sent == [], "the second one came too soon to say more"
    held.quotes.at = R.NOW + LOOK + CROSSED_AT_MOST
    held.guardian.look()
    (cancel,) = held.outbox.sent
    assert isinstance(cancel, Cancel) and cancel.keep == 0


def test_trades_from_before_the_opening_do_not_count() -> None:
    """Not even with one after it."""
    held = Watched()
    for seconds in (600, 300, -5):
        held.quotes.price, held.quotes.at = 94.0, R.NOW - timedelta(seconds=seconds)
        held.clock.move_to(held.clock.now() + CROSSED_AT_MOST)
        held.guardian.look()
    assert held.outbox.sent == []


def test_an_odd_trade_above_the_market_raises_no_stop() -> None:
    held = Watched(rule=FixedExit(0.05, 0.15, trail_fraction=0.04))
    for price in (100.0, 130.0, 100.0):
        held.quotes.price = price
        assert held.after(EVERY)
    raised = [step.limit_price for step in held.outbox.sent if isinstance(step, Replace)]
    assert [float(stop) for stop in raised] == [96.0]


def test_a_silent_broker_gives_no_prices_and_the_rest_goes_on() -> None:
    held = Watched(shares=10)
    held.quotes.price = None
    assert held.after(HALF_FILLED_AT_MOST)
    assert [type(step) for step in held.outbox.sent] == [Cancel]


def test_a_cover_refused_for_shares_on_their_way_back_is_tried_again_and_then_a_person_is_told() -> None:
    held = Watched()
    for role in (R.TARGET, R.STOP):
        held.desk.order_event(R.news(held.entry, R.S.CANCELED, 0, "", role))
    for number in range(1, MAX_COVERS + 1):
        assert held.desk.mode is Mode.ACTIVE
        refusal = BrokerRefusal(f"{held.entry.key}-cover{number}", 403, 40310000, "insufficient qty", explained=True)
        held.desk.refused(refusal)
        held.after(AGAIN_AFTER)
    assert held.desk.mode is Mode.HALTED
    sent = len(held.outbox.sent)
    held.after(INSIST_AFTER)
    assert len(held.outbox.sent) == sent + 1, "it is not given up for good"
