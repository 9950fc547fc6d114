"""Which trades of a person beside a spread say what became of its shares, and which say nothing of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from held_spread import EXPIRATION, TUESDAY, Broker, Held
from requests import ConnectionError
from spread_worlds import FIRST, LONG, SECOND, SHORT, START, plan

from desk.core.ports import OptionActivity
from desk.core.reconcile import BrokerView
from desk.core.spread_book import SpreadBook
from desk.core.spread_reconcile import ContractBreak
from desk.domain.decisions import Mode
from desk.domain.spreads import Settlement, Spread, SpreadPhase
from desk.runtime.contract_days import close_before, last_close
from desk.runtime.others_trades import OthersTrades

UTC = START.tzinfo
OPENING = datetime(2026, 1, 6, 14, 30, 5, tzinfo=UTC)
TOLD_IN_THE_MORNING = datetime(2026, 1, 6, 11, tzinfo=UTC)
TOLD_BY_ITS_DAY = datetime(2026, 1, 6, 5, tzinfo=UTC)  # the end of Monday in New York
BEFORE_THE_OPENING = OPENING - timedelta(hours=1)
LATE_ON_TUESDAY = datetime(2026, 1, 20, 14, 30, 1, tzinfo=UTC)


def assigned(at: datetime) -> OptionActivity:
    return OptionActivity("night", SHORT, Settlement.ASSIGNED, 1, at)


def traded(number: str, shares: int, at: datetime) -> OptionActivity:
    """A person's execution in the underlying; a sale counts negative."""
    return OptionActivity(number, "SPY", Settlement.TRADED, abs(shares), at, Decimal(-99 * shares), f"by-hand-{number}")


