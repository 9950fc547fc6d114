"""How many shares of an assignment an answer of the account shows for a spread, and what becomes of that count until the next."""

from __future__ import annotations

from collections.abc import Mapping
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
from desk.domain.decisions import Mode
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import OrderEvent, OrderStatus
from desk.domain.spreads import Settlement, Spread, SpreadPhase
from desk.runtime.spread_account import SpreadAccount

OPENING = datetime(2026, 1, 6, 14, 30, 5, tzinfo=START.tzinfo)
ASSIGNED = OptionActivity("night", SHORT, Settlement.ASSIGNED, 1, datetime(2026, 1, 6, 11, tzinfo=START.tzinfo))
PATIENCE = timedelta(minutes=5)


def sold(number: str, count: int, at: datetime) -> OptionActivity:
    return OptionActivity(number, "SPY", Settlement.TRADED, count, at, Decimal(99 * count), f"by-hand-{number}")


class Two:
    """An account that answers for two spreads on one underlying; `stocks` are the shares that assignments brought to each."""

    def __init__(self, others: int = 0, **stocks: int) -> None:
        self.broker = Broker(held={})
        self.desk: Any = SimpleNamespace(
            book=SimpleNamespace(shares_of=lambda symbol: others),
            differences=SimpleNamespace(foreign={}),
            member_of=lambda *ids: None,
            about_spreads=lambda asked: None,
            halt=lambda reason: None,
        )
        self.hold(**stocks)
        self.account = SpreadAccount(self.desk, self.broker, PATIENCE)

    def hold(self, apart: timedelta = PATIENCE, **stocks: int) -> None:
        every = (
            Spread(replace(plan(1), key=key, decided_at=START + n * apart), START, SpreadPhase.REPAIRING, stock=stock)
            for n, (key, stock) in enumerate(stocks.items())
        )
        self.desk.spreads = SpreadBook({spread.key: spread for spread in every})

    def answer(self, shares: int, minutes: float = 0) -> None:
        self.broker.held = {"SPY": shares}
        self.account.ask(OPENING + timedelta(minutes=minutes))

    def there(self) -> dict[str, int]:
        return {key: self.account.shares_there(spread) for key, spread in self.desk.spreads.open.items()}


@pytest.mark.parametrize(
    ("others", "stocks", "shares", "there"),
    [
        (0, (100, 100), 200, (100, 100)),
        (0, (100, 100), 130, (100, 30)),
        (50, (100, 100), 200, (100, 50)),
        (50, (100, 100), 40, (0, 0)),
        (-100, (100, 0), 0, (0, 0)),
        (-100, (100, 100), 150, (100, 50)),
        (0, (-100, -100), -200, (-100, -100)),
        (0, (-100, -100), -130, (-100, -30)),
        (-50, (-100, 0), -150, (-100, 0)),
        (100, (-100, 0), 0, (-100, 0)),  # his own were delivered for the exercised put
        (0, (-100, 0), 100, (0, 0)),
        (0, (-100, 100), 0, (-100, 0)),  # what was bought back may be sold after that
    ],
)
def test_the_oldest_spread_comes_first_and_nobody_elses_shares_are_counted(
    others: int, stocks: tuple[int, int], shares: int, there: tuple[int, int]
) -> None:
    two = Two(others, **dict(zip((FIRST, SECOND), stocks, strict=True)))
    two.answer(shares)
    assert two.there() == {key: abs(count) for key, count in zip((FIRST, SECOND), there, strict=True)}


def test_what_one_spread_sold_is_not_given_to_the_next_before_another_answer() -> None:
    two = Two(one=100, second=100)
    two.answer(100)
    assert two.there() == {"one": 100, "second": 0}
    two.hold(one=0, second=100)
    assert two.there() == {"one": 0, "second": 0}
    two.answer(0, minutes=1)
    assert two.there() == {"one": 0, "second": 0}


def test_a_count_goes_down_with_what_is_sold_and_never_up() -> None:
    two = Two(one=200)
    two.answer(150)
    for stock, there in ((200, 150), (120, 70), (50, 0), (300, 150), (-100, 0)):
        two.hold(one=stock)
        assert two.there() == {"one": there}


def test_shares_that_were_sold_while_the_answer_came_are_not_counted() -> None:
    """The account answered before the sale, and the news of it was booked before the answer was."""
    two = Two(one=100, second=100)

    class Slow(Broker):
        def positions(self) -> Mapping[str, int]:
            two.hold(one=0, second=100)
            return {"SPY": 100}

    two.account = SpreadAccount(two.desk, Slow(), PATIENCE)
    two.account.ask(OPENING)
    assert two.there() == {"one": 0, "second": 0}


