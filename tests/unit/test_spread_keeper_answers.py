"""Spreads are left whatever else a broker does not answer, or answers in words that nobody can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from held_spread import EXPIRATION, TUESDAY, Broker, Held
from requests import ConnectionError
from spread_worlds import FIRST, LONG, SHORT, START, plan

from desk.core.ports import OptionActivity
from desk.core.spread_moves import ATOMIC_CLOSE
from desk.domain.decisions import Mode
from desk.domain.journal import BrokerRefusal
from desk.domain.market import Print
from desk.domain.orders import OrderEvent, OrderStatus, Side
from desk.domain.spreads import Settlement
from desk.domain.steps import Cancel, SpreadOrder
from desk.runtime.account import Splits
from desk.runtime.account_guardian import LIVE_LOOKS, AccountGuardian
from desk.runtime.build import market_hours
from desk.runtime.spread_account import LOOK_BACK


def is_being_left(held: Held) -> bool:
    (step,) = held.outbox.sent
    return isinstance(step, SpreadOrder) and tuple(leg.intent for leg in step.spec.legs) == ATOMIC_CLOSE


@pytest.mark.parametrize("what", ["activities", "positions"])
@pytest.mark.parametrize("error", [KeyError("qty"), ValueError("'a few' is no quantity")])
def test_what_cannot_be_read_of_the_account_halts_the_desk_and_holds_no_exit_up(what: str, error: Exception) -> None:
    held = Held(Broker({what: error}))
    held.look()
    assert is_being_left(held)
    assert held.desk.mode is Mode.HALTED


@pytest.mark.parametrize("what", ["activities", "positions", "spots"])
def test_what_is_not_answered_holds_no_exit_up_either(what: str) -> None:
    held = Held(Broker({what: ConnectionError("no route to the broker")}))
    held.look()
    assert is_being_left(held)
    assert held.desk.mode is Mode.ACTIVE


def test_a_desk_that_was_away_over_an_expiration_asks_for_what_became_of_it_however_long_ago() -> None:
    held = Held()
    gone = (OptionActivity(symbol, symbol, Settlement.EXPIRED, 1, EXPIRATION + timedelta(hours=12)) for symbol in (SHORT, LONG))
    held.broker.told = tuple(gone)
    held.clock.move_to(EXPIRATION + timedelta(days=30))
    held.look()
    assert held.broker.asked_since[-1] <= EXPIRATION - LOOK_BACK + timedelta(hours=24)
    assert not held.desk.spreads.open and held.desk.spreads.closed[FIRST].cash_usd > 0


def test_an_assignment_of_before_a_spread_was_decided_is_somebody_elses() -> None:
    held = Held()
    held.broker.told = (OptionActivity("a", SHORT, Settlement.ASSIGNED, 1, START - timedelta(hours=1)),)
    held.look()
    assert held.desk.spreads.open[FIRST].stock == 0


ASSIGNED = OptionActivity("a", SHORT, Settlement.ASSIGNED, 1, EXPIRATION + timedelta(hours=12))


def assigned(held_there: Mapping[str, int]) -> Held:
    """The sold put's assignment is told, of the bought put nothing; what the positions show is given."""
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED,), held_there
    keeper = held.keeper()
    for minutes in (0, 10):
        held.clock.move_to(TUESDAY + timedelta(minutes=minutes))
        keeper.look(held.clock.now())
    return held


def test_assigned_shares_are_sold_in_the_next_session_though_nobody_tells_that_the_bought_put_expired() -> None:
    held = assigned({"SPY": 100})
    (step,) = [each for each in held.outbox.sent if isinstance(each, SpreadOrder)]
    assert (step.spec.symbol, step.spec.quantity, step.spec.side) == ("SPY", 100, Side.SELL)
    cash = held.desk.spreads.open[FIRST].cash_usd
    held.broker.told = (ASSIGNED, OptionActivity("b", LONG, Settlement.EXPIRED, 1, TUESDAY))
    held.clock.move_to(TUESDAY + timedelta(hours=1))
    held.look()
    there = held.desk.spreads.open[FIRST]
    assert (there.long, there.stock, there.cash_usd, dict(there.inferred)) == (0, 100, cash, {})


def test_a_bought_put_that_took_the_shares_away_is_booked_as_exercised_before_it_is_told() -> None:
    held = assigned({})
    there = held.desk.spreads.closed[FIRST]
    assert (there.long, there.stock) == (0, 0)
    cash = there.cash_usd
    held.broker.told = (ASSIGNED, OptionActivity("b", LONG, Settlement.EXERCISED, 1, TUESDAY))
    held.clock.move_to(TUESDAY + timedelta(hours=1))
    held.look()
    assert held.desk.spreads.closed[FIRST].cash_usd == cash


def test_nothing_is_believed_while_the_positions_still_show_the_bought_put_or_the_session_has_not_begun() -> None:
    assert assigned({"SPY": 100, LONG: 1}).desk.spreads.open[FIRST].long == 1
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED,), {"SPY": 100}
    held.clock.move_to(EXPIRATION + timedelta(hours=13))
    held.look()
    assert held.desk.spreads.open[FIRST].long == 1


def test_a_spread_that_was_decided_a_moment_ago_takes_its_part_of_the_buying_power() -> None:
    held = Held()
    free = held.desk.spreads.unsent_usd()
    held.desk.about_spreads(lambda spreads: spreads.open(replace(plan(2), key="second", underlying="QQQ")))
    assert (free, held.desk.spreads.unsent_usd()) == (0, 1000)
    held.look()
    assert held.desk.spreads.unsent_usd() == 0


