"""What bounds a rebalancing, worked out by hand: caps, cash, turnover and time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rebalanced_books import (
    ADD,
    CLOSE,
    NO_EXITS,
    NOW,
    OPEN,
    REDUCE,
    RULES,
    aged,
    aged_market,
    book_of,
    done,
    flat_market,
    orders,
    reasons,
    target,
    trade,
)

from desk.core.rebalance import Rebalanced, RebalanceRules
from desk.domain.decisions import Intent, Reason, Shares, Weight
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book

# ---- caps ----------------------------------------------------------------------------------------------------------------


def test_a_name_above_cap_and_band_is_trimmed_to_the_cap_without_any_target() -> None:
    rules = replace(RULES, max_position_fraction=0.15)
    shown = flat_market(AAA=100.0)
    assert done([], book_of(trade("AAA", 170)), shown, rules) == Rebalanced((), ())
    assert done([], book_of(trade("AAA", 171)), shown, rules).intents == (
        Intent(REDUCE, "AAA", 21, 100.0, NO_EXITS, "above its cap", None, 100.0),
    )


def test_a_target_above_the_cap_means_the_cap_for_what_is_held() -> None:
    rules = replace(RULES, max_position_fraction=0.15)
    shown = flat_market(AAA=100.0, BBB=100.0)
    book = book_of(trade("AAA", 180), trade("BBB", 100))
    result = done([target("AAA", Weight(0.5)), target("BBB", Shares(400))], book, shown, rules)
    assert orders(result) == [(REDUCE, "AAA", 30), (ADD, "BBB", 49)]  # 149 shares at 100.20


def test_a_trim_is_bounded_by_neither_turnover_nor_the_smallest_notional() -> None:
    rules = RebalanceRules(0.15, min_notional_usd=1e9, max_turnover_fraction=0.0)
    result = done([], book_of(trade("AAA", 300)), flat_market(AAA=100.0), rules)
    assert orders(result) == [(REDUCE, "AAA", 150)]


def test_one_share_above_the_cap_waits_for_a_person() -> None:
    result = done([], book_of(trade("AAA", 1)), flat_market(AAA=50_000.0), replace(RULES, max_position_fraction=0.15))
    assert (result.intents, reasons(result)) == ((), [("AAA", Reason.MAX_POSITION)])


def test_a_name_in_motion_above_the_cap_waits_and_one_below_it_is_not_worth_a_word() -> None:
    rules = replace(RULES, max_position_fraction=0.15)
    waiting = book_of(trade("AAA", 300, is_renewing=True))
    assert reasons(done([], waiting, flat_market(AAA=100.0), rules)) == [("AAA", Reason.ALREADY_WORKING)]
    leaving = book_of(trade("AAA", 300, is_renewing=True, keep=100))
    assert done([], leaving, flat_market(AAA=100.0), rules) == Rebalanced((), ())


INVERSE = RebalanceRules(0.15, min_notional_usd=0.0, inverse_symbols=frozenset({"SH", "SQQQ"}), max_inverse_fraction=0.20)


def test_an_inverse_fund_is_opened_only_within_the_room_that_the_others_leave_at_their_price_of_now() -> None:
    """SH was bought at 100 and is worth 18,000 of the 20,000 now; 1,980 dollars of SQQQ fit, 2,204 do not."""
    held, shown = book_of(trade("SH", 180)), flat_market(SH=100.0, SQQQ=20.0)
    assert orders(done([target("SQQQ", Shares(98))], held, shown, INVERSE)) == [(OPEN, "SQQQ", 98)]
    refused = done([target("SQQQ", Shares(110))], held, shown, INVERSE)
    assert (refused.intents, reasons(refused)) == ((), [("SQQQ", Reason.MAX_INVERSE)])


def test_inverse_funds_are_trimmed_together_the_largest_first() -> None:
    shown = flat_market(SH=10.0, SQQQ=20.0)
    within = book_of(trade("SH", 1_600), trade("SQQQ", 300))  # 16,000 and 6,000 dollars: at cap and band
    assert done([], within, shown, INVERSE) == Rebalanced((), ())
    above = book_of(trade("SH", 1_601), trade("SQQQ", 300))
    assert orders(done([], above, shown, INVERSE)) == [(REDUCE, "SH", 201)]


def test_a_second_inverse_fund_is_reduced_when_the_largest_is_in_motion() -> None:
    book = book_of(trade("SH", 1_600, is_renewing=True), trade("SQQQ", 700))
    assert orders(done([], book, flat_market(SH=10.0, SQQQ=20.0), INVERSE)) == [(REDUCE, "SQQQ", 500)]
    stuck = book_of(trade("SH", 3_000, is_renewing=True), trade("SQQQ", 100))
    result = done([], stuck, flat_market(SH=10.0, SQQQ=20.0), INVERSE)
    assert orders(result) == [(REDUCE, "SQQQ", 99)]
    assert reasons(result) == [("SH", Reason.MAX_INVERSE)]


def test_an_inverse_fund_on_its_way_out_is_not_made_up_for_by_another() -> None:
    shown = flat_market(SH=10.0, SQQQ=20.0)
    for leaving in ({"exit_requested": "left"}, {"is_being_sold": True}, {"is_renewing": True, "keep": 100}):
        book = book_of(trade("SH", 1_600, **leaving), trade("SQQQ", 700))
        assert orders(done([], book, shown, INVERSE)) == []
    book = book_of(trade("SH", 1_600), trade("SQQQ", 700))
    assert orders(done([target("SH", Shares(0))], book, shown, INVERSE)) == [(CLOSE, "SH", 1_600)]


def test_inverse_funds_come_to_their_cap_or_a_little_below() -> None:
    book = book_of(trade("SH", 2_300))
    assert orders(done([], book, flat_market(SH=9.99), INVERSE)) == [(REDUCE, "SH", 298)]  # 2,002 shares are 19,999.98 dollars


def test_an_overdue_inverse_fund_counts_as_gone() -> None:
    old = aged("AAA", 150, 27, "old")
    book = book_of(old, aged("AAA", 100, 29, "new"))
    inverse = replace(INVERSE, inverse_symbols=frozenset({"AAA", "BBB"}))
    prices = aged_market().bars["AAA"]
    shown = Market(NOW, NOW.date(), {"AAA": prices, "BBB": prices})
    both = book_of(*book.open.values(), trade("BBB", 100))
    assert orders(done([], both, shown, inverse)) == [(CLOSE, "AAA", 150)]  # what stays is at the cap


def test_what_a_target_takes_from_the_inverse_funds_counts_before_they_are_trimmed() -> None:
    book = book_of(trade("SH", 1_600), trade("SQQQ", 700))  # 16,000 and 14,000 dollars
    result = done([target("SQQQ", Shares(400))], book, flat_market(SH=10.0, SQQQ=20.0), INVERSE)
    assert orders(result) == [(REDUCE, "SQQQ", 300), (REDUCE, "SH", 400)]


def test_an_inverse_fund_grows_above_the_single_cap_and_never_above_the_common_one() -> None:
    shown = flat_market(SH=10.0, SQQQ=20.0)
    book = book_of(trade("SH", 1_000), trade("SQQQ", 100))
    result = done([target("SH", Weight(0.5))], book, shown, INVERSE)
    assert orders(result) == [(ADD, "SH", 798)]  # 8,000 dollars are left of 20,000; a share costs 10.02
    full = book_of(trade("SH", 1_800), trade("SQQQ", 100))
    assert reasons(done([target("SH", Weight(0.5))], full, shown, INVERSE)) == [("SH", Reason.MAX_INVERSE)]
    opened = done([target("SQQQ", Weight(0.12)), target("SH", Weight(0.5))], book_of(trade("SH", 500)), shown, INVERSE)
    assert orders(opened) == [(OPEN, "SQQQ", 598), (ADD, "SH", 301)]  # 20,000 - 5,000 - 11,984 dollars


# ---- cash and turnover ---------------------------------------------------------------------------------------------------


def test_an_addition_is_shrunk_to_what_the_cash_pays() -> None:
    book, shown = book_of(trade("AAA", 80)), flat_market(AAA=100.0)
    assert orders(done([target("AAA", Shares(500))], book, shown, cash_usd=10_020.0)) == [(ADD, "AAA", 100)]
    buffered = replace(RULES, cash_buffer_fraction=0.05)
    assert orders(done([target("AAA", Shares(500))], book, shown, buffered, cash_usd=10_020.0)) == [(ADD, "AAA", 50)]
    for rules, cash_usd in ((RULES, 100.0), (RULES, -3.0), (replace(RULES, min_notional_usd=2_000.0), 1_500.0)):
        result = done([target("AAA", Shares(500))], book, shown, rules, cash_usd=cash_usd)
        assert (result.intents, reasons(result)) == ((), [("AAA", Reason.CASH)])


def test_additions_share_the_cash() -> None:
    shown, wishes = flat_market(AAA=100.0, BBB=100.0), [target("AAA", Shares(500)), target("BBB", Shares(200))]
    book = book_of(trade("AAA", 400), trade("BBB", 80))
    assert orders(done(wishes, book, shown, cash_usd=15_030.0)) == [(ADD, "BBB", 120), (ADD, "AAA", 30)]


def test_cash_goes_to_openings_first_and_to_those_in_the_order_of_the_targets() -> None:
    shown = flat_market(AAA=100.0, BBB=100.0, CCC=100.0)
    wishes = [target("AAA", Shares(500)), target("CCC", Shares(60)), target("BBB", Shares(30))]
    result = done(wishes, book_of(trade("AAA", 80)), shown, cash_usd=10_020.0)
    assert orders(result) == [(OPEN, "CCC", 60), (OPEN, "BBB", 30), (ADD, "AAA", 10)]


def test_entries_on_their_way_have_taken_their_cash_already() -> None:
    book = book_of(trade("AAA", 80), trade("BBB", 20, 80))  # 60 shares at 100 still to come
    result = done([target("AAA", Shares(500))], book, flat_market(AAA=100.0, BBB=100.0), cash_usd=16_020.0)
    assert orders(result) == [(ADD, "AAA", 100)]


def test_an_opening_beyond_the_cash_is_left_to_review_unless_a_buffer_is_to_be_kept() -> None:
    shown = flat_market(AAA=100.0, BBB=100.0)
    wishes = [target("AAA", Shares(100)), target("BBB", Shares(50))]
    assert orders(done(wishes, Book(), shown, cash_usd=6_000.0)) == [(OPEN, "AAA", 100), (OPEN, "BBB", 50)]
    result = done(wishes, Book(), shown, replace(RULES, cash_buffer_fraction=0.005), cash_usd=6_000.0)
    assert (orders(result), reasons(result)) == ([(OPEN, "BBB", 50)], [("AAA", Reason.CASH)])


def test_turnover_bounds_reductions_first_and_then_additions_the_largest_drift_first() -> None:
    book = book_of(*(trade(symbol, 100) for symbol in "ABCD"))
    shown = flat_market(A=100, B=100, C=100, D=100)
    wishes = [target("A", Shares(70)), target("B", Shares(40)), target("C", Shares(130)), target("D", Shares(160))]
    bounded = done(wishes, book, shown, replace(RULES, max_turnover_fraction=0.12))
    assert orders(bounded) == [(REDUCE, "B", 60), (REDUCE, "A", 30), (ADD, "D", 29)]  # 3,000 dollars are left for D
    assert reasons(bounded) == [("C", Reason.TURNOVER)]
    none = done(wishes, book, shown, replace(RULES, max_turnover_fraction=0.0))
    assert (none.intents, {reason for _, reason in reasons(none)}) == ((), {Reason.TURNOVER})


def test_opening_and_closing_are_not_turnover() -> None:
    shown = flat_market(AAA=100.0, BBB=100.0)
    wishes = [target("AAA", Shares(0)), target("BBB", Shares(50))]
    result = done(wishes, book_of(trade("AAA", 80)), shown, replace(RULES, max_turnover_fraction=0.0))
    assert orders(result) == [(CLOSE, "AAA", 80), (OPEN, "BBB", 50)]


def test_a_trim_to_the_cap_happens_even_when_the_turnover_does_not_reach_the_target() -> None:
    rules = replace(RULES, max_position_fraction=0.15, max_turnover_fraction=0.02)
    result = done([target("AAA", Shares(50))], book_of(trade("AAA", 200)), flat_market(AAA=100.0), rules)
    assert orders(result) == [(REDUCE, "AAA", 70)]  # 50 to the cap, 20 of turnover


# ---- time barriers -------------------------------------------------------------------------------------------------------


def test_a_trade_whose_time_is_over_is_closed_alone() -> None:
    book = book_of(aged("AAA", 30, 27, "old"), aged("AAA", 50, 29, "new"))
    (intent,) = done([], book, aged_market()).intents
    assert (intent.kind, intent.quantity, intent.trade, intent.price) == (CLOSE, 30, "n-AAA-old", 100.0)
    assert intent.reason == "held for 2 sessions"


def test_a_target_waits_until_an_overdue_trade_is_gone() -> None:
    book = book_of(aged("AAA", 30, 27, "old"), aged("AAA", 50, 29, "new"))
    for amount in (Shares(500), Shares(10)):
        assert orders(done([target("AAA", amount)], book, aged_market())) == [(CLOSE, "AAA", 30)]


def test_an_overdue_trade_of_a_symbol_that_is_left_is_closed_with_it() -> None:
    book = book_of(aged("AAA", 30, 27, "old"), aged("AAA", 50, 29, "new"))
    (intent,) = done([target("AAA", Shares(0))], book, aged_market()).intents
    assert (intent.quantity, intent.trade) == (80, None)


def test_an_overdue_trade_without_a_price_is_left_alone() -> None:
    none = np.full(4, np.nan)
    no_price = DailyBars(aged_market().bars["AAA"].sessions, none, none, none, none, none)
    result = done([], book_of(aged("AAA", 30, 27, "old")), Market(NOW, NOW.date(), {"AAA": no_price}))
    assert (result.intents, reasons(result)) == ((), [("AAA", Reason.NO_PRICE)])
