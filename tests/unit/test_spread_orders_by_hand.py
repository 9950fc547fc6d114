"""A person closes a spread: what he may replace, how long the command waits, and what it says of what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from requests import ConnectionError
from spread_keeping import LATER, LOSS, Keeping
from spread_worlds import FIRST, GOOD, LONG, SHORT

from desk.core.spread_entry import SpreadPolicy
from desk.domain.options import OptionQuote
from desk.domain.orders import OrderEvent, OrderStatus
from desk.domain.spreads import SpreadPhase
from desk.domain.steps import Cancel
from desk.report.spread_words import close_lines, rest_words
from desk.runtime.build import market_hours
from desk.runtime.spread_build import SpreadTeam
from desk.runtime.spread_desk import SpreadDesk
from desk.runtime.spread_opener import SpreadOpener, Standing
from desk.runtime.spread_orders import BY_HAND, ClosePlan, Outcome, close_now, plan_to_close
from options.refusals import SpreadRefusal

PROFIT = "profit target: 0.60 of 0.50 earned"
DAYS = "days to expiration: 11 days to expiration, left at 21"
PAUSE = timedelta(seconds=2)


def opener_of(keeping: Keeping) -> SpreadOpener:
    standing = Standing(3, Decimal(100_000))
    return SpreadOpener(keeping.desk, keeping.market, lambda: standing, market_hours, SpreadPolicy())


def desk_of(keeping: Keeping, answers: Callable[[int], Any]) -> SpreadDesk:
    """A desk opened for a person's orders; `answers` is what the broker does at each turn, counted from one."""
    turns = 0

    def settle() -> None:
        nonlocal turns
        turns += 1
        answers(turns)

    def goes_on() -> None:
        keeping.clock.move_to(keeping.clock.now() + PAUSE)

    team = SpreadTeam(opener_of(keeping), keeping.keeper)
    return SpreadDesk(keeping.desk, team, keeping.clock, goes_on, settle)


def closed(keeping: Keeping, answers: Callable[[int], Any]) -> Outcome:
    found = close_now(desk_of(keeping, answers), FIRST, lambda plan: None)
    assert isinstance(found, Outcome)
    return found


def buys_back(keeping: Keeping) -> None:
    """The broker fills the order for the sold put alone."""
    for order in keeping.spread().working:
        if order.spec.symbol == SHORT:
            keeping.fill(next(step for step in keeping.outbox.sent if step.key == order.spec.key))


# ---- what a person may replace ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", [PROFIT, DAYS])
def test_a_person_closes_a_spread_whose_exit_waits_for_its_price(why: str) -> None:
    keeping = Keeping()
    keeping.leave(why=why)
    keeping.look(LATER)
    (resting,) = keeping.sent_for(FIRST)
    found = plan_to_close(opener_of(keeping), keeping.spread(), keeping.clock)
    assert isinstance(found, ClosePlan)
    told = dict(close_lines(found.spread, found.debit_mid, found.debit_natural, found.pnl_usd))
    assert why in told["replaces"] and f"{resting.spec.limit_price:.2f}" in told["replaces"]


def test_an_open_spread_replaces_nothing() -> None:
    keeping = Keeping()
    keeping.look(LATER)
    found = plan_to_close(opener_of(keeping), keeping.spread(), keeping.clock)
    assert isinstance(found, ClosePlan)
    assert "replaces" not in dict(close_lines(found.spread, found.debit_mid, found.debit_natural, found.pnl_usd))


@pytest.mark.parametrize("why", [LOSS, BY_HAND])
def test_an_exit_that_does_not_wait_is_left_to_itself(why: str) -> None:
    keeping = Keeping()
    keeping.leave(why=why)
    keeping.look(LATER)
    found = plan_to_close(opener_of(keeping), keeping.spread(), keeping.clock)
    assert isinstance(found, SpreadRefusal) and why in found.text


