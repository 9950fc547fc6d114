"""What is on its way in or out, and since when a hedge is held: working entries, exits, episodes, rests and sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from unit.test_hedging_plan import (
    BY_TURNS,
    DAYS,
    FIVE,
    IN_PAIRS,
    PAST,
    RULES,
    STOCKS,
    bars,
    book,
    counts,
    held,
    said,
    trade,
    world,
)

from desk.domain.decisions import IntentKind
from desk.domain.market import DailyBars, Market
from desk.domain.orders import GroupRole, OrderStatus
from desk.domain.trades import Trade
from hedging.plan import hedge


def sold(symbol: str, first: int, last: int, role: GroupRole = GroupRole.TAKE_PROFIT, price: int = 45) -> Trade:
    """100 shares from the session at `first` to the one at `last`, at `price` dollars; the stop was at 30."""
    one = trade(symbol, 100, first)
    at = datetime(DAYS[last].year, DAYS[last].month, DAYS[last].day, 18, tzinfo=UTC)
    return replace(
        one, spec=replace(one.spec, key=f"sold-{symbol}{first}"), exited=100, exit_value=Decimal(100 * price), exited_at=at,
        exit_role=role, stop_price=Decimal(30),
    )  # fmt: skip


# ---- on its way in or out ------------------------------------------------------------------------------------------


def test_of_an_entry_that_has_filled_in_part_only_that_part_is_kept_without_the_mood() -> None:
    part = held("SH", 500, -1, quantity=600, status=OrderStatus.PARTIALLY_FILLED)
    plan = hedge(world(2), part, 200_000.0, RULES)
    assert (counts(plan), plan.held[0].committed) == ({"SH": 500}, 600)
    assert counts(hedge(world(4), part, 200_000.0, RULES)) == {"SH": 600}


ON_ITS_WAY: tuple[dict[str, object], ...] = (
    {"exit_requested": "the reason has ended"}, {"is_being_sold": True}, {"is_renewing": True, "keep": 0},
)  # fmt: skip


@pytest.mark.parametrize("way", ON_ITS_WAY)
@pytest.mark.parametrize("overbought", [2, 4])
def test_a_fund_that_was_asked_to_leave_goes_on_leaving(way: dict[str, object], overbought: int) -> None:
    leaving = book(STOCKS, replace(trade("SH", 450, -5), **way))
    plan = hedge(world(overbought), leaving, 200_000.0, RULES)
    assert (counts(plan), said(plan)) == ({"SH": 0}, "its exit was asked for and has not filled yet: leaving SH")
    later = replace(trade("SH", 50, -1, quantity=100, status=OrderStatus.WORKING), entered=0)
    both = book(STOCKS, replace(trade("SH", 450, -5), **way), replace(later, spec=replace(later.spec, key="later")))
    assert counts(hedge(world(overbought), both, 200_000.0, RULES)) == {"SH": 0}


def test_what_is_sold_in_part_is_not_bought_back_meanwhile() -> None:
    """600 are wanted, 400 of 600 stay: as long as the 200 are not gone, neither more nor less is asked for."""
    going = replace(trade("SH", 600, -2), is_renewing=True, keep=400)
    plan = hedge(world(), book(STOCKS, going), 200_000.0, RULES)
    assert counts(plan) == {"SH": 400}
    assert said(plan).endswith("200 shares of it are being sold")


# ---- episodes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closed", "since"),
    [
        ((sold("SH", -12, -5),), -12),
        ((sold("SH", -12, -4),), -12),
        ((sold("SH", -12, -6),), -5),
        ((sold("SH", -12, -8), sold("SH", -9, -5)), -12),
        ((sold("SPXS", -12, -6),), -12),
        ((sold("SPXS", -12, -7),), -5),
        ((sold("SPXS", -15, -10), sold("SQQQ", -9, -6)), -15),
    ],
)
def test_the_longest_hold_counts_from_the_first_fill_of_the_episode(closed: tuple[Trade, ...], since: int) -> None:
    """It ends with a night in which nothing is held, but for the one that a change of fund takes."""
    plan = hedge(world(), book(STOCKS, trade("SH", 600, -5), closed=closed), 200_000.0, RULES)
    assert plan.held[0].episode_since == DAYS[since]
    assert counts(plan) == {"SH": 0 if since < -10 else 600}


def test_the_minimum_hold_counts_from_the_funds_own_first_fill() -> None:
    changed = book(STOCKS, trade("SH", 600, -2), closed=(sold("SPXS", -6, -3),))
    plan = hedge(world(0), changed, 200_000.0, RULES)
    assert (plan.held[0].sessions, plan.held[0].episode_sessions) == (1, 5)
    assert counts(plan) == {"SH": 600}


@pytest.mark.parametrize(("place", "leaves"), [(-7, True), (-8, False)])
def test_a_fund_is_not_changed_for_less_than_the_minimum_hold(place: int, leaves: bool) -> None:
    market = world(sp500=IN_PAIRS, nasdaq=BY_TURNS)
    assert (counts(hedge(market, held("SH", 600, place), 200_000.0, RULES)) == {"SH": 0}) is leaves


def calmed(back: int) -> Market:
    """Every leading name overbought but at the close of the session at `-back`, where it falls; the one after makes up for it."""
    moves = np.full(129, 0.001)
    moves[1 - back], moves[2 - back] = -0.05, 0.2
    return replace(world(), bars={**world().bars, **{name: bars(moves, 200.0) for name in FIVE}})


LONG = (sold("SPXS", -15, -5),)
STOPPED = (sold("SH", -7, -5, GroupRole.STOP_LOSS, 30),)


@pytest.mark.parametrize(("closed", "words"), [(LONG, "the longest hold was over on"), (STOPPED, "SH ran into its stop on")])
def test_after_its_stop_or_longest_hold_the_sleeve_rests_until_the_mood_has_turned(closed: tuple[Trade, ...], words: str) -> None:
    went_on = hedge(world(), book(STOCKS, closed=closed), 200_000.0, RULES)
    assert went_on.targets == ()
    assert went_on.reasons[-1] == f"no hedge: {words} {DAYS[-5]}, and nothing is bought before the mood has been calm at a close"
    for back, opens in ((7, False), (6, True), (4, True), (3, True)):
        assert bool(hedge(calmed(back), book(STOCKS, closed=closed), 200_000.0, RULES).targets) is opens, back


@pytest.mark.parametrize(("place", "opens"), [(-3, False), (-4, True)])
@pytest.mark.parametrize("role", [GroupRole.STOP_LOSS, GroupRole.TAKE_PROFIT])
def test_after_its_stop_or_longest_hold_the_sleeve_rests_for_the_minimum_hold(place: int, opens: bool, role: GroupRole) -> None:
    """The mood was calm meanwhile. At the opening of today the session at -4 and two more are over."""
    closed = (sold("SH", -14, place, role, 30),)
    plan = hedge(calmed(3), book(STOCKS, closed=closed), 200_000.0, RULES)
    assert bool(plan.targets) is opens
    assert opens or plan.reasons[-1].endswith(f"on {DAYS[place]}, and nothing is bought for 3 sessions")


def test_after_another_exit_the_sleeve_does_not_rest() -> None:
    """At its target, by the rule, and as a plain sale, which stands in the place of the stop."""
    sale = replace(sold("SH", -4, -1, GroupRole.STOP_LOSS), sold_as=IntentKind.CLOSE)
    for closed in (sold("SH", -4, -1), sale):
        assert counts(hedge(world(), book(STOCKS, closed=(closed,)), 200_000.0, RULES)) == {"SH": 600}
    below = replace(sale, exit_value=Decimal(2_900))
    assert hedge(world(), book(STOCKS, closed=(below,)), 200_000.0, RULES).targets == ()


def test_what_is_left_of_a_hedge_does_not_grow_after_a_stop() -> None:
    stopped = sold("SH", -4, -1, GroupRole.STOP_LOSS, 30)
    plan = hedge(world(), book(STOCKS, trade("SH", 300, -4), closed=(stopped,)), 200_000.0, RULES)
    assert counts(plan) == {"SH": 300}
    assert "SH ran into its stop" in said(plan)


# ---- counting sessions ---------------------------------------------------------------------------------------------


def without_recent_bars(days: int) -> Market:
    market, past = world(), PAST[:-days]
    cut = {symbol: DailyBars(past, *(column[:-days] for column in (one.close,) * 5)) for symbol, one in market.bars.items()}
    return replace(market, bars=cut)


@pytest.mark.parametrize(("missing", "sessions"), [(1, 5), (2, 6), (4, 6)])
def test_weekdays_count_when_no_symbol_has_bars_any_more(missing: int, sessions: int) -> None:
    """Six sessions are over. One weekday without any bar may be a holiday, two are bars that did not come."""
    assert hedge(without_recent_bars(missing), held("SH", 600, -7), 200_000.0, RULES).held[0].sessions == sessions


def test_the_day_of_an_entry_is_new_yorks() -> None:
    """Half past midnight in London on the last session but one is still the session before."""
    late = datetime(PAST[-1].year, PAST[-1].month, PAST[-1].day, 0, 30, tzinfo=UTC)
    lot = replace(trade("SH", 600), entered_at=late)
    assert hedge(world(), book(STOCKS, lot), 200_000.0, RULES).held[0].sessions == 2
    assert hedge(world(), held("SH", 600, -1), 200_000.0, RULES).held[0].sessions == 0
