"""What the account tells is booked once, to the spread that it is about; what is a person's is not taken for a spread's."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from held_spread import EXPIRATION, TUESDAY, Held
from requests import ConnectionError
from spread_worlds import LONG, SHORT, START

from desk.core.ports import OptionActivity
from desk.core.reconcile import BrokerView
from desk.core.spread_moves import Cancel
from desk.core.spread_reconcile import without_contracts
from desk.domain.decisions import Mode
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import Side
from desk.domain.spreads import Settlement, SpreadPhase
from desk.domain.steps import SpreadOrder
from desk.runtime.spread_account import SpreadAccount

NEXT_OPENING = datetime(2026, 1, 6, 14, 30, 5, tzinfo=START.tzinfo)
ASSIGNED_AT_NIGHT = OptionActivity("night", SHORT, Settlement.ASSIGNED, 1, START + timedelta(hours=14))


def traded(number: str, symbol: str, count: int, cash: int, minutes: float = 1) -> OptionActivity:
    """An execution of somebody else; what it brought, or took, below zero."""
    at = START + timedelta(minutes=minutes)
    return OptionActivity(number, symbol, Settlement.TRADED, count, at, Decimal(cash), f"by-hand-{number}")


# ---- trades of others in the contracts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbol", "there", "opens"), [(SHORT, -2, 400), (LONG, 2, -100)])
def test_more_contracts_than_the_journal_has_close_none_of_a_spread(symbol: str, there: int, opens: int) -> None:
    """A person trades two of the same contract for himself and takes one back."""
    held = Held()
    held.broker.held = {SHORT: -1, LONG: 1, symbol: there}
    held.broker.executed = (traded("1", symbol, 2, opens), traded("2", symbol, 1, -opens // 2, 2))
    held.look_often(START, (5, 7, 20))
    assert (held.spread.short, held.spread.long) == (1, 1)
    assert held.desk.mode is Mode.HALTED


def test_a_persons_round_trip_does_not_hide_an_assignment() -> None:
    held = Held()
    held.broker.executed = (traded("1", SHORT, 1, 150), traded("2", SHORT, 1, -140, 2))
    held.broker.held = {LONG: 1, "SPY": 100}
    held.look_often(START, (5, 7))
    assert (held.spread.short, held.spread.stock) == (0, 100)


def test_part_of_a_difference_may_be_a_persons_trade_and_the_rest_an_assignment() -> None:
    held = Held(contracts=2)
    held.broker.held = {LONG: 2, "SPY": 100}
    held.broker.executed = (traded("1", SHORT, 1, -150),)
    held.look_often(START, (5, 7, 9, 10.5))
    assert (held.spread.short, held.spread.long, held.spread.stock) == (0, 2, 100)


def test_a_spread_closed_by_hand_while_the_desk_was_away_for_weeks_is_closed_here_too() -> None:
    held = Held()
    before = held.spread.cash_usd
    held.broker.held = {}
    held.broker.executed = (traded("1", SHORT, 1, -150), traded("2", LONG, 1, 50))
    held.look_often(EXPIRATION + timedelta(days=30), (0, 2))
    assert held.spread.is_closed and held.spread.cash_usd == before - 100


def test_what_its_own_package_filled_while_the_news_is_late_is_no_assignment() -> None:
    """A person bought a hundred shares that nobody has counted yet."""
    held = Held(contracts=2)
    keeper = held.keeper()
    keeper.look(START)  # the rule of days
    assert isinstance(held.outbox.sent[-1], SpreadOrder)
    held.broker.held = {SHORT: -1, LONG: 1, "SPY": 100}
    for minutes in (5, 6.5, 8):
        held.clock.move_to(START + timedelta(minutes=minutes))
        keeper.look(held.clock.now())
    assert held.spread.stock == 0 and held.resynced
    assert held.share_orders() == []


def test_one_contract_that_cannot_be_asked_for_keeps_no_other_from_being_understood() -> None:
    held = Held()
    held.broker.held = {LONG: 1, "SPY": 100}
    held.broker.broken = {"trades": ConnectionError("404 for /orders/1")}
    held.look_often(START, (5, 7))
    assert held.spread.short == 1  # nothing is concluded without its executions
    held.broker.told = (ASSIGNED_AT_NIGHT,)
    held.look_often(NEXT_OPENING, (0,))
    assert held.spread.stock == 100


def test_a_silent_broker_is_asked_again_soon_and_not_at_every_look() -> None:
    held = Held()
    held.broker.broken = {"positions": ConnectionError("no route to the broker")}
    asked = len(held.broker.asked_since)
    held.look_often(START, [second / 60 for second in range(0, 60, 2)])
    assert len(held.broker.asked_since) - asked == 2


# ---- the broker's word ---------------------------------------------------------------------------------------------------------


def test_a_person_looks_once_where_more_contracts_ended_than_the_spread_has() -> None:
    held = Held()
    held.broker.told = (OptionActivity("a", SHORT, Settlement.ASSIGNED, 2, START + timedelta(hours=1)),)
    held.broker.held = {LONG: 1, "SPY": 100}
    held.look_often(START, (61,))
    assert held.spread.stock == 100 and held.desk.mode is Mode.HALTED
    held.desk._set_mode(Mode.ACTIVE, "a person looked")
    held.look_often(START, (70, 80))
    assert held.desk.mode is Mode.ACTIVE


def test_a_contradiction_that_a_person_has_seen_does_not_halt_the_next_run() -> None:
    held = Held()
    held.broker.held = {LONG: 1, "SPY": 100}
    held.look_often(START, (5, 7))
    assert held.spread.stock == 100
    held.broker.told = (OptionActivity("b", SHORT, Settlement.EXPIRED, 1, START + timedelta(hours=1)),)
    held.look_often(START, (65,))
    assert held.desk.mode is Mode.HALTED
    held.desk._set_mode(Mode.ACTIVE, "a person looked")
    held.look_often(START, (90,))
    assert held.desk.mode is Mode.ACTIVE and held.spread.stock == 100


def test_after_the_last_close_shares_of_a_person_are_no_assignment() -> None:
    """The positions lose the contracts in the evening; the word that they expired comes the next morning."""
    held = Held()
    held.broker.held = {"SPY": 100}
    held.look_often(EXPIRATION, (60, 90))
    assert held.spread.stock == 0
    told = (OptionActivity(name, name, Settlement.EXPIRED, 1, EXPIRATION + timedelta(hours=12)) for name in (SHORT, LONG))
    held.broker.told = tuple(told)
    held.look_often(TUESDAY, (0,))
    assert held.spread.is_closed and held.share_orders() == []


def test_an_assignment_that_nobody_tells_is_believed_in_the_session_after_the_last() -> None:
    held = Held()
    held.broker.held = {"SPY": 100}
    held.look_often(TUESDAY, (0,))
    assert held.spread.stock == 0
    held.look_often(TUESDAY, (0, 5, 11, 16, 27))
    assert held.share_orders() == [("sell", 100)]


def test_contracts_that_ended_and_nobody_tells_how_are_told_to_a_person() -> None:
    held = Held()
    held.broker.held = {}
    held.look_often(TUESDAY, (0, 20))
    assert held.desk.mode is Mode.ACTIVE
    held.look_often(TUESDAY + timedelta(days=1), (0, 20))
    assert held.desk.mode is Mode.HALTED


# ---- shares of an assignment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [0, 100])
def test_assigned_shares_that_somebody_else_sold_are_not_sold_again(own: int) -> None:
    held = Held()
    held.desk.differences.foreign_is({"SPY": own})
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": own}
    held.broker.executed = (traded("s", "SPY", 100, 9900, minutes=21 * 60),)
    held.look_often(NEXT_OPENING, (0, 0.5, 2, 4))
    assert held.share_orders() == []
    assert (held.spread.short, held.spread.stock) == (0, 0)
    sale = held.outbox.sent[0]
    assert isinstance(sale, SpreadOrder) and (sale.spec.symbol, sale.spec.side) == (LONG, Side.SELL)
    assert held.desk.mode is Mode.ACTIVE


def test_a_person_is_told_of_assigned_shares_that_are_gone_and_nobody_knows_how() -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1}
    held.look_often(NEXT_OPENING, (0, 2, 12))
    assert held.share_orders() == [] and held.spread.stock == 100
    assert held.desk.mode is Mode.HALTED


def test_assigned_shares_that_are_there_are_sold_at_once() -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": 100}
    held.look_often(NEXT_OPENING, (0,))
    assert held.share_orders() == [("sell", 100)]


def test_an_assignment_is_seen_though_an_exit_rests() -> None:
    held = Held()
    held.look_often(START, (0,))  # the rule of days
    held.broker.held = {LONG: 1, "SPY": 100}
    held.look_often(START, (5, 6.5))
    assert (held.spread.stock, held.spread.short) == (100, 0)
    assert held.spread.phase is SpreadPhase.REPAIRING
    assert any(isinstance(step, Cancel) for step in held.outbox.sent)


@pytest.mark.parametrize(("own", "sold"), [(50, 150), (100, 200), (50, 120)])
def test_shares_that_a_person_sold_with_his_own_are_not_sold_again(own: int, sold: int) -> None:
    """The account is compared before spreads are looked after, as at a start."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": own})
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": own + 100}
    held.look_often(NEXT_OPENING, (0,))
    held.outbox.sent.clear()
    left = {LONG: 1, "SPY": own + 100 - sold}
    found = without_contracts(left, held.desk.spreads, {"SPY": own})
    assert found == {"SPY": own - (sold - 100)}
    held.desk.differences.foreign_is(found)
    held.broker.held = left
    account = SpreadAccount(held.desk, held.broker, timedelta(minutes=5))
    account.ask(NEXT_OPENING + timedelta(minutes=1))
    assert account.shares_there(held.spread) == 0


