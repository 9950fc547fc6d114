"""Shares of an inverse fund that a person bought and gave to the desk: the sleeve leaves them alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import recording_desk as R
from unit.test_hedging_plan import RULES, STOCKS, book, counts, trade, world

from desk.core.protect import Stamp, protect
from desk.core.rebalance import RebalanceRules, rebalance
from desk.core.reconcile import adoption, with_adopted
from desk.domain.decisions import Approved, IntentKind
from desk.domain.journal import SharesAdopted
from desk.domain.orders import OrderStatus
from desk.domain.steps import Replace
from desk.domain.trades import Book, Trade
from hedging.episodes import spans
from hedging.plan import hedge
from hedging.rules import HedgeRules

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)


def given(symbol: str = "SH", shares: int = 300, place: int = -5) -> Trade:
    one = trade(symbol, shares, place)
    return replace(one, spec=replace(one.spec, key=f"adopted-{symbol}"), is_adopted=True)


def test_adopted_shares_are_known_as_such() -> None:
    spec = adoption(Stamp("n", NOW), "SH", 30, 50.0, R.RULE)
    adopted = with_adopted(Book(), SharesAdopted(spec, Decimal(50), "mine", 0, R.RULE), Stamp("n", NOW))
    assert [one.is_adopted for one in adopted.open.values()] == [True]


@pytest.mark.parametrize("rules", [RULES, HedgeRules(is_on=False)], ids=["on", "off"])
@pytest.mark.parametrize("overbought", [0, 2])
def test_a_persons_own_fund_is_not_sold(rules: HedgeRules, overbought: int) -> None:
    plan = hedge(world(overbought), book(STOCKS, given()), 200_000.0, rules)
    assert (plan.targets, plan.held) == ((), ())
    assert spans(book(STOCKS, given(), closed=(given(),)), rules) == ()


def test_the_book_that_holds_nothing_else_keeps_it_too() -> None:
    assert hedge(world(), book(given()), 200_000.0, RULES).targets == ()


def test_the_sleeve_hedges_with_another_fund_in_the_room_that_is_left() -> None:
    """300 SH are worth 15,000 of 40,000 dollars; SPXS goes into the 25,000 that are left, at 20 dollars."""
    plan = hedge(world(), book(STOCKS, given()), 200_000.0, RULES)
    alone = hedge(world(), book(STOCKS), 200_000.0, RULES)
    assert list(counts(alone)) == ["SH"]
    assert list(counts(plan)) == ["SPXS"]
    assert alone.outlook.cap_usd - plan.outlook.cap_usd == pytest.approx(15_000)
    assert "bought by hand, so no part of the hedge: SH" in plan.reasons


def test_nothing_is_opened_where_every_fund_is_a_persons_own() -> None:
    theirs = [given(symbol, 10) for symbol in ("SH", "SPXS", "SQQQ")]
    plan = hedge(world(), book(STOCKS, *theirs), 200_000.0, RULES)
    assert plan.targets == ()
    assert plan.reasons[-1].endswith("SH is a person's own, SPXS is a person's own, SQQQ is a person's own)")


@pytest.mark.parametrize(("overbought", "kept"), [(0, 0), (4, 600)])
def test_beside_the_sleeves_own_shares_of_the_fund_those_of_the_person_stay(overbought: int, kept: int) -> None:
    both = book(STOCKS, trade("SH", 600, -5), given(shares=100))
    plan = hedge(world(overbought), both, 400_000.0, RULES)
    assert plan.held[0].committed == 600
    assert counts(plan) == {"SH": kept + 100}


def test_what_the_sleeve_sells_beside_them_is_its_own() -> None:
    resting = {"target_status": OrderStatus.WORKING, "stop_status": OrderStatus.HELD}
    own, theirs = replace(trade("SH", 600, -5), **resting), replace(given(shares=100), **resting)
    both, market = book(STOCKS, own, theirs), world(0)
    plan = hedge(market, both, 400_000.0, RULES)
    rules = RebalanceRules(1.0, inverse_symbols=frozenset({"SH"}))
    (sold,) = [one for one in rebalance(plan.targets, both, 400_000.0, 400_000.0, market, rules).intents if one.symbol == "SH"]
    assert (sold.kind, sold.quantity) == (IntentKind.REDUCE, 600)
    (step,) = protect([Approved(sold)], both, Stamp("n", NOW))
    assert isinstance(step, Replace) and step.of_key == own.key
