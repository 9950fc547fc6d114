"""The sleeve's profit and loss in arrays: the fills of `desk.brokers.daily_fills` for one bracket at a time, many at once.

It does what the desk does with a hedge that is not resized: a limit 0.2 % above the last close until it is filled, a stop and a
target, and from the session on that asks for the end a sale 0.5 % below the last close, set anew every session. Slippage and fees
are the backtester's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from desk.brokers.backtesting import Costs
from desk.core.protect import EXIT_COLLAR_FRACTION
from desk.core.rebalance import ENTRY_COLLAR_FRACTION
from desk.data.source import Source
from desk.domain.market import FloatArray
from hedging.rules import HedgeRules, InverseFund
from hedging.sizing import exit_rule

IntArray = NDArray[np.int64]
CENT = 0.01
# The desk asks again every session for an entry or an exit that was not filled; neither takes longer on daily bars of years.
PATIENCE_SESSIONS = 10


@dataclass(frozen=True)
class Tape:
    """Prices of funds, arrays of shape (funds, n + 1): the sessions of a run and the one before them, which is number 0."""

    sessions: tuple[date, ...]
    funds: tuple[InverseFund, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    @staticmethod
    def of(source: Source, funds: Sequence[InverseFund], sessions: Sequence[date]) -> Tape:
        """Raises ValueError when a fund has no bar on one of the days."""
        bars = [source.bars(fund.symbol) for fund in funds]
        first = [each.sessions.index(sessions[0]) - 1 for each in bars]
        ends = [each.sessions.index(sessions[-1]) + 1 for each in bars]
        days = {each.sessions[at:end] for each, at, end in zip(bars, first, ends, strict=True)}
        if min(first) < 0 or len(days) != 1 or len(next(iter(days))) != len(sessions) + 1:
            raise ValueError("a fund lacks a bar on one of the sessions")
        columns = {
            name: np.array([getattr(each, name)[at:end] for each, at, end in zip(bars, first, ends, strict=True)])
            for name in ("open", "high", "low", "close")
        }
        return Tape(next(iter(days)), tuple(funds), **columns)


@dataclass(frozen=True)
class Brackets:
    """What is to be played, arrays of shape (n,): the account it belongs to, row of the fund in the tape, shares, number of the
    session that decides, and how many sessions after the entry its end is asked for."""

    account: IntArray
    fund: IntArray
    shares: FloatArray
    decided: IntArray
    hold: IntArray


@dataclass(frozen=True)
class Result:
    """Profit or loss of each account and session in dollars after costs, shape (accounts, sessions + 1), and the number of the
    session in which each bracket was entered and left, shape (n,), -1 for never; `stopped` where its stop sold it."""

    pnl_usd: FloatArray
    entered: IntArray
    left: IntArray
    stopped: NDArray[np.bool_]


@dataclass(frozen=True)
class _State:
    """Arrays of shape (n,). `entered` and `left` are -1 before; prices are NaN before the entry."""

    entered: IntArray
    left: IntArray
    stop: FloatArray
    target: FloatArray
    stopped: NDArray[np.bool_]


@dataclass(frozen=True)
class _Day:
    """Prices of each bracket's fund on its session, shape (n,)."""

    before: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    @staticmethod
    def of(tape: Tape, fund: IntArray, at: IntArray) -> _Day:
        columns = (getattr(tape, name)[fund, at] for name in ("open", "high", "low", "close"))
        return _Day(tape.close[fund, at - 1], *columns)


def play(brackets: Brackets, tape: Tape, costs: Costs, rules: HedgeRules) -> Result:
    """Play every bracket by itself; what is still held at the end stays at its last close."""
    count, last = len(brackets.fund), tape.close.shape[1] - 1
    accounts = int(brackets.account.max(initial=-1)) + 1
    nothing = np.full(count, -1)
    state = _State(nothing, nothing, np.full(count, np.nan), np.full(count, np.nan), np.zeros(count, dtype=np.bool_))
    pnl = np.zeros((accounts, last + 1))
    for step in range(int(brackets.hold.max(initial=0)) + 2 * PATIENCE_SESSIONS):
        at = brackets.decided + step
        inside = (at <= last) & (at >= 1)
        state, gained = _session(
            brackets, state, _Day.of(tape, brackets.fund, np.clip(at, 1, last)), at, inside, costs, tape, rules
        )
        np.add.at(pnl, (brackets.account[inside], at[inside]), gained[inside])
    return Result(pnl, state.entered, state.left, state.stopped)


