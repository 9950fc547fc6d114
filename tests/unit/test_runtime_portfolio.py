"""Strategies that share an account: budgets, netting, their parts of the book, and what each fill was to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from lumibot.strategies import Strategy

from desk.core.allocation import NOBODY, Allocations
from desk.data.bundled import load_bundled
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.errors import ConfigurationError, UsageError
from desk.domain.journal import SharesWanted
from desk.domain.market import Market
from desk.domain.orders import GroupRole, OrderEvent, Side
from desk.domain.trades import Book
from desk.runtime.cadence import period_seconds
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.ledger import Ledger
from desk.runtime.plugins import load_strategy
from desk.runtime.portfolio import Portfolio, budgets_of, portfolio_of
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour

pytestmark = pytest.mark.slow  # each runs Lumibot's backtester
RULE = FixedExit(0.2, 0.5)
QUIET, FALL = 2006, 2008


class Scripted(DeskStrategy):
    """Wants by session what its script says."""

    script: ClassVar[dict[date, dict[str, Shares | Weight]]] = {}

    def prepare(self) -> None:
        self.seen: dict[date, dict[str, int]] = {}

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        self.seen[market.session] = book.shares()
        return [Signal(symbol, Direction.LONG, "its script") for symbol in self.script.get(market.session, {})]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(each.symbol, self.script[market.session][each.symbol], RULE, "its script") for each in signals]


def scripted(year: int = QUIET, **script: dict[str, Shares | Weight]) -> type[Scripted]:
    """`script` by day of September, named d5, d6 and so on."""
    days = {date(year, 9, int(name[1:])): wants for name, wants in script.items()}
    return type("Scripted", (Scripted,), {"script": days})


@dataclass(frozen=True)
class Played:
    done: DeskBacktest
    allocations: Allocations
    host: Portfolio


def played(behaviour: Behaviour | None = None, year: int = QUIET, **members: type) -> Played:
    behaviour = behaviour or Behaviour(confidence_gate="report", hedging=False, fee_bps=0, slippage_bps=0)
    start, end = date(year, 9, 1), date(year, 10, 31)
    done = backtest_desk(portfolio_of(members), behaviour, load_bundled(), ("AAPL", "IBM"), start, end, name=",".join(members))
    ledger = Ledger("backtest")
    ledger.recover(done.journal.rows())
    host: Any = done.outcome.strategy
    return Played(done, ledger.allocations, host)


def signed_fills(done: DeskBacktest, symbol: str) -> list[tuple[int, Decimal]]:
    fills = [row.value.fill for row in done.journal.rows() if isinstance(row.value, OrderEvent) and row.value.fill is not None]
    return [(each.quantity if each.side is Side.BUY else -each.quantity, each.price) for each in fills if each.symbol == symbol]


def test_each_has_what_it_wanted_and_every_cent_is_somebodys() -> None:
    a = scripted(d6={"AAPL": Shares(60)}, d14={"AAPL": Shares(0)})
    b = scripted(d11={"AAPL": Shares(30), "IBM": Shares(20)})
    found = played(a=a, b=b)
    assert found.allocations.shares("AAPL") == {"b": 30} and found.allocations.shares("IBM") == {"b": 20}
    assert found.host.members["a"].seen[date(2006, 9, 12)] == {"AAPL": 60}
    assert found.host.members["b"].seen[date(2006, 9, 13)] == {"AAPL": 30, "IBM": 20}
    for symbol in ("AAPL", "IBM"):
        fills = signed_fills(found.done, symbol)
        stakes = found.allocations.stakes[symbol].values()
        assert sum(stake.shares for stake in stakes) == sum(shares for shares, _ in fills)
        cash = -sum(shares * price for shares, price in fills)
        assert sum((stake.realised_usd - stake.cost_usd for stake in stakes), Decimal(0)) == cash


def test_one_that_leaves_to_another_sends_no_order() -> None:
    found = played(a=scripted(d6={"AAPL": Shares(60)}, d14={"AAPL": Shares(0)}), b=scripted(d14={"AAPL": Shares(60)}))
    assert found.allocations.shares("AAPL") == {"b": 60}
    assert [shares for shares, _ in signed_fills(found.done, "AAPL")] == [60]
    (crossed,) = [
        row.value for row in found.done.journal.rows() if isinstance(row.value, SharesWanted) and "b" in row.value.wanted
    ]
    assert crossed.price is not None
    assert found.allocations.stakes["AAPL"]["b"].cost_usd == 60 * crossed.price


def test_weights_are_shares_of_a_strategys_own_budget() -> None:
    behaviour = Behaviour(confidence_gate="report", hedging=False, strategy_budgets={"a": 0.3})
    both = scripted(d6={"AAPL": Weight(0.1)})
    found = played(behaviour, a=both, b=both)
    shares = found.allocations.shares("AAPL")
    assert shares["a"] * 7 == pytest.approx(shares["b"] * 3, abs=7)
    assert found.host.budgets == {"a": 0.3, "b": 0.7}


def test_a_stop_takes_from_the_strategy_that_bought() -> None:
    """AAPL fell by a third in September 2008: the stop of the second day sells it, and nobody buys it back."""
    found = played(year=FALL, a=scripted(FALL, d2={"AAPL": Shares(60)}), b=scripted(FALL, d3={"IBM": Shares(20)}))
    assert found.allocations.shares("AAPL") == {} and found.allocations.wanted["AAPL"] == {"a": 0}
    stops = [row.value for row in found.done.journal.rows() if isinstance(row.value, OrderEvent) and row.value.fill is not None]
    assert GroupRole.STOP_LOSS in {event.role for event in stops if event.key.count("AAPL")}
    assert found.allocations.stakes["AAPL"]["a"].realised_usd < 0
    assert NOBODY not in found.allocations.stakes["AAPL"]


def test_a_restart_knows_whose_the_shares_are() -> None:
    found = played(a=scripted(d6={"AAPL": Shares(60)}), b=scripted(d11={"AAPL": Shares(30)}))
    assert found.host.corridor.desk.allocations == found.allocations


def test_budgets_and_names_that_do_not_fit_are_refused() -> None:
    assert budgets_of(("a", "b"), {}) == {"a": 0.5, "b": 0.5}
    with pytest.raises(ConfigurationError, match="strategy_budgets names c, which is not traded: give a, b"):
        budgets_of(("a", "b"), {"c": 0.1})
    with pytest.raises(ConfigurationError, match=r"come to 1\.2"):
        budgets_of(("a", "b"), {"a": 0.6, "b": 0.6})
    with pytest.raises(ConfigurationError, match="plain: a plain Lumibot strategy cannot share an account"):
        portfolio_of({"a": Scripted, "plain": Strategy})
    with pytest.raises(UsageError, match="combined is there twice"):
        load_strategy("combined,combined")
    assert [period_seconds(each) for each in ("1H", "30M", "1D", "5S")] == [3600, 1800, 86_400, 5]
