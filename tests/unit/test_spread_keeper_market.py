"""What a spread's exits do, and what a person is told, while prices are missing, cannot be read or cannot be had."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from requests import ConnectionError
from spread_keeping import LATER, SECOND, Keeping
from spread_worlds import FIRST, GOOD, LONG, LONG_2, SHORT, SHORT_2, START, plan

from desk.core.ports import OptionActivity
from desk.domain.decisions import Mode
from desk.domain.orders import OrderEvent, OrderStatus, PositionIntent
from desk.domain.spreads import Settlement, SpreadPhase
from desk.domain.steps import SpreadOrder
from desk.runtime.spread_keeper import LIVE_PACE

# ---- what cannot be read ---------------------------------------------------------------------------------------------------


ODD = [
    KeyError("snapshots"),
    TypeError("'NoneType' object is not iterable"),
    ValueError("The data in response does not match any known keys."),
    ArithmeticError("not a number"),
    AttributeError("'NoneType' object has no attribute 'items'"),
]


@pytest.mark.parametrize("error", ODD)
def test_a_chain_that_cannot_be_read_has_a_spread_left_instead_of_rolled_and_the_others_are_left_too(error: Exception) -> None:
    keeping = Keeping(is_rolled=True)
    keeping.leave(SECOND)
    keeping.market.broken["chain"] = error
    keeping.market.said[SHORT] = replace(keeping.market.said[SHORT], delta=-0.6)
    keeping.look(LATER)
    assert keeping.spread(FIRST).phase is SpreadPhase.CLOSING
    assert keeping.sent_for(FIRST) and keeping.sent_for(SECOND)
    assert keeping.desk.mode is Mode.HALTED, "a person has to look"


@pytest.mark.parametrize("error", ODD)
@pytest.mark.parametrize("what", ["spots", "quotes"])
def test_prices_that_cannot_be_read_hold_up_no_exit_that_needs_none_of_them(what: str, error: Exception) -> None:
    keeping = Keeping()
    keeping.leave()
    keeping.market.broken[what] = error
    keeping.market.spot = 97.0  # through the strike
    keeping.look(LATER)
    assert keeping.desk.mode is Mode.HALTED
    if what == "spots":
        assert keeping.sent_for(FIRST)
    else:
        assert keeping.spread(SECOND).phase is SpreadPhase.CLOSING


def test_a_spread_that_cannot_be_looked_after_leaves_the_others_to_be_and_is_told_at_the_end() -> None:
    keeping = Keeping()
    keeping.leave(FIRST)
    keeping.leave(SECOND)
    text: Any = "0.90"  # where every reader promises a number
    keeping.market.said[SHORT] = replace(GOOD[SHORT], bid=text)
    with pytest.raises(TypeError):
        keeping.look(LATER)
    assert not keeping.sent_for(FIRST)
    assert keeping.sent_for(SECOND)


def test_an_account_that_cannot_be_asked_for_a_reason_that_nobody_foresaw_is_told_after_the_exits() -> None:
    keeping = Keeping()
    keeping.leave()
    keeping.market.broken["activities"] = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        keeping.look(START + timedelta(hours=1))
    assert keeping.sent_for(FIRST)


def test_entries_are_called_back_at_the_end_though_another_spread_cannot_be_looked_after() -> None:
    keeping = Keeping()
    third = replace(plan(1), key="third", underlying="IWM")
    keeping.desk.about_spreads(lambda spreads: spreads.open(third))
    keeping.look(START + timedelta(seconds=1))
    (entry,) = keeping.sent_for("third")
    keeping.market.broken["quotes"] = RuntimeError("a bug")
    waited = 0

    def ends(_seconds: float) -> None:
        nonlocal waited
        waited += 1
        for role in entry.spec.roles:
            keeping.desk.order_event(OrderEvent(entry.key, role, OrderStatus.CANCELED, START, "id", None, ""))

    with pytest.raises(RuntimeError, match="a bug"):
        keeping.keeper.part(keeping.clock.now, ends)
    assert waited == 1 and not entry_works(keeping, entry)


def entry_works(keeping: Keeping, entry: SpreadOrder) -> bool:
    spread = keeping.desk.spreads.spread(entry.spread)
    return spread is not None and any(order.spec.key == entry.key for order in spread.working)


# ---- since when ------------------------------------------------------------------------------------------------------------


EVENING = datetime(2026, 1, 5, 20, 59, 30, tzinfo=UTC)
MORNING = datetime(2026, 1, 6, 14, 30, tzinfo=UTC)


def test_a_quote_that_was_missing_in_the_evening_counts_from_the_opening_on() -> None:
    keeping = Keeping()
    del keeping.market.said[LONG]
    keeping.look(EVENING)
    keeping.market.spot = 99.0
    keeping.look(MORNING)
    assert keeping.spread(FIRST).phase is SpreadPhase.CLOSING and not keeping.outbox.sent
    keeping.look(MORNING + timedelta(minutes=1))
    assert not keeping.outbox.sent
    keeping.look(MORNING + timedelta(minutes=2))
    (step,) = keeping.sent_for(FIRST)
    assert step.spec.position_intent is PositionIntent.BUY_TO_CLOSE


def test_a_look_at_a_closed_market_forgets_what_was_missing() -> None:
    keeping = Keeping()
    del keeping.market.said[SHORT]
    keeping.looks(EVENING - timedelta(minutes=5), 5)
    keeping.leave()
    keeping.look(EVENING + timedelta(minutes=2))
    assert not keeping.heard("nobody has offered")


def test_time_in_which_no_answer_came_is_not_time_in_which_nobody_quoted() -> None:
    keeping = Keeping()
    keeping.leave()
    keeping.market.broken["quotes"] = ConnectionError("no route to the broker")
    keeping.looks(LATER, 10)
    del keeping.market.broken["quotes"], keeping.market.said[LONG]
    keeping.look(LATER + timedelta(minutes=11))
    assert not keeping.outbox.sent
    keeping.look(LATER + timedelta(minutes=13))
    assert len(keeping.sent_for(FIRST)) == 1


# ---- what a person is told --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quoted", [None, ("2.00", "0")])
def test_a_person_is_told_of_an_exit_that_nobody_sells_the_sold_put_to(quoted: tuple[str, str] | None) -> None:
    keeping = Keeping()
    if quoted is None:
        del keeping.market.said[SHORT]
    else:
        keeping.quote(SHORT, *quoted)
    keeping.market.spot = 97.0
    keeping.looks(LATER, 1)
    assert not keeping.heard("nobody has offered")
    keeping.looks(LATER + timedelta(minutes=1), 5)
    (line,) = keeping.heard("nobody has offered")
    assert f"{SHORT} since 10:12 New York" in line and "Look at the account" in line
    assert not keeping.sent_for(FIRST)


def test_what_is_told_counts_from_when_the_sold_put_itself_was_not_quoted() -> None:
    keeping = Keeping()
    keeping.quote(LONG, "1.20", "1.00")  # crossed: no package, and the sold one is bought back alone
    keeping.looks(LATER, 1)
    del keeping.market.said[SHORT]
    keeping.leave()
    keeping.looks(LATER + timedelta(minutes=2), 5)
    (line,) = keeping.heard("nobody has offered")
    assert f"{SHORT} since 10:14 New York" in line


@pytest.mark.parametrize("error", [ConnectionError("no route to the broker"), ValueError("odd")])
def test_a_request_of_ours_that_failed_is_not_told_as_a_market_without_quotes(error: Exception) -> None:
    keeping = Keeping()
    keeping.leave()
    keeping.market.broken["quotes"] = error
    keeping.looks(LATER, 6)
    assert not keeping.heard("nobody has offered")
    (line,) = keeping.heard("could not be had")
    assert "since 10:12 New York" in line and "exits wait" in line and "Look at the account" in line
    keeping.market.broken.clear()
    keeping.looks(LATER + timedelta(minutes=7), 1)
    assert len(keeping.heard("there again")) == 1 and len(keeping.heard("could not be had")) == 1


def test_prices_of_underlyings_that_could_not_be_had_are_told_by_what_waits_for_them() -> None:
    keeping = Keeping()
    keeping.market.broken["spots"] = ConnectionError("no route to the broker")
    keeping.looks(LATER, 4)
    (line,) = keeping.heard("could not be had")
    assert "underlyings" in line


def test_one_request_that_is_not_answered_is_no_news() -> None:
    keeping = Keeping()
    keeping.market.broken["quotes"] = ConnectionError("no route to the broker")
    keeping.looks(LATER, 1)
    keeping.market.broken.clear()
    keeping.looks(LATER + timedelta(minutes=2), 2)
    assert not keeping.told


# ---- what nobody buys --------------------------------------------------------------------------------------------------------


def test_only_a_bought_put_that_nobody_bids_for_is_unsalable() -> None:
    keeping = Keeping().bare()
    keeping.look(LATER + timedelta(seconds=2))
    assert keeping.keeper.unsalable == {FIRST}
    del keeping.market.said[LONG]
    keeping.look(LATER + timedelta(seconds=4))
    assert keeping.keeper.unsalable == frozenset()
    keeping.market.broken["quotes"] = ConnectionError("one lost request")
    keeping.look(LATER + timedelta(seconds=6))
    assert keeping.keeper.unsalable == frozenset()


def test_a_bought_put_without_a_quote_is_looked_at_as_seldom_as_what_is_held() -> None:
    keeping = Keeping().bare()
    del keeping.market.said[LONG]
    now = LATER + timedelta(seconds=2)
    keeping.look(now)
    assert keeping.keeper.next_look(now) == now + LIVE_PACE.held


# ---- what the account holds ----------------------------------------------------------------------------------------------------


def test_no_more_assigned_shares_are_sold_than_the_account_has() -> None:
    keeping = Keeping()
    keeping.market.told = (OptionActivity("a", SHORT, Settlement.ASSIGNED, 1, START + timedelta(hours=1)),)
    keeping.market.held = {LONG: 1, "SPY": 40, SHORT_2: -1, LONG_2: 1}
    keeping.look(START + timedelta(hours=1, minutes=1))
    (step,) = keeping.sent_for(FIRST)
    assert (keeping.spread().stock, step.spec.symbol, step.spec.quantity) == (100, "SPY", 40)
