"""What an account's trades came to, round trips of shares and option spreads alike, beside the change of its equity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from desk.domain.records import RunRecord
from desk.report.statistics import session_closes


class Kind(StrEnum):
    """What was traded."""

    SHARES = "shares"
    SPREADS = "option spreads"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trade from its first fill until nothing of it is left.

    `pnl_usd` is the cash that it brought less the cash that it took, fees that the run knows of included; None while it is open,
    as `closed_at` is.
    """

    kind: Kind
    opened_at: datetime
    closed_at: datetime | None
    pnl_usd: float | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Trades counted; `pnl_usd` is of the closed ones. A trade that ends at zero is not won."""

    closed: int
    won: int
    still_open: int
    pnl_usd: float


@dataclass(frozen=True, slots=True)
class TripFigures:
    """All trades of an account, those of each kind that it had, and what its equity changed by from the start to the last close.

    `rest_usd` is the change that no closed trade explains: what open ones have gained or lost by then; in a live account also
    interest, dividends and what was not the desk's.
    """

    every: Tally
    kinds: Mapping[Kind, Tally]
    change_usd: float
    rest_usd: float


def outcomes(record: RunRecord) -> tuple[Outcome, ...]:
    """Every trade of a run, by its opening."""
    shares = (Outcome(Kind.SHARES, trip.entry_at, trip.exit_at, trip.pnl_usd) for trip in record.trips)
    spreads = (Outcome(Kind.SPREADS, trip.opened_at, trip.closed_at, trip.pnl_usd) for trip in record.spreads)
    return tuple(sorted((*shares, *spreads), key=lambda each: each.opened_at))


def trip_figures(record: RunRecord) -> TripFigures:
    """A run's trades in figures."""
    found = outcomes(record)
    every = _tally(found)
    kinds = {kind: _tally(these) for kind in Kind if (these := [each for each in found if each.kind is kind])}
    change_usd = _change_usd(record)
    return TripFigures(every, kinds, change_usd, change_usd - every.pnl_usd)


def _change_usd(record: RunRecord) -> float:
    first = min(record.equity, key=lambda point: point.at, default=None)
    closes = tuple(session_closes(record.equity).values())
    return closes[-1] - first.equity_usd if first is not None else 0.0


def _tally(found: Sequence[Outcome]) -> Tally:
    gains = [each.pnl_usd or 0.0 for each in found if each.closed_at is not None]
    return Tally(len(gains), sum(gain > 0 for gain in gains), len(found) - len(gains), float(sum(gains)))
