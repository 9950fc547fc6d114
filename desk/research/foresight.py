"""Does the strategy decide otherwise when the future is not there, or is another one?

At several dates everything from that morning on is taken away, and once more exchanged for a mirrored one. What was decided up
to and on that morning must not change: nothing of it was known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from desk.data.history_feed import before
from desk.domain.market import DailyBars, FloatArray
from desk.domain.trades import Book
from desk.report.wording import count
from desk.research.laboratory import Laboratory
from desk.research.simulation import Trial, held_book, plan
from desk.research.subject import Histories, Subject
from desk.research.verdict import Finding, Level

NAME = "foresight"
NEAR_SESSIONS = 10


def check(lab: Laboratory) -> Finding:
    """BIASED at the first decision that depends on the future; nothing is left to chance here."""
    days = cut_dates(lab, lab.effort.cuts)
    worlds = [(day, world) for day in days for world in (lab.subject.cut(day), _other_future(lab.subject, day))]
    seen = [_compared(lab.base, lab.run(world), day) for day, world in worlds]
    seen += [_looked(lab, day, number) for number, day in enumerate(cut_dates(lab, lab.effort.looks))]
    changed = sorted({day for one in seen for day in one.changed})
    failed = next((one.failed for one in seen if one.failed is not None), None)
    figures = {"worlds": float(len(seen)), "sessions_changed": float(len(changed))}
    if failed is None and not changed and not any(lab.base.decisions):
        return Finding(NAME, Level.NOT_APPLICABLE, "It never wanted anything: there is no decision to compare.")
    if failed is None and not changed:
        return Finding(NAME, Level.OK, f"In {len(seen)} worlds without this future every decision stayed the same.", figures)
    how = f"Decisions of {count(len(changed), 'session')} changed when the future was taken away or exchanged, the first on "
    words = f"{how}{changed[0]}" if changed else f"It fails without the future: {failed}"
    return Finding(NAME, Level.BIASED, f"{words}.", figures)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One world beside the real one: the sessions decided differently, and how the run failed."""

    changed: tuple[date, ...] = ()
    failed: str | None = None


def _compared(base: Trial, other: Trial, day: date) -> _Seen:
    """A run that failed is compared as far as it came."""
    pairs = zip(other.sessions, base.decisions, other.decisions, strict=False)
    failed = None if other.failed is None else f"{other.failed} on {day}"
    return _Seen(tuple(at for at, one, two in pairs if one != two), failed)


def _looked(lab: Laboratory, day: date, number: int) -> _Seen:
    """A few sessions before `day`, with the later bars and without, with nothing held or everything.

    What looks a day or two ahead is wrong near the end of its data alone, so it takes many ends to be sure of it.
    """
    near = tuple(session for session in lab.subject.sessions if session <= day)[-NEAR_SESSIONS:]
    whole = replace(lab.subject, sessions=near)
    book = Book() if number % 2 == 0 else held_book(whole, near[0])
    try:
        usual = plan(whole, lab.isolation, book)
        blind = plan(whole.cut(day), lab.isolation, book)
    except Exception as error:  # another author's code may fail in any way it likes
        return _Seen(failed=f"{type(error).__name__}: {error} on {day}")
    return _Seen(tuple(at for at, one, two in zip(near, usual, blind, strict=True) if one != two))


def cut_dates(lab: Laboratory, number: int) -> list[date]:
    """So many sessions spread over the run."""
    days = lab.subject.sessions
    return [days[(at + 1) * len(days) // (number + 1)] for at in range(number)]


def _other_future(subject: Subject, first: date) -> Subject:
    """From `first` on each symbol has the future of the next one, backwards and upside down."""
    symbols = sorted(subject.histories)
    futures = {symbol: _continued(subject.histories, symbol, symbols[at - 1], first) for at, symbol in enumerate(symbols)}
    return subject.on(futures).until(first)


def _continued(histories: Histories, symbol: str, donor: str, first: date) -> DailyBars:
    own, past = histories[symbol], before(histories[symbol], first)
    left, start = len(own) - len(past), len(past)
    if not left or not start:
        return own
    other = histories[donor]
    tail = other if len(before(other, first)) < 2 else _slice(other, len(before(other, first)) - 1)
    shapes = _shapes(tail)
    jump, high, low, close = (np.resize(column[::-1], left) for column in shapes)
    opens, closes = np.empty(left), np.empty(left)
    last = float(past.close[-1])
    for at in range(left):
        opens[at] = last / jump[at]
        last = closes[at] = opens[at] / close[at]
    volume = np.resize(tail.volume[::-1], left) * 0.37 + 1.0
    columns = (opens, opens / low, opens / high, closes, volume)
    old = (past.open, past.high, past.low, past.close, past.volume)
    return DailyBars(own.sessions, *(np.concatenate(pair) for pair in zip(old, columns, strict=True)))


def _slice(bars: DailyBars, start: int) -> DailyBars:
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return DailyBars(bars.sessions[start:], *(column[start:] for column in columns))


def _shapes(bars: DailyBars) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Of each bar but the first: open over the close before, then high, low and close over the open."""
    opened = bars.open[1:] if len(bars) > 1 else bars.open
    previous = bars.close[:-1] if len(bars) > 1 else bars.open
    high, low, close = (column[-len(opened) :] / opened for column in (bars.high, bars.low, bars.close))
    return opened / previous, high, low, close