def test_two_spreads_of_one_underlying_are_rolled_at_the_same_moment() -> None:
    held = Held()
    found = []
    for _ in range(2):
        key = held.desk.about_spreads(lambda spreads: spreads.roll_key("SPY", START))
        held.desk.about_spreads(lambda spreads, key=key: spreads.open(replace(plan(1), key=key, rolled_from=FIRST)))
        found.append(key)
    assert len(set(found)) == 2 and all(held.desk.spreads.spread(key) for key in found)


def test_a_broker_that_refuses_has_the_account_asked_soon_and_not_at_every_look() -> None:
    held = Held()
    keeper = held.keeper()
    keeper.look(START)
    (step,) = held.outbox.sent
    held.desk.refused(BrokerRefusal(step.key, 422, 42210000, "position intent mismatch"))
    asked = len(held.broker.asked_since)
    keeper.look(START + timedelta(seconds=20))
    assert len(held.broker.asked_since) == asked
    keeper.look(START + timedelta(seconds=40))
    assert len(held.broker.asked_since) == asked + 1


def test_one_look_is_not_enough_to_believe_that_a_bought_put_is_gone() -> None:
    held = Held()
    held.broker.told, held.broker.held = (ASSIGNED,), {}
    held.clock.move_to(TUESDAY)
    held.look()
    assert held.desk.spreads.open[FIRST].long == 1


def test_a_person_looks_where_the_broker_tells_another_end_than_its_positions_did() -> None:
    held = assigned({"SPY": 100})
    held.broker.told = (ASSIGNED, OptionActivity("b", LONG, Settlement.EXERCISED, 1, TUESDAY))
    held.clock.move_to(TUESDAY + timedelta(hours=1))
    held.look()
    assert held.desk.mode is Mode.HALTED


class NoShares:
    """An account without shares, and nobody who knows prices."""

    def get_all_positions(self) -> list[Any]:
        return []

    def last_prices(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        return {}


def test_shares_are_guarded_when_a_spread_could_not_be_looked_after() -> None:
    held = Held(Broker({"quotes": RuntimeError("a bug")}))
    account = NoShares()
    splits = Splits(held.desk, account, START, lambda text: None)
    guardian = AccountGuardian(
        splits, account, held.clock, market_hours, timedelta(minutes=5), LIVE_LOOKS, spreads=held.keeper(held.broker)
    )
    with pytest.raises(RuntimeError, match="a bug"):
        guardian.look()
    assert guardian._looked_at == START


def ends_exit(held: Held) -> None:
    """The broker has nothing left that the exit could close."""
    for order in held.spread.working:
        for role in order.spec.roles:
            held.desk.order_event(OrderEvent(order.spec.key, role, OrderStatus.CANCELED, held.clock.now(), "id", None, ""))


def test_a_spread_that_a_person_closed_by_hand_is_closed_here_too_with_what_it_cost() -> None:
    held = Held()
    before = held.desk.spreads.open[FIRST].cash_usd
    held.broker.held = {}
    held.broker.executed = (
        OptionActivity("1", SHORT, Settlement.TRADED, 1, START + timedelta(minutes=1), Decimal(-150), "by-hand-1"),
        OptionActivity("2", LONG, Settlement.TRADED, 1, START + timedelta(minutes=1), Decimal(50), "by-hand-2"),
    )
    held.look_often(START, (20, 22))
    assert (held.spread.short, held.spread.long, held.spread.cash_usd) == (0, 0, before - 100)
    ends_exit(held)
    assert held.spread.is_closed
    assert held.desk.mode is Mode.ACTIVE


def test_shares_of_a_person_who_closed_a_spread_by_hand_are_not_taken_for_an_assignments() -> None:
    held = Held()
    held.broker.held = {"SPY": 100}
    held.broker.executed = (
        OptionActivity("1", SHORT, Settlement.TRADED, 1, START + timedelta(minutes=1), Decimal(-150), "by-hand-1"),
        OptionActivity("2", LONG, Settlement.TRADED, 1, START + timedelta(minutes=1), Decimal(50), "by-hand-2"),
    )
    held.look_often(START, (20, 22))
    ends_exit(held)
    assert held.spread.is_closed and held.spread.stock == 0 and not held.share_orders()


def test_what_somebody_trades_beside_a_spread_is_not_booked_to_it() -> None:
    held = Held()
    held.broker.executed = (
        OptionActivity("1", SHORT, Settlement.TRADED, 1, START + timedelta(minutes=1), Decimal(-150), "by-hand"),
    )
    held.look_often(START, (20, 22))
    assert held.desk.spreads.open[FIRST].short == 1


def test_an_entry_is_called_back_when_the_desk_leaves() -> None:
    held = Held()
    second = replace(plan(1), key="second", underlying="QQQ")
    held.desk.about_spreads(lambda spreads: spreads.open(second))
    held.outbox.sent.clear()
    held.look()
    assert any(isinstance(step, SpreadOrder) and step.spread == "second" for step in held.outbox.sent)
    held.keeper().part(held.clock.now, lambda seconds: None)
    assert any(isinstance(step, Cancel) for step in held.outbox.sent)


def test_a_person_is_told_once_of_an_exit_that_the_broker_does_not_end() -> None:
    """It keeps its contracts, so the desk cannot send another: nothing else happens until a person looks."""
    held = Held()
    keeper = held.keeper()
    rung = timedelta(seconds=plan(1).rules.rung_seconds)
    keeper.look(START)
    for seconds in range(0, 300, 30):
        keeper.look(START + rung + timedelta(seconds=seconds))
    assert [type(step) for step in held.outbox.sent[:2]] == [SpreadOrder, Cancel]
    assert len([line for line in held.told if "has not ended" in line]) == 1
    assert f"{held.outbox.sent[0].key}" in held.told[-1]