def test_a_person_who_closes_gets_another_order_than_the_one_that_rested_below_the_market() -> None:
    keeping = Keeping()
    keeping.leave(why=PROFIT)
    keeping.quote(SHORT, "3.60", "3.80")
    keeping.quote(LONG, "1.00", "1.20")

    def ends_what_is_asked_to(_turn: int) -> None:
        for order in keeping.spread().working:
            if order.cancel_asked_at is not None:
                for role in order.spec.roles:
                    said = OrderEvent(order.spec.key, role, OrderStatus.CANCELED, keeping.clock.now(), "id", None, "")
                    keeping.desk.order_event(said)

    for seconds in range(0, 300, 10):
        keeping.look(LATER + timedelta(seconds=seconds))
        ends_what_is_asked_to(0)
    at_most = keeping.sent_for(FIRST)[-1].spec.limit_price
    assert at_most is not None and at_most < GOOD[SHORT].mid - GOOD[LONG].mid, "no more than the credit"
    closed(keeping, ends_what_is_asked_to)
    last = keeping.sent_for(FIRST)[-1].spec.limit_price
    assert keeping.spread().why == BY_HAND
    assert last is not None and last >= Decimal("2.80"), "what it costs at once"
    assert any(isinstance(step, Cancel) for step in keeping.outbox.sent)


# ---- what is left --------------------------------------------------------------------------------------------------------------


def test_a_request_that_is_not_answered_ends_no_command() -> None:
    keeping = Keeping()
    keeping.look(LATER)
    keeping.quote(LONG, "0", "0.20")

    def answers(turn: int) -> None:
        buys_back(keeping)
        keeping.market.broken = {"quotes": ConnectionError("one lost request")} if turn in (1, 2) else {}
        keeping.quote(LONG, "0.90", "1.10")
        for order in keeping.spread().working if FIRST in keeping.desk.spreads.open else ():
            if order.spec.symbol == LONG:
                keeping.fill(next(step for step in keeping.outbox.sent if step.key == order.spec.key))

    outcome = closed(keeping, answers)
    assert outcome.spread.phase is SpreadPhase.CLOSED and outcome.rest == "" and outcome.is_at_rest


def test_a_command_waits_for_prices_up_to_its_limit_and_says_what_it_waited_for() -> None:
    keeping = Keeping()
    keeping.look(LATER)
    keeping.quote(LONG, "0", "0.20")
    begun = keeping.clock.now()

    def answers(_turn: int) -> None:
        buys_back(keeping)
        keeping.market.said.pop(LONG, None)

    outcome = closed(keeping, answers)
    assert keeping.clock.now() - begun >= timedelta(minutes=2)
    assert not outcome.is_at_rest and "not quoted" in outcome.rest and LONG in outcome.rest and "order" not in outcome.rest


def test_a_command_says_that_nobody_bids_for_the_bought_put_and_does_not_wait() -> None:
    keeping = Keeping()
    keeping.look(LATER)
    keeping.quote(LONG, "0", "0.20")
    begun = keeping.clock.now()
    outcome = closed(keeping, lambda turn: buys_back(keeping))
    assert keeping.clock.now() - begun <= 3 * PAUSE
    assert "nobody bids" in outcome.rest and LONG in outcome.rest


def test_a_command_says_that_an_order_rests_where_one_does() -> None:
    keeping = Keeping()
    keeping.look(LATER)
    outcome = closed(keeping, lambda turn: None)
    assert keeping.spread().working and outcome.rest == "an order still rests at the broker"


def test_words_for_what_is_left_go_by_what_is_missing() -> None:
    there = replace(Keeping().spread(), phase=SpreadPhase.CLOSING, why=BY_HAND)
    silent = {symbol: quote for symbol, quote in GOOD.items() if symbol != SHORT}
    mute: dict[str, OptionQuote] = {**GOOD, SHORT: replace(GOOD[SHORT], ask=Decimal(0))}
    for quotes in (silent, mute):
        assert SHORT in rest_words(there, quotes) and LONG not in rest_words(there, quotes)
    refused = replace(there, refusals=1, refused="buying power")
    assert "buying power" in rest_words(refused, GOOD)
    assert rest_words(there, GOOD) == "it goes on with the next look"
