"""A position that a person closes at the broker, while the desk counts on it: never sold a second time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fresh_exchange import MORNING
from order_path import OrderPath, order_path

from desk.core.covering import MAX_COVERS, given_up
from desk.domain.decisions import FixedExit, Reason, Shares, Target
from desk.domain.steps import Submit
from desk.domain.trades import Account
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow

SHARES = 100


def closed_by_hand(path: OrderPath) -> None:
    """Hold AAPL, then do what the button of a broker's dashboard does: cancel the position's orders and sell it.

    The desk covers what it counts on, in vain.
    """
    path.hold("AAPL", SHARES, 0.3, 0.3)
    path.wait_until(lambda: path.trade("AAPL").is_protected, "the entry is filled and its exits rest")
    path.advance(minutes=2)
    path.ask("DELETE", "/v2/positions", params={"cancel_orders": "true"})
    path.wait_until(lambda: path.positions() == {}, "the person has sold")
    for _ in range(MAX_COVERS + 1):
        path.advance(seconds=20)
        path.quiet()
        path.desk.guard({})
    path.wait_until(lambda: given_up(path.desk.book), "no cover was taken")


@pytest.fixture(scope="module")
def path(process: ExchangeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrderPath]:
    """After a sale by hand; each of the five covers is tried for some seconds of the wall's, so that this is made once."""
    process.admin.advance(MORNING)
    with order_path(process, tmp_path_factory.mktemp("sold") / "journal.sqlite") as path:
        closed_by_hand(path)
        yield path


def test_what_a_person_has_sold_is_not_sold_short(path: OrderPath) -> None:
    decided = path.hold("AAPL", 0)
    path.advance(minutes=1)
    path.quiet()
    assert path.positions() == {}
    (denied,) = [each for each in decided.denied if each.reason is Reason.SHARES_GONE]
    assert f"the account holds 0 shares and the desk counts on {SHARES}" in denied.text
    sales = [step for step in decided.steps if isinstance(step, Submit) and step.spec.take_profit is None]
    assert sales == [], "what is tried again is an exit alone, which a broker takes for shares that are there"


def test_a_broker_refuses_a_plain_sale_of_what_is_gone(path: OrderPath) -> None:
    """Where the account that the desk was given is older than the sale by hand."""
    before = Account(100_000.0, 100_000.0, {"AAPL": SHARES})
    wish = Target("AAPL", Shares(0), FixedExit(0.3, 0.3), "held for 10 sessions")
    decided = path.desk.decide(path.feed.observe(["AAPL"]), before, [wish])
    path.advance(minutes=1)
    path.quiet()
    (sale,) = [step for step in decided.steps if isinstance(step, Submit) and step.spec.take_profit is None]
    (refusal,) = [each for each in path.refusals if each.key == sale.key]
    assert refusal.message == "position intent mismatch, inferred: sell_to_open, specified: sell_to_close"
    assert path.positions() == {}
