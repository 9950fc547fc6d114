"""Backtests of spreads over many sessions: money is kept to the cent, the future is not seen, and shares alone are as before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from desk.data.bundled import load_bundled
from desk.data.calendars import session_dates
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target
from desk.domain.market import Market
from desk.domain.spreads import SpreadOpened
from desk.domain.trades import Book
from desk.exchange.market.options.recorded import load_recorded_chains
from desk.journal.codec import encode
from desk.research.random_spreads import random_run
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.option_history import Fills, OptionAssumptions
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from desk.settings.spreads import SpreadSettings
from options.gates import Opportunity

pytestmark = pytest.mark.slow
NAMES = ("AAPL", "IBM", "MSFT")
SESSIONS = session_dates(date(2008, 8, 1), date(2008, 12, 31))
BUDGET_USD = 50_000.0
# A folder as docs/data.md describes it, with bars of SPX and its recorded quotes.
SPX_FOLDER = os.environ.get("LUMIDESK_SPX_QUOTES")


def behaviour(**spreads: object) -> Behaviour:
    settings = SpreadSettings.model_validate({"min_open_interest": 0, "max_risk_usd": 2_000.0, **spreads}, strict=False)
    return Behaviour(spreads=settings, fee_bps=0.0, slippage_bps=0.0, hedging=False)


def run(
    source: Source,
    sessions: Sequence[date] = SESSIONS,
    names: Sequence[str] = NAMES,
    assumed: OptionAssumptions | None = None,
    **spreads: object,
) -> DeskBacktest:
    assumed = assumed or OptionAssumptions()
    return random_run(behaviour(**spreads), source, names, sessions, 12, 5, assumed, budget_usd=BUDGET_USD)


def journal(done: DeskBacktest, until: date) -> list[tuple[str, str]]:
    return [(str(row.at), encode(row.value)) for row in done.journal.rows() if row.at.date() <= until]


def cash_is_kept(done: DeskBacktest) -> bool:
    """Whether the account's cash changed by what the spreads brought, those still open by what they have brought so far."""
    told = sum((trade.cash_usd - trade.fees_usd for trade in done.spreads), Decimal(0))
    return Decimal(repr(done.record.equity[-1].cash_usd)) - Decimal(repr(BUDGET_USD)) == told


@pytest.mark.parametrize("fills", list(Fills))
def test_through_a_crash_no_cent_comes_from_nowhere(fills: Fills) -> None:
    assumed = OptionAssumptions(fills, fee_usd=Decimal("0.65"), assigns_early=True)
    done = run(load_bundled(), assumed=assumed)
    assert sum(trade.is_filled for trade in done.spreads) >= 6
    assert cash_is_kept(done)
    assert done.counts.orders_rejected_unexplained == 0 and done.counts.reconciliation_breaks == 0
    assert any("MODEL PRICES" in note for note in done.record.notes)


def test_left_alone_until_they_expire_no_cent_is_lost_either() -> None:
    rules = {"loss_multiple": None, "exit_days": None, "breach_delta": None, "exits_through_strike": False, "pin_fraction": 0.0}
    done = run(load_bundled(), profit_fraction=None, expiry_exit_minutes=1, **rules)
    assert {"assigned", "expired"} <= {trade.rule for trade in done.spreads}
    assert cash_is_kept(done)


def test_rolls_and_legged_entries_keep_the_money_together() -> None:
    done = run(load_bundled(), rolls=True, min_roll_credit_usd=0.0, loss_multiple=0.5, entry="legged", exit_days=None)
    assert cash_is_kept(done)
    opened = [row.value.plan for row in done.journal.rows() if isinstance(row.value, SpreadOpened)]
    assert any(plan.rolled_from is not None for plan in opened)


def test_what_is_not_known_yet_changes_nothing() -> None:
    whole, end = load_bundled(), SESSIONS[50]
    known = replace(whole, daily={name: frame.loc[: pd.Timestamp(end)] for name, frame in whole.daily.items()})
    assert journal(run(whole, SESSIONS[:51]), end) == journal(run(known, SESSIONS[:51]), end)


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = (run(load_bundled(), SESSIONS[:30]) for _ in range(2))
    assert journal(one, SESSIONS[-1]) == journal(other, SESSIONS[-1])


class Holder(DeskStrategy):
    """Buys shares in the first session and keeps them."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal("IBM", Direction.LONG, "kept")] if market.session == SESSIONS[0] else []

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(each.symbol, Shares(50), FixedExit(0.3, 0.9), "kept") for each in signals]


class HolderWithSpreads(Holder):
    """And asks for spreads all the time."""

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        return [Opportunity(symbol, 10.0, 1.0) for symbol in NAMES]


def test_spreads_change_nothing_about_the_shares_beside_them() -> None:
    alone, both = (
        backtest_desk(strategy, behaviour(), load_bundled(), NAMES, SESSIONS[0], SESSIONS[40], name="x", budget_usd=BUDGET_USD)
        for strategy in (Holder, HolderWithSpreads)
    )
    assert alone.spreads == () and not any("ption" in note for note in alone.record.notes)
    assert alone.record.trips == both.record.trips != ()
    assert len(both.spreads) >= 3
    brought = sum((trade.cash_usd for trade in both.spreads), Decimal(0))
    assert Decimal(repr(both.record.equity[-1].cash_usd)) - Decimal(repr(alone.record.equity[-1].cash_usd)) == brought


@pytest.mark.skipif(SPX_FOLDER is None, reason="LUMIDESK_SPX_QUOTES names no folder of recorded quotes on SPX")
@pytest.mark.parametrize("fills", list(Fills))
def test_on_real_quotes_of_an_index_money_is_kept(fills: Fills) -> None:
    folder = Path(str(SPX_FOLDER))
    chains = load_recorded_chains(folder)
    quoted = {pd.Timestamp(int(at), unit="s").date() for each in chains["SPX"].values() for at in each.at}
    sessions = session_dates(min(quoted), max(quoted))
    settings = {"width_usd": 25.0, "max_risk_usd": 3_000.0, "min_credit_fraction": 0.05, "exit_days": 7}
    done = run(load_directory(folder), sessions, ("SPX",), OptionAssumptions(fills, chains=chains), **settings)
    assert any(trade.is_filled for trade in done.spreads)
    assert cash_is_kept(done)
    assert done.counts.orders_rejected == 0 and done.counts.reconciliation_breaks == 0
    assert any("recorded quotes" in note for note in done.record.notes)