def held_beside(own: int, told_at: datetime, shares: int, *trades: OptionActivity) -> Held:
    """An assignment over night beside a person's `own` shares; the account has `shares` at the opening."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": own})
    held.broker.told, held.broker.held, held.broker.executed = (assigned(told_at),), {LONG: 1, "SPY": shares}, trades
    return held


# ---- since when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "close"),
    [
        (TOLD_IN_THE_MORNING, datetime(2026, 1, 5, 21, tzinfo=UTC)),
        (TOLD_BY_ITS_DAY, datetime(2026, 1, 2, 21, tzinfo=UTC)),
        (datetime(2026, 1, 17, 9, tzinfo=UTC), datetime(2026, 1, 16, 21, tzinfo=UTC)),  # a Saturday
        (datetime(2026, 11, 28, 11, tzinfo=UTC), datetime(2026, 11, 27, 18, tzinfo=UTC)),  # after half a session
    ],
)
def test_shares_cannot_have_come_before_the_last_close_before_their_day(at: datetime, close: datetime) -> None:
    assert close_before(at) == close


@pytest.mark.parametrize(
    ("symbol", "close"),
    [
        (SHORT, EXPIRATION),
        ("SPY260403P00100000", datetime(2026, 4, 2, 20, tzinfo=UTC)),  # Good Friday
    ],
)
def test_the_last_close_of_contracts(symbol: str, close: datetime) -> None:
    assert last_close(symbol) == close


@pytest.mark.parametrize("at", [TOLD_IN_THE_MORNING, TOLD_BY_ITS_DAY])
def test_what_he_bought_before_the_shares_came_does_not_hide_their_sale(at: datetime) -> None:
    bought = traded("b", 200, datetime(2026, 1, 2, 16, tzinfo=UTC))
    held = held_beside(200, at, 200, bought, traded("s", -100, BEFORE_THE_OPENING))
    held.look_often(OPENING, (0, 2))
    assert held.spread.stock == 0 and held.share_orders() == []
    assert held.desk.differences.foreign == {"SPY": 200}


@pytest.mark.parametrize("at", [TOLD_IN_THE_MORNING, TOLD_BY_ITS_DAY])
def test_what_he_sold_before_the_shares_came_does_not_explain_that_they_are_lacking(at: datetime) -> None:
    held = held_beside(0, at, 0, traded("s", -100, datetime(2026, 1, 2, 16, tzinfo=UTC)))
    held.look_often(OPENING, (0, 2, 12))
    assert held.spread.stock == 100 and held.desk.mode is Mode.HALTED


def test_what_he_sold_while_the_contracts_were_still_there_explains_nothing() -> None:
    held = held_beside(0, TOLD_BY_ITS_DAY, 0, traded("s", -100, START + timedelta(hours=1)))
    held.broker.told, held.broker.held = (), {SHORT: -1, LONG: 1}
    keeper = held.keeper()
    for at in (START + timedelta(hours=2), OPENING, OPENING + timedelta(minutes=2), OPENING + timedelta(minutes=13)):
        held.clock.move_to(at)
        if at == OPENING:
            held.broker.told, held.broker.held = (assigned(TOLD_BY_ITS_DAY),), {LONG: 1}
        keeper.look(at)
    assert held.spread.stock == 100 and held.desk.mode is Mode.HALTED


def test_positions_that_still_show_the_contracts_say_nothing_of_their_shares() -> None:
    """The account told of the assignment; its positions are older."""
    held = held_beside(0, TOLD_BY_ITS_DAY, 0, traded("s", -100, START + timedelta(hours=1)))
    held.broker.held = {SHORT: -1, LONG: 1}
    keeper = held.keeper()
    for minutes in (0, 1.1, 2.2):
        keeper.look(OPENING + timedelta(minutes=minutes))
    assert held.spread.stock == 100
    held.broker.held = {LONG: 1, "SPY": 100}
    keeper.look(OPENING + timedelta(minutes=3))
    assert held.share_orders() == [("sell", 100)]


def test_an_assignment_that_the_positions_told_began_when_it_was_seen() -> None:
    held = Held()
    held.broker.held = {LONG: 1, "SPY": 100}
    held.look_often(OPENING, (0, 2))
    assert held.spread.stock == 100
    held.broker.held = {LONG: 1}
    held.broker.executed = (
        traded("b", 200, BEFORE_THE_OPENING),
        traded("s", -100, OPENING + timedelta(minutes=3)),
    )
    held.look_often(OPENING, (4, 6))
    assert held.spread.stock == 0


def test_a_spread_without_shares_says_nothing_of_when_they_came() -> None:
    """Another one on the same underlying has been open for long."""
    assigned_one = Spread(plan(1), OPENING, SpreadPhase.REPAIRING, stock=100, long=1)
    other = Spread(replace(plan(1, key=SECOND), rolled_from=None), START, SpreadPhase.OPEN, short=1, long=1)
    desk: Any = SimpleNamespace(spreads=SpreadBook({FIRST: assigned_one, SECOND: other}), member_of=lambda *ids: None)
    old, fresh = traded("old", -100, START + timedelta(hours=1)), traded("fresh", -100, OPENING + timedelta(minutes=1))
    trades = OthersTrades(desk, Broker(executed=(old, fresh)))
    assert trades.explaining(ContractBreak("SPY", 100, 0, is_contract=False), OPENING + timedelta(minutes=5)) == [fresh]


# ---- shares that a comparison sees before the activity ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "trade", "left", "sold"),
    [(0, 10, 10, 100), (50, 10, 60, 100), (0, 100, 100, 100), (50, -20, 50, 80), (50, -99, 50, 1), (50, -120, 30, 0)],
)
def test_what_a_person_trades_on_the_night_of_an_assignment(own: int, trade: int, left: int, sold: int) -> None:
    held = held_beside(own, TOLD_IN_THE_MORNING, own + 100 + trade, traded("o", trade, BEFORE_THE_OPENING))
    held.clock.move_to(OPENING - timedelta(minutes=5))
    held.desk.compare(BrokerView(held.broker.held), None)
    keeper = held.keeper()
    for minutes in (0, 2):
        held.clock.move_to(OPENING + timedelta(minutes=minutes))
        keeper.look(held.clock.now())
    assert held.share_orders() == ([("sell", sold)] if sold else [])
    assert held.spread.stock == sold and held.desk.mode is Mode.ACTIVE
    assert held.desk.differences.foreign == {"SPY": left}


# ---- after the last close --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks_on_friday", [False, True])
def test_what_he_bought_after_the_last_close_did_not_come_for_the_sold_puts(looks_on_friday: bool) -> None:
    held = Held()
    held.broker.held = {"SPY": 100}
    held.broker.executed = (traded("b", 100, EXPIRATION + timedelta(minutes=30)),)
    keeper = held.keeper()
    if looks_on_friday:
        keeper.look(EXPIRATION + timedelta(hours=2))
    for minutes in (0, 5, 10.2, 11, 16, 21, 32):
        held.clock.move_to(LATE_ON_TUESDAY + timedelta(minutes=minutes))
        keeper.look(held.clock.now())
    assert held.share_orders() == [] and (held.spread.stock, held.spread.short) == (0, 1)
    ends = (OptionActivity(name, name, Settlement.EXPIRED, 1, EXPIRATION + timedelta(hours=14)) for name in (SHORT, LONG))
    held.broker.told = tuple(ends)
    keeper.look(LATE_ON_TUESDAY + timedelta(minutes=40))
    assert held.spread.is_closed and held.share_orders() == [] and held.desk.mode is Mode.ACTIVE


def test_what_he_sold_of_his_own_after_the_last_close_makes_no_assignment() -> None:
    """A comparison has counted half of it: the other half may have gone for the bought put."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": 200})
    held.broker.held = {}
    held.broker.executed = (traded("s", -200, EXPIRATION + timedelta(minutes=30)),)
    held.clock.move_to(EXPIRATION + timedelta(hours=1))
    held.desk.compare(BrokerView(held.broker.held), None)
    assert held.desk.differences.foreign == {"SPY": 100}
    held.look_often(TUESDAY, (0, 5, 11, 16))
    assert (held.spread.short, held.spread.stock) == (1, 0)