def test_an_account_that_does_not_answer_shows_no_shares() -> None:
    two = Two(one=100)
    two.answer(100)
    two.broker.broken = {"positions": ConnectionError("no answer")}
    two.answer(100, minutes=6)
    assert two.there() == {"one": 0}


# ---- what is sent ----------------------------------------------------------------------------------------------------------


def test_an_answer_of_before_shows_nothing_of_what_a_comparison_finds_after_it() -> None:
    """A person sells a hundred before the first look and his own hundred after it."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": 100})
    held.broker.told, held.broker.held = (ASSIGNED,), {LONG: 1, "SPY": 100}
    held.broker.executed = (sold("1", 100, OPENING - timedelta(hours=1)),)
    keeper = held.keeper()
    keeper.look(OPENING)
    held.broker.held = {LONG: 1}
    held.broker.executed += (sold("2", 100, OPENING + timedelta(seconds=1)),)
    held.desk.compare(BrokerView(held.broker.held), None)
    assert held.desk.differences.foreign["SPY"] == 0
    for seconds in (2, 10, 29, 31, 62, 95):
        held.clock.move_to(OPENING + timedelta(seconds=seconds))
        keeper.look(held.clock.now())
    assert held.share_orders() == [] and held.spread.stock == 0


def exercised(shares: int) -> Held:
    """A bought put that was left alone was exercised, and the account holds so many shares."""
    held = Held()
    held.broker.held = {LONG: 1}
    held.broker.executed = (
        OptionActivity("x", SHORT, Settlement.TRADED, 1, START + timedelta(seconds=30), Decimal(-200), "by-hand-x"),
    )
    held.look_often(START + timedelta(minutes=1), (0, 1.5))
    for each in held.spread.working:
        for status in (OrderStatus.WORKING, OrderStatus.EXPIRED):
            for role in each.spec.roles:
                held.desk.order_event(OrderEvent(each.spec.key, role, status, EXPIRATION, each.spec.key))
    saturday = EXPIRATION + timedelta(hours=12)
    held.broker.told = (OptionActivity("e", LONG, Settlement.EXERCISED, 1, saturday),)
    held.broker.held = {"SPY": shares}
    held.outbox.sent.clear()
    return held


def test_shares_that_are_short_for_an_exercised_put_are_bought_back() -> None:
    held = exercised(-100)
    held.look_often(TUESDAY, (0,))
    assert (held.spread.stock, held.share_orders()) == (-100, [("buy", 100)])


def test_shares_that_a_person_bought_back_are_not_bought_again() -> None:
    held = exercised(0)
    at = TUESDAY - timedelta(hours=2)
    held.broker.executed += (OptionActivity("c", "SPY", Settlement.TRADED, 100, at, Decimal(-9000), "by-hand-c"),)
    held.look_often(TUESDAY, (0, 1.5))
    assert held.share_orders() == [] and held.spread.is_closed


def test_a_purchase_that_counts_as_never_sent_is_repeated_only_after_the_account_was_asked() -> None:
    held = exercised(-100)
    keeper = held.keeper()
    held.clock.move_to(TUESDAY)
    keeper.look(TUESDAY)
    key = held.outbox.sent[-1].key
    held.desk.refused(BrokerRefusal(key, None, None, "never reached the broker", explained=True, unsent=True))
    held.broker.held = {}  # it came after all, and its news is late
    for seconds in (6, 12, 29, 31, 45):
        held.clock.move_to(TUESDAY + timedelta(seconds=seconds))
        keeper.look(held.clock.now())
    assert held.share_orders() == [("buy", 100)]


def test_a_person_is_told_of_shares_that_went_into_his_own_short_position() -> None:
    """The desk makes no account short, and the spread would wait for ever."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": -100})
    held.broker.told, held.broker.held = (ASSIGNED,), {LONG: 1}
    held.look_often(OPENING, (0, 2, 8))
    assert held.desk.mode is Mode.ACTIVE and held.share_orders() == []
    held.look_often(OPENING, (8, 11, 19))
    assert held.desk.mode is Mode.HALTED and held.share_orders() == []


def test_spreads_that_were_decided_at_the_same_moment_share_what_is_there() -> None:
    two = Two()
    two.hold(apart=timedelta(0), a=100, b=100)
    two.answer(100)
    assert sum(two.account.shares_there(spread) for spread in two.desk.spreads.open.values()) == 100
