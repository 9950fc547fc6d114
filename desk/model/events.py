"""Labelled events: the days on which the signal (widened by the margin) was on, and what the trade then did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from desk.domain.market import DailyBars, FloatArray
from desk.model.features import FEATURES, RSI, feature_table, ordinals
from desk.model.labels import BoolArray, IntArray, triple_barrier
from desk.model.parameters import MetaParameters


@dataclass(frozen=True, slots=True)
class Events:
    """Events with a complete horizon, by signal day and then symbol; arrays of length m, `features` (m, len(FEATURES)).

    Days are day numbers (date.toordinal), sessions are counted from the first day on which any symbol has a bar, and `entry_bar`
    and `exit_bar` are places in the bars of the event's symbol. `net_return` is the trade's return after costs, a fraction.
    """

    features: FloatArray
    profitable: BoolArray
    net_return: FloatArray
    symbol: IntArray
    day: IntArray
    horizon_day: IntArray
    session: IntArray
    horizon_session: IntArray
    entry_bar: IntArray
    exit_bar: IntArray

    def __len__(self) -> int:
        return len(self.day)

    def where(self, chosen: BoolArray | IntArray) -> Events:
        return Events(*(getattr(self, name.name)[chosen] for name in fields(self)))

    def completed_before(self, before: date) -> Events:
        """Events whose whole horizon lies before `before`.

        Purging by the exit alone would keep, of the last days, only the trades that ended early: mostly stops.
        """
        return self.where(self.horizon_day < before.toordinal())


def collect_events(bars: Mapping[str, DailyBars], parameters: MetaParameters) -> Events:
    """Every event of every symbol in `bars` that has all its features and its whole horizon."""
    tables = feature_table(bars, parameters.rsi_length)
    every_day = (
        np.unique(np.concatenate([ordinals(bars[symbol]) for symbol in tables])) if tables else np.empty(0, dtype=np.int64)
    )
    parts = [
        _of_symbol(place, bars[symbol], tables[symbol], every_day, parameters) for place, symbol in enumerate(sorted(tables))
    ]
    parts = parts or [_empty()]
    joined = Events(*(np.concatenate([getattr(part, name.name) for part in parts]) for name in fields(Events)))
    return joined.where(np.lexsort((joined.symbol, joined.day)))


def _of_symbol(place: int, bars: DailyBars, table: FloatArray, every_day: IntArray, parameters: MetaParameters) -> Events:
    outcomes = triple_barrier(
        bars, parameters.stop_loss_fraction, parameters.take_profit_fraction, parameters.time_barrier_sessions
    )
    complete = np.isfinite(table).all(axis=1) & (outcomes.horizon_index < len(bars))
    at = np.flatnonzero(complete & (table[:, RSI] < parameters.event_rsi))
    days = ordinals(bars)
    day, horizon_day = days[at], days[outcomes.horizon_index[at]]
    return Events(
        features=table[at],
        profitable=outcomes.profitable(parameters.cost_bps)[at],
        net_return=outcomes.gross_return[at] - parameters.cost_bps / 10_000,
        symbol=np.full(len(at), place, dtype=np.int64),
        day=day,
        horizon_day=horizon_day,
        session=np.searchsorted(every_day, day),
        horizon_session=np.searchsorted(every_day, horizon_day),
        entry_bar=at + 1,
        exit_bar=outcomes.exit_index[at],
    )


def _empty() -> Events:
    none = np.empty(0, dtype=np.int64)
    return Events(np.empty((0, len(FEATURES))), none.astype(bool), none.astype(np.float64), *(none,) * 7)


def uniqueness(events: Events) -> FloatArray:
    """Weight of each event in (0, 1]: the mean over its life of 1 / (events of its symbol alive in that session).

    Their sum is the number of independent trades that the overlapping events amount to.
    Source: Lopez de Prado (2018), section 4.4, average uniqueness of a label.
    """
    weights = np.empty(len(events))
    for symbol in np.unique(events.symbol):
        mine = np.flatnonzero(events.symbol == symbol)
        first, last = events.entry_bar[mine], events.exit_bar[mine]
        changes = np.zeros(int(last.max()) + 2)
        np.add.at(changes, first, 1.0)
        np.add.at(changes, last + 1, -1.0)
        alive = np.cumsum(changes)
        share = np.concatenate([[0.0], np.cumsum(1.0 / np.maximum(alive, 1.0))])
        weights[mine] = (share[last + 1] - share[first]) / (last + 1 - first)
    return weights
