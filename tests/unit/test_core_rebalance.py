"""Targets worked out by hand: what becomes of them beside what is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from rebalanced_books import (
    ADD,
    CLOSE,
    NO_EXITS,
    NOW,
    OPEN,
    REDUCE,
    RULE,
    RULES,
    S,
    aged,
    aged_market,
    book_of,
    done,
    flat_market,
    held,
    orders,
    reasons,
    target,
    trade,
)

from desk.core.rebalance import Rebalanced, RebalanceRules
from desk.core.review import Limits, Situation, review
from desk.domain.decisions import Approved, AtrExit, Intent, Mode, Reason, Shares, Target, Weight
from desk.domain.market import DailyBars, Market, Quote
from desk.domain.trades import Account, Book

# ---- opening and closing -------------------------------------------------------------------------------------------------


def test_what_is_left_is_sold_before_anything_is_bought() -> None:
    result = done([target("BBB", Weight(0.15)), target("AAA", Shares(0))], held("AAA", 80))
    assert result.intents == (
        Intent(CLOSE, "AAA", 80, 99.9, RULE, "why AAA", 0.7, 100.0),
        Intent(OPEN, "BBB", 149, 100.2, RULE, "why BBB", 0.7, 100.0),
    )
    assert result.left_alone == ()


def test_an_entry_pays_up_to_a_fifth_of_a_percent_above_the_offer() -> None:
    (intent,) = done([target("AAA", Shares(10))], Book()).intents
    assert intent.price == 100.3  # 100.1 * 1.002 = 100.3002
    assert intent.reference_price == 100.0


def test_a_trade_on_its_way_is_left_whole_even_when_nothing_is_bought_yet() -> None:
    for entered in (0, 30):
        (intent,) = done([target("AAA", Weight(0.0))], held("AAA", entered)).intents
        assert (intent.kind, intent.quantity) == (CLOSE, entered)


def test_a_close_is_asked_for_again_while_it_is_on_its_way() -> None:
    leaving = book_of(trade("AAA", exit_requested="left"))
    assert orders(done([target("AAA", Shares(0))], leaving)) == [(CLOSE, "AAA", 80)]


@pytest.mark.parametrize(("equity_usd", "weight", "price"), [(321_720.0, 0.1, 160.86), (199_290.0, 0.15, 76.65)])
def test_a_position_sized_by_the_cap_passes_the_cap(equity_usd: float, weight: float, price: float) -> None:
    ask = price / 1.002 + 0.00001
    shown = Market(NOW, NOW.date(), {}, {"AAA": Quote(NOW, ask, ask, ask)})
    result = done([target("AAA", Weight(weight))], Book(), shown, equity_usd=equity_usd)
    account = Account(equity_usd, equity_usd, {})
    (verdict,) = review(result.intents, Situation(Book(), account, Limits(weight), Mode.ACTIVE, NOW.date()))
    assert isinstance(verdict, Approved)


def test_nothing_is_sold_that_is_not_held_and_nothing_bought_without_a_price() -> None:
    result = done([target("AAA", Shares(0)), target("ZZZ", Weight(0.1))], Book())
    assert result.intents == ()
    assert reasons(result) == [("ZZZ", Reason.NO_PRICE)]


@pytest.mark.parametrize("price", [0.0, float("nan"), float("inf"), -1.0])
def test_a_quote_that_is_no_price_moves_nothing(price: float) -> None:
    shown = flat_market(AAA=price, BBB=price, CCC=price)
    wishes = [target("AAA", Shares(0)), target("BBB", Weight(0.1)), target("CCC", Weight(0.5))]
    result = done(wishes, book_of(trade("AAA"), trade("CCC")), shown)
    assert result.intents == ()
    assert sorted(reasons(result)) == [(symbol, Reason.NO_PRICE) for symbol in ("AAA", "BBB", "CCC")]


def test_of_two_targets_of_a_symbol_the_first_counts() -> None:
    assert orders(done([target("AAA", Shares(5)), target("AAA", Shares(9))], Book())) == [(OPEN, "AAA", 5)]


# ---- exits of what is bought ---------------------------------------------------------------------------------------------


def test_an_entry_carries_the_range_of_its_bars_as_fractions_of_its_limit() -> None:
    prices = np.full(20, 100.0)
    days = tuple(date(2023, 12, day) for day in range(1, 21))
    bars = DailyBars(days, prices, prices + 1, prices - 1, prices, prices)
    wish = Target("AAA", Shares(5), AtrExit(2.0, 4.0), "test")
    (intent,) = done([wish], Book(), Market(NOW, NOW.date(), {"AAA": bars})).intents
    assert intent.exit_rule.stop_loss_fraction == pytest.approx(2.0 * 2.0 / 100.2)
    assert intent.exit_rule.take_profit_fraction == pytest.approx(4.0 * 2.0 / 100.2)


@pytest.mark.parametrize("book", [Book(), book_of(trade("AAA", 80))])
def test_nothing_is_bought_under_a_rule_that_gives_no_exits(book: Book) -> None:
    result = done([Target("AAA", Weight(0.5), AtrExit(2.0, 4.0), "test")], book)
    assert result.intents == ()
    ((symbol, reason),) = reasons(result)
    assert (symbol, reason) == ("AAA", Reason.BAD_TARGET)
    assert "14" in result.left_alone[0].text


def test_a_sale_needs_no_exits() -> None:
    wish = Target("AAA", Weight(0.04), AtrExit(2.0, 4.0), "test")
    (intent,) = done([wish], book_of(trade("AAA", 80))).intents
    assert (intent.kind, intent.exit_rule) == (REDUCE, NO_EXITS)


# ---- towards the target --------------------------------------------------------------------------------------------------


def test_a_held_symbol_is_moved_to_its_target_when_it_is_off_by_more_than_the_tolerance() -> None:
    book = book_of(trade("AAA", 80))
    for amount, wanted in (
        (Shares(10), (REDUCE, "AAA", 70)),
        (Shares(500), (ADD, "AAA", 420)),
        (Weight(0.9), (ADD, "AAA", 817)),  # 90,000 dollars buy 897 shares at 100.30
        (Weight(0.05), (REDUCE, "AAA", 30)),  # 5,000 dollars are 50.05 shares at 99.90
    ):
        result = done([target("AAA", amount)], book)
        assert orders(result) == [wanted]
        assert result.left_alone == ()


def test_more_is_bought_at_the_entry_s_limit_and_less_is_sold_at_the_bid() -> None:
    book = book_of(trade("AAA", 80))
    assert done([target("AAA", Shares(500))], book).intents == (Intent(ADD, "AAA", 420, 100.3, RULE, "why AAA", 0.7, 100.0),)
    assert done([target("AAA", Shares(10))], book).intents == (Intent(REDUCE, "AAA", 70, 99.9, RULE, "why AAA", 0.7, 100.0),)


def test_a_small_drift_is_left_alone_and_one_below_a_share_is_not_worth_a_word() -> None:
    book = book_of(trade("AAA", 80))
    for amount in (Shares(61), Shares(99), Weight(0.07), Weight(0.09)):
        result = done([target("AAA", amount)], book)
        assert (result.intents, reasons(result)) == ((), [("AAA", Reason.WITHIN_BAND)])
    for amount in (Shares(80), Weight(0.0799), Weight(0.0803)):
        assert done([target("AAA", amount)], book) == Rebalanced((), ())


def test_a_target_of_less_than_a_share_leaves_one() -> None:
    assert orders(done([target("AAA", Weight(0.0004))], book_of(trade("AAA", 80)))) == [(REDUCE, "AAA", 79)]


def test_trades_below_the_smallest_notional_are_not_worth_their_costs_but_for_a_close() -> None:
    rules = RebalanceRules(1.0, tolerance_fraction=0.0, min_notional_usd=1_000.0)
    book = book_of(trade("AAA", 5), trade("BBB", 5))
    result = done([target("AAA", Shares(14)), target("BBB", Shares(1))], book, rules=rules)
    assert reasons(result) == [("BBB", Reason.MIN_NOTIONAL), ("AAA", Reason.MIN_NOTIONAL)]
    assert orders(done([target("AAA", Shares(0))], book, rules=rules)) == [(CLOSE, "AAA", 5)]
    assert orders(done([target("AAA", Shares(15))], book, rules=rules)) == [(ADD, "AAA", 10)]


def test_the_largest_drift_is_reduced_and_added_to_first() -> None:
    book = book_of(*(trade(symbol, 100) for symbol in "ABCD"))
    shown = flat_market(A=100, B=100, C=100, D=100)
    wishes = [target("A", Shares(70)), target("B", Shares(40)), target("C", Shares(130)), target("D", Shares(160))]
    assert orders(done(wishes, book, shown)) == [(REDUCE, "B", 60), (REDUCE, "A", 30), (ADD, "D", 60), (ADD, "C", 30)]


def test_tranches_of_a_symbol_count_together() -> None:
    book = book_of(trade("AAA", 50), trade("AAA", 50, key="add"))
    assert orders(done([target("AAA", Shares(60))], book)) == [(REDUCE, "AAA", 40)]


MOTIONS: list[dict[str, Any]] = [
    {"entry_status": S.WORKING},
    {"exit_requested": "left"},
    {"is_renewing": True},
    {"is_being_sold": True},
    {"target_status": S.CANCELED, "stop_status": S.CANCELED},
]


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("amount", [Shares(10), Shares(500), Weight(0.9)])
def test_nothing_is_asked_of_a_symbol_in_motion(motion: dict[str, Any], amount: Shares | Weight) -> None:
    book = book_of(trade("AAA", 80, **motion), trade("AAA", 300, key="add"))
    result = done([target("AAA", amount)], book, rules=replace(RULES, max_position_fraction=0.1))
    assert (result.intents, reasons(result)) == ((), [("AAA", Reason.ALREADY_WORKING)])


def test_an_entry_that_was_ended_half_way_is_settled_once_it_is_covered() -> None:
    ended = trade("AAA", 80, 100, entry_status=S.CANCELED, cancel_requested=True, covers=("c1",))
    assert orders(done([target("AAA", Shares(10))], book_of(ended))) == [(REDUCE, "AAA", 70)]


def test_without_an_equity_nothing_is_weighed() -> None:
    book = book_of(trade("AAA", 80), trade("BBB", 80))
    wishes = [target("AAA", Weight(0.1))]
    for equity_usd in (0.0, -5.0, float("nan")):
        result = done(wishes, book, equity_usd=equity_usd)
        assert (result.intents, reasons(result)) == ((), [("AAA", Reason.CASH)])


# ---- order ---------------------------------------------------------------------------------------------------------------


def test_all_kinds_at_once_come_in_the_order_in_which_they_may_be_sent() -> None:
    column = aged_market().bars["AAA"]
    symbols = ("AAA", "BBB", "CCC", "DDD", "EEE")
    shown = Market(NOW, NOW.date(), {symbol: column for symbol in symbols})
    book = book_of(trade("CCC", 100), aged("AAA", 30, 27, "old"), trade("BBB", 100), trade("DDD", 100))
    wishes = [target("DDD", Shares(200)), target("EEE", Shares(10)), target("CCC", Shares(20)), target("BBB", Shares(0))]
    assert orders(done(wishes, book, shown)) == [
        (CLOSE, "BBB", 100),
        (CLOSE, "AAA", 30),
        (REDUCE, "CCC", 80),
        (OPEN, "EEE", 10),
        (ADD, "DDD", 100),
    ]
