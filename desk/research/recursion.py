"""Does the strategy decide otherwise when it was started on another day, or when the data begin on another day?

A strategy counts, anchors or averages from its own beginning without noticing; its backtest is then one of many that it could
have had, and live it will be another one. To keep positions out of it, every decision is asked for twice: with nothing held and
with everything held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from desk.domain.errors import DeskError
from desk.domain.trades import Book
from desk.research.foresight import _slice
from desk.research.laboratory import Laboratory
from desk.research.simulation import Decision, held_book, plan
from desk.research.subject import Subject
from desk.research.verdict import Finding, Level

NAME = "recursion"
# A strategy may state how many sessions it needs to forget where it was started (`warm_up_sessions`); else this many.
WARM_UP_SESSIONS = 60
# Where data begin is forgotten by an exponential average at the speed of its length, so this takes longer.
DATA_WARM_UP_SESSIONS = 250
SMALLEST_SHARE_OF_STARTS = 0.01
# A model or an average of all that is shown moves a little with where the data begin; a sum against zero is another strategy.
SMALLEST_SHARE_OF_DATA = 0.25


def check(lab: Laboratory) -> Finding:
    """SUSPECT when more than a hundredth of the decisions depend on the start, or a quarter of the directions on the data's."""
    if not any(lab.base.decisions):
        return Finding(NAME, Level.NOT_APPLICABLE, "It never wanted anything: there is no decision to compare.")
    warm_up = int(getattr(lab.subject.strategy, "warm_up_sessions", WARM_UP_SESSIONS))
    try:
        starts, data = list(_by_start(lab, warm_up)), list(_by_data(lab))
    except Exception as error:  # another author's code may fail in any way it likes
        return Finding(NAME, Level.SUSPECT, f"It fails when it is started on another day: {type(error).__name__}: {error}.")
    if not starts:
        least = warm_up + min(lab.effort.shifts) + 1
        words = f"{len(lab.subject.sessions)} sessions are too few to start it on another day: it takes {least}"
        return Finding(NAME, Level.NOT_APPLICABLE, f"{words}.")
    by_start, by_data = max(starts), max(data, default=0.0)
    figures = {"share_by_start": by_start, "share_by_data": by_data, "warm_up_sessions": float(warm_up)}
    if by_start > SMALLEST_SHARE_OF_STARTS:
        words = (
            f"{by_start:.0%} of its decisions change when it is started on another day, {warm_up} sessions of warm-up left out"
        )
        return Finding(NAME, Level.SUSPECT, f"{words}: it depends on its own start.", figures)
    if by_data > SMALLEST_SHARE_OF_DATA:
        words = f"{by_data:.0%} of its decisions change when the data begin later, even {DATA_WARM_UP_SESSIONS} sessions on"
        return Finding(NAME, Level.SUSPECT, f"{words}: live it will see data that begin elsewhere.", figures)
    return Finding(NAME, Level.OK, f"Started on other days it decides the same after {warm_up} sessions.", figures)


def _by_start(lab: Laboratory, warm_up: int) -> Iterator[float]:
    subject = lab.subject
    for book in _books(subject):
        usual = plan(subject, lab.isolation, book)
        for shift in lab.effort.shifts:
            if shift + warm_up < len(subject.sessions):
                later = replace(subject, sessions=subject.sessions[shift:])
                yield _share(usual[shift + warm_up :], plan(later, lab.isolation, book)[warm_up:], is_exact=True)


def _by_data(lab: Laboratory) -> Iterator[float]:
    subject = lab.subject
    longest = max((bars.sessions for bars in subject.histories.values()), key=len)
    lead = bisect_left(longest, subject.sessions[0])
    for part in (1 / 3, 2 / 3):
        first = longest[min(int(part * max(lead, DATA_WARM_UP_SESSIONS / 2)), len(longest) - 1)]
        warm = longest[min(bisect_left(longest, first) + DATA_WARM_UP_SESSIONS, len(longest) - 1)]
        place = bisect_left(subject.sessions, warm)
        asked = replace(subject, sessions=subject.sessions[place:])
        if len(asked.sessions) > 1:
            shorter = asked.on(
                {symbol: _slice(bars, bisect_left(bars.sessions, first)) for symbol, bars in subject.histories.items()}
            )
            book = Book()
            yield _share(plan(asked, lab.isolation, book), plan(shorter, lab.isolation, book), is_exact=False)


def _books(subject: Subject) -> tuple[Book, Book]:
    return Book(), held_book(subject, subject.sessions[0])


def _share(usual: Sequence[Decision], other: Sequence[Decision], is_exact: bool) -> float:
    """Share of the symbols and sessions of which anything was said that were decided differently."""
    if len(usual) != len(other):
        raise DeskError("two plans of different lengths")
    said = differing = 0
    for one, two in zip(usual, other, strict=True):
        first, second = _by_symbol(one, is_exact), _by_symbol(two, is_exact)
        said += len(first.keys() | second.keys())
        differing += sum(first.get(symbol) != second.get(symbol) for symbol in first.keys() | second.keys())
    return differing / said if said else 0.0


def _by_symbol(decision: Decision, is_exact: bool) -> dict[str, str]:
    """What was decided by symbol; when not exact only whether it is wanted, without size and confidence."""
    parts = [line.split(" ", 3) for line in decision]
    return {symbol: " ".join(rest) if is_exact else str(float(rest[1]) > 0) for symbol, *rest in parts}