def _session(
    brackets: Brackets,
    state: _State,
    day: _Day,
    at: IntArray,
    inside: NDArray[np.bool_],
    costs: Costs,
    tape: Tape,
    rules: HedgeRules,
) -> tuple[_State, FloatArray]:
    """The state after one session, and the dollars that it brought."""
    fee, shares = costs.fee_bps / 1e4, brackets.shares
    wants = inside & (state.entered < 0) & (at < brackets.decided + PATIENCE_SESSIONS)
    paid, limit, within = _bought(day, costs)
    enters = wants & np.isfinite(paid)
    state = replace(state, entered=np.where(enters, at, state.entered))
    state = _with_exits(state, enters, limit, tape, brackets.fund, rules)
    holds = inside & (state.entered >= 0) & (state.left < 0)
    asked = holds & ~enters & (at - state.entered >= brackets.hold)
    price, by_stop = _sold(day, state, asked, enters, within, costs)
    sold = np.where(holds, price, np.nan)
    leaves = np.isfinite(sold)
    start, end = np.where(enters, paid, day.before), np.where(leaves, sold, day.close)
    gained = shares * (end - start) - fee * shares * (np.where(enters, paid, 0.0) + np.where(leaves, end, 0.0))
    state = replace(state, left=np.where(leaves, at, state.left), stopped=state.stopped | (leaves & by_stop))
    return state, np.where(holds, gained, 0.0)


def _bought(day: _Day, costs: Costs) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Price paid (NaN for no fill), the limit, and whether it filled after the opening."""
    limit = _cents_down(day.before * (1 + ENTRY_COLLAR_FRACTION))
    at_opening = np.minimum(np.round(day.open * (1 + costs.slippage_bps / 1e4), 4), limit)
    within = (day.open > limit) & (day.low <= limit)
    return np.where(day.open <= limit, at_opening, np.where(within, limit, np.nan)), limit, within


def _with_exits(
    state: _State, enters: NDArray[np.bool_], limit: FloatArray, tape: Tape, fund: IntArray, rules: HedgeRules
) -> _State:
    exits = [exit_rule(each, rules) for each in tape.funds]
    stops = np.array([each.stop_loss_fraction for each in exits])[fund]
    targets = np.array([each.take_profit_fraction for each in exits])[fund]
    stop, target = np.round(limit * (1 - stops), 2), np.round(limit * (1 + targets), 2)
    return replace(state, stop=np.where(enters, stop, state.stop), target=np.where(enters, target, state.target))


def _sold(
    day: _Day, state: _State, asked: NDArray[np.bool_], enters: NDArray[np.bool_], within: NDArray[np.bool_], costs: Costs
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Price at which the bracket's exits sell, NaN for none, and whether it is the stop. Of both inside one bar, the stop."""
    worse, worse_stopped = 1 - costs.slippage_bps / 1e4, 1 - costs.stops_bps / 1e4
    marketable = np.maximum(_cents_down(day.before * (1 - EXIT_COLLAR_FRACTION)), state.stop + CENT)
    limit = np.where(asked, np.fmin(marketable, state.target), state.target)
    reached = np.where(enters & within, day.close, day.high)
    gapped, opens_above = ~enters & (day.open <= state.stop), ~enters & (day.open >= limit)
    falls = day.low <= state.stop
    found = [gapped, opens_above, falls, reached >= limit]
    prices = [
        np.round(day.open * worse, 4),
        np.maximum(np.round(day.open * worse, 4), limit),
        np.round(state.stop * worse_stopped, 4),
        limit,
    ]
    return np.select(found, prices, np.nan), gapped | (falls & ~opens_above)


def _cents_down(price: FloatArray) -> FloatArray:
    """To the tick below; the funds stay above a dollar."""
    return np.floor(np.round(price / CENT, 6)) * CENT