def test_shares_are_not_sold_blind() -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": 100}
    held.broker.broken = {"positions": ConnectionError("no answer")}
    held.look_often(NEXT_OPENING, (0,))
    assert held.spread.stock == 100 and held.share_orders() == []
    held.broker.broken = {}
    held.look_often(NEXT_OPENING, (1,))
    assert held.share_orders() == [("sell", 100)]


def test_the_covered_pair_is_left_though_the_shares_of_an_assignment_are_gone() -> None:
    held = Held(contracts=2)
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {SHORT: -1, LONG: 2}
    held.look_often(NEXT_OPENING, (0, 1))
    (step, *_) = [each for each in held.outbox.sent if isinstance(each, SpreadOrder)]
    assert (step.spec.quantity, len(step.spec.legs)) == (1, 2) and held.share_orders() == []


@pytest.mark.parametrize("silent", [(), ("positions",), ("activities",), ("activities", "positions", "trades")], ids=len)
def test_a_sale_that_counts_as_never_sent_is_repeated_only_after_the_account_was_asked(silent: tuple[str, ...]) -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": 100}
    keeper = held.keeper()
    held.clock.move_to(NEXT_OPENING)
    keeper.look(NEXT_OPENING)
    sale = held.outbox.sent[-1]
    held.desk.refused(BrokerRefusal(sale.key, None, None, "never reached the broker", explained=True, unsent=True))
    held.broker.held = {LONG: 1}  # it came after all, and its news is late
    held.broker.broken = {name: ConnectionError("no answer") for name in silent}
    for seconds in (6, 12, 29, 31, 45):
        held.clock.move_to(NEXT_OPENING + timedelta(seconds=seconds))
        keeper.look(held.clock.now())
    assert held.share_orders() == [("sell", 100)]


