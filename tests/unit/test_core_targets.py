"""What a strategy may ask for: targets that make no sense are refused with their reason, the others go on untouched."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest

from desk.core.targets import checked, is_flat
from desk.domain.decisions import Denied, FixedExit, Reason, Shares, Target, Weight
from desk.domain.market import DailyBars, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
RULE = FixedExit(0.05, 0.15)
TENTH = Weight(0.1)
NAN, INF = float("nan"), float("inf")


def market(**unusable: str) -> Market:
    column = np.array([100.0])
    bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
    quotes = {"CCC": Quote(NOW, 99.9, 100.1, 100.0)}
    return Market(NOW, NOW.date(), {"AAA": bars, "BBB": bars}, quotes, unusable)


def holding(symbol: str) -> Book:
    spec = OrderSpec(
        f"n-{symbol}-open", symbol, Side.BUY, 80, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100),
        take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    return Book(MappingProxyType({spec.key: Trade(spec, NOW, 100.0, "test", entry_status=OrderStatus.FILLED, entered=80)}))


def target(symbol: str = "AAA", amount: Shares | Weight = TENTH, rule: FixedExit = RULE) -> Target:
    return Target(symbol, amount, rule, "test")


def refusal(asked: Target, book: Book | None = None, **unusable: str) -> Denied:
    good, (denied,) = checked([asked], market(**unusable), book or Book())
    assert good == []
    assert denied.symbol == asked.symbol
    return denied


def test_sound_targets_go_on_in_their_order() -> None:
    wanted = [target("BBB"), target("AAA", Shares(5)), target("CCC", Shares(0))]
    assert checked(wanted, market(), Book()) == (wanted, [])


def test_of_two_targets_for_one_symbol_the_first_counts() -> None:
    first, second, other = target("AAA", Shares(5)), target("AAA", Shares(0)), target("BBB")
    good, (denied,) = checked([first, second, other], market(), holding("AAA"))
    assert good == [first, other]
    assert (denied.symbol, denied.reason) == ("AAA", Reason.ALREADY_WORKING)
    assert "the first one counts" in denied.text


def test_a_second_target_does_not_stand_in_for_a_bad_first_one() -> None:
    """Whoever asks for nonsense and then for something else has a fault in the strategy; half of it is not guessed."""
    good, denied = checked([target(amount=Weight(NAN)), target()], market(), Book())
    assert good == []
    assert [one.reason for one in denied] == [Reason.BAD_TARGET, Reason.ALREADY_WORKING]


@pytest.mark.parametrize("amount", [Weight(NAN), Weight(INF), Weight(-INF), Weight(-0.1), Shares(-1)])
def test_an_amount_that_is_no_position_is_refused(amount: Shares | Weight) -> None:
    denied = refusal(target(amount=amount), holding("AAA"))
    assert denied.reason is Reason.BAD_TARGET
    assert str(amount) in denied.text and "zero or more" in denied.text


@pytest.mark.parametrize("fraction", [0.0, -0.05, 1.0, 1.5, NAN, INF])
def test_a_stop_that_is_none_is_refused(fraction: float) -> None:
    denied = refusal(target(rule=FixedExit(fraction, 0.15)))
    assert denied.reason is Reason.BAD_TARGET
    assert f"stop_loss_fraction {fraction}" in denied.text and "between 0 and 1" in denied.text


@pytest.mark.parametrize("fraction", [0.0, -0.15, NAN, INF])
def test_a_take_profit_that_is_none_is_refused(fraction: float) -> None:
    denied = refusal(target(rule=FixedExit(0.05, fraction)))
    assert denied.reason is Reason.BAD_TARGET
    assert f"take_profit_fraction {fraction}" in denied.text and "above 0" in denied.text


@pytest.mark.parametrize("rule", [FixedExit(0.0, 0.0), FixedExit(NAN, NAN), FixedExit(2.0, -1.0)])
def test_leaving_needs_no_exit_rule(rule: FixedExit) -> None:
    wanted = [target(amount=Shares(0), rule=rule)]
    assert checked(wanted, market(), holding("AAA")) == (wanted, [])


@pytest.mark.parametrize(
    ("unusable", "told"),
    [
        ({"ZZZ": "the quote is crossed"}, "no price to trade at: the quote is crossed"),
        ({}, "no price to trade at: the symbol is not in the universe"),
    ],
)
def test_what_has_no_price_is_refused_with_the_cause(unusable: dict[str, str], told: str) -> None:
    for asked, book in ((target("ZZZ"), Book()), (target("ZZZ", Shares(0)), holding("ZZZ"))):
        denied = refusal(asked, book, **unusable)
        assert (denied.reason, denied.text) == (Reason.NO_PRICE, told)


def test_to_be_flat_where_nothing_is_held_needs_no_price() -> None:
    wanted = [target("ZZZ", Shares(0)), target("YYY", Weight(0.0))]
    assert checked(wanted, market(), Book()) == (wanted, [])


def test_flat_is_zero_of_either_kind() -> None:
    flat = [is_flat(target(amount=amount)) for amount in (Shares(0), Weight(0.0), Shares(1), Weight(0.0001), Weight(NAN))]
    assert flat == [True, True, False, False, False]
