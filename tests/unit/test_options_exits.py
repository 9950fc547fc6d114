"""When a spread is left: each rule at its limit, their rank, what missing quotes do, and what the table says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from desk.domain.spreads import SpreadRules
from options.exits import Leave, Look, Roll, SpreadExit, next_rule, wish
from tests.option_chains import NOW

RULES = SpreadRules()
# Sold for 2.70, closing costs the same, 5 % above the sold strike.
CALM = Look(NOW, True, Decimal("2.70"), Decimal(167), 40, None, Decimal("2.70"), Decimal("2.75"), 175.5, -0.28)


def closing_at(debit: str) -> Look:
    return replace(CALM, debit_mid=Decimal(debit), debit_natural=Decimal(debit) + Decimal("0.05"))


def rule(look: Look, rules: SpreadRules = RULES) -> SpreadExit | None:
    found = wish(look, rules)
    return found.rule if found else None


def test_calm_spread_is_kept() -> None:
    assert wish(CALM, RULES) is None


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (closing_at("1.35"), SpreadExit.PROFIT),
        (closing_at("1.36"), None),
        (closing_at("8.10"), SpreadExit.LOSS),
        (closing_at("8.09"), None),
        (replace(CALM, days=21), SpreadExit.DAYS),
        (replace(CALM, days=22), None),
        (replace(CALM, short_delta=-0.45), SpreadExit.BREACH_DELTA),
        (replace(CALM, spot=166.99), SpreadExit.THROUGH_STRIKE),
        (replace(CALM, spot=167.0), None),
        (replace(CALM, days=0, minutes_to_close=90.0), SpreadExit.EXPIRY_DAY),
        (replace(CALM, days=0, minutes_to_close=91.0), SpreadExit.DAYS),
        (replace(CALM, days=1, spot=168.0), SpreadExit.PIN),
        (replace(CALM, days=1, spot=169.0), SpreadExit.DAYS),
    ],
)
def test_rule_acts_at_its_limit(look: Look, expected: SpreadExit | None) -> None:
    assert rule(look) is expected


def test_a_gain_between_the_middles_is_not_taken_where_closing_at_once_would_make_it_a_loss() -> None:
    wide = replace(closing_at("1.35"), debit_natural=Decimal("2.70"))
    assert wish(wide, RULES) is None
    alone = replace(RULES, loss_multiple=None, exit_days=None, breach_delta=None, exits_through_strike=False)
    told = (SpreadExit.PROFIT, "quoted at 50 % of the credit, 50 % wanted, and closing at once would cost all of it")
    assert next_rule(replace(wide, days=400), alone) == told
    assert rule(replace(wide, debit_natural=Decimal("2.69"))) is SpreadExit.PROFIT


def test_dividend_counts_in_the_money_on_the_eve_alone() -> None:
    rules = replace(RULES, exits_through_strike=False)
    eve = replace(CALM, spot=160.0, ex_dividend=date(2025, 6, 3), next_session=date(2025, 6, 3))
    assert rule(eve, rules) is SpreadExit.EX_DIVIDEND
    assert rule(replace(eve, spot=170.0), rules) is None
    assert rule(replace(eve, ex_dividend=date(2025, 6, 4)), rules) is None
    assert rule(replace(eve, ex_dividend=date(2025, 6, 2)), rules) is None
    assert rule(replace(eve, ex_dividend=date(2025, 6, 6), next_session=None), rules) is SpreadExit.EX_DIVIDEND


def test_rank_of_all_rules_that_act_at_once() -> None:
    """Each time the first of them is switched off, the next one speaks."""
    worst = replace(
        closing_at("8.10"),
        spot=166.5,
        short_delta=-0.8,
        days=0,
        minutes_to_close=30.0,
        ex_dividend=date(2025, 6, 3),
        next_session=date(2025, 6, 3),
    )
    rules, found = RULES, []
    steps: list[dict[str, object]] = [
        {"expiry_exit_minutes": 0},
        {"exits_through_strike": False},
        {"loss_multiple": None},
        {"breach_delta": None},
    ]
    for step in steps:
        found.append(rule(worst, rules))
        rules = replace(rules, **step)  # type: ignore[arg-type]  # mypy cannot see the keys
    found.append(rule(worst, rules))
    worst = replace(worst, ex_dividend=None)
    found.append(rule(worst, rules))
    rules = replace(rules, pin_days=-1)
    found.append(rule(worst, rules))
    assert [*found, SpreadExit.PROFIT] == list(SpreadExit)


@pytest.mark.parametrize(
    "look",
    [
        replace(closing_at("9.00"), debit_natural=None),
        replace(closing_at("9.00"), debit_mid=None),
        replace(closing_at("9.00"), debit_natural=Decimal("12.00")),  # so far apart that the middle is nobody's price
        replace(closing_at("9.00"), is_market_open=False, spot=100.0, short_delta=-1.0),
        replace(CALM, debit_mid=None, debit_natural=None, spot=float("nan"), short_delta=float("nan")),
        replace(CALM, debit_mid=None, debit_natural=None, spot=None, short_delta=None),
    ],
)
def test_without_honest_quotes_time_alone_speaks(look: Look) -> None:
    assert rule(look) is None
    assert rule(replace(look, days=21)) is SpreadExit.DAYS
    assert rule(replace(look, days=0, minutes_to_close=5.0)) is SpreadExit.EXPIRY_DAY


@pytest.mark.parametrize("look", [replace(CALM, days=-1), replace(CALM, days=0, minutes_to_close=0.0)])
def test_after_the_last_close_nothing_is_wished(look: Look) -> None:
    assert wish(look, RULES) is None
    assert next_rule(look, RULES) is None


def test_spread_far_above_its_strike_is_left_to_expire() -> None:
    rules = replace(RULES, let_expire_above_fraction=0.05)
    last_hour = replace(CALM, days=0, minutes_to_close=60.0)
    assert wish(last_hour, rules) is None
    assert next_rule(last_hour, rules) == (SpreadExit.EXPIRY_DAY, "left to expire, 175.5 is far enough above 167")
    assert rule(replace(last_hour, spot=175.0), rules) is SpreadExit.EXPIRY_DAY
    assert rule(replace(last_hour, spot=None), rules) is SpreadExit.EXPIRY_DAY


def test_loss_and_breach_are_rolled_where_that_is_wanted() -> None:
    rules = replace(RULES, is_rolled=True)
    assert isinstance(wish(closing_at("8.10"), rules), Roll)
    assert isinstance(wish(replace(CALM, short_delta=-0.5), rules), Roll)
    assert isinstance(wish(replace(CALM, spot=160.0), rules), Leave)
    assert isinstance(wish(closing_at("1.00"), rules), Leave)


def test_reason_names_rule_value_and_limit() -> None:
    found = wish(closing_at("8.10"), RULES)
    assert found == Leave(SpreadExit.LOSS, "loss limit: 5.40 of 5.40 lost, closing costs 8.10")


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (closing_at("1.566"), (SpreadExit.PROFIT, "quoted at 42 % of the credit, 50 % wanted")),
        (replace(CALM, days=23), (SpreadExit.DAYS, "23 days to expiration, left at 21")),
        (replace(CALM, spot=168.0), (SpreadExit.THROUGH_STRIKE, "168.00, 0.6% above the sold strike 167")),
        (replace(CALM, short_delta=-0.40), (SpreadExit.BREACH_DELTA, "the sold put's delta is 0.40 of 0.45")),
        (closing_at("7.80"), (SpreadExit.LOSS, "5.10 of 5.40 lost, closing costs 7.80")),
    ],
)
def test_table_names_the_nearest_rule(look: Look, expected: tuple[SpreadExit, str]) -> None:
    assert next_rule(look, RULES) == expected


def test_table_is_empty_when_every_rule_is_off() -> None:
    off = SpreadRules(profit_fraction=None, loss_multiple=None, exit_days=None, breach_delta=None, exits_through_strike=False)
    assert wish(CALM, off) is None
    assert next_rule(CALM, off) is None