@pytest.mark.parametrize("silent", [("positions",), ("activities",), ("activities", "positions")], ids=len)
def test_an_answer_of_the_evening_sells_nothing_in_the_morning(silent: tuple[str, ...]) -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": 100}
    keeper = held.keeper()
    held.clock.move_to(START + timedelta(hours=20))
    keeper.look(held.clock.now())
    held.broker.held = {LONG: 1}  # a person sold them before the opening
    held.broker.broken = {name: ConnectionError("no answer") for name in silent}
    held.clock.move_to(NEXT_OPENING)
    keeper.look(NEXT_OPENING)
    assert held.share_orders() == []


def test_shares_are_sold_though_the_activities_are_silent() -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED_AT_NIGHT,), {LONG: 1, "SPY": 100}
    held.clock.move_to(START + timedelta(hours=20))
    held.look()
    held.broker.broken = {"activities": ConnectionError("no answer")}
    held.look_often(NEXT_OPENING, (0,))
    assert held.share_orders() == [("sell", 100)]


@pytest.mark.parametrize(("contracts", "own"), [(1, 50), (1, 100), (2, 130), (2, 150), (2, 200)])
def test_shares_that_a_split_made_of_a_persons_are_no_assignment(contracts: int, own: int) -> None:
    """Both puts have other names and strikes after it."""
    held = Held(contracts=contracts)
    held.desk.differences.foreign_is({"SPY": own})
    held.broker.held = {"SPY260116P00050000": -2 * contracts, "SPY260116P00047500": 2 * contracts, "SPY": 2 * own}
    held.clock.move_to(NEXT_OPENING - timedelta(minutes=30))
    held.desk.compare(BrokerView(held.broker.held), None)
    held.look_often(NEXT_OPENING, (0, 1.1, 2.2, 3, 12, 23))
    assert held.share_orders() == [] and held.spread.stock == 0
    assert held.desk.mode is Mode.HALTED


def test_an_assignment_beside_a_bought_put_that_a_person_sold_is_seen() -> None:
    held = Held()
    held.broker.held = {"SPY": 100}
    held.broker.executed = (traded("by-hand", LONG, 1, 90, minutes=22 * 60),)
    held.look_often(NEXT_OPENING, (0, 1.1, 2.2, 3.3))
    assert (held.spread.short, held.spread.long) == (0, 0)
    assert held.share_orders() == [("sell", 100)]