def test_what_he_bought_before_the_last_close_hides_no_assignment() -> None:
    held = Held()
    held.desk.differences.foreign_is({"SPY": 100})
    held.broker.held = {"SPY": 200}
    held.broker.executed = (traded("b", 100, EXPIRATION - timedelta(hours=1)),)
    held.look_often(TUESDAY, (0, 11))
    assert held.spread.stock == 100


def test_a_purchase_that_is_counted_already_makes_no_exercise() -> None:
    """Shares of an assignment wait for word of the bought put; a person has bought two hundred meanwhile."""
    held = Held()
    held.broker.told, held.broker.held = (assigned(EXPIRATION - timedelta(hours=30)),), {LONG: 1}
    held.clock.move_to(EXPIRATION - timedelta(hours=20))
    held.look()
    assert (held.spread.stock, held.spread.long) == (100, 1)
    held.broker.held = {"SPY": 300}
    held.broker.executed = (traded("b", 200, EXPIRATION + timedelta(minutes=30)),)
    held.desk.compare(BrokerView(held.broker.held), None)
    assert held.desk.differences.foreign == {"SPY": 200}
    held.look_often(TUESDAY, (0, 5, 11))
    assert (held.spread.stock, held.spread.long) == (100, 1)  # the broker's own word is waited for


def test_an_assignment_is_believed_ten_minutes_after_the_opening_and_no_sooner() -> None:
    held = Held()
    held.broker.held = {"SPY": 100}
    keeper = held.keeper()
    keeper.look(EXPIRATION + timedelta(hours=2))
    keeper.look(LATE_ON_TUESDAY)
    keeper.look(LATE_ON_TUESDAY + timedelta(minutes=9))
    assert held.spread.stock == 0
    keeper.look(LATE_ON_TUESDAY + timedelta(minutes=14.5))
    assert held.spread.stock == 100


def test_nothing_is_concluded_of_an_end_while_executions_cannot_be_asked_for() -> None:
    held = Held()
    held.broker.held = {"SPY": 100}
    held.broker.broken = {"trades": ConnectionError("no answer")}
    held.look_often(TUESDAY, (0, 5, 11))
    assert held.spread.stock == 0
