"""Five contracts and five steps of a ladder, in any order of events: rows make the same book each time, and home is in reach."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from spread_broker import changes
from spread_walk import problems, shape
from spread_worlds import Change, World, begin, plan

from desk.core.spread_book import SpreadBook
from desk.domain.journal import BrokerRefusal, Row, RowValue
from desk.domain.orders import OrderEvent
from desk.domain.spreads import Manner, SpreadOpened, SpreadPhase, SpreadSettled, SpreadTurned
from desk.domain.steps import Cancel, SpreadOrder
from desk.journal.codec import decode, encode, kind_of
from desk.runtime.ledger import Ledger

pytestmark = pytest.mark.slow
MOST_WAYS_HOME = 600


class Journaled:
    """A book of which every change is a row first."""

    def __init__(self, book: SpreadBook, rows: tuple[Row, ...] = ()) -> None:
        self.book, self.rows = book, rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self.book, name)

    def _with(self, book: SpreadBook, at: Any, value: RowValue) -> Journaled:
        return Journaled(book, (*self.rows, Row(at, value)))

    def opened(self, said: SpreadOpened) -> Journaled:
        return self._with(self.book.opened(said), said.plan.decided_at, said)

    def turned(self, said: SpreadTurned, at: Any) -> Journaled:
        return self._with(self.book.turned(said, at), at, said)

    def sent(self, step: SpreadOrder, at: Any) -> Journaled:
        return self._with(self.book.sent(step, at), at, step)

    def cancel_asked(self, step: Cancel, at: Any) -> Journaled:
        return self._with(self.book.cancel_asked(step, at), at, step)

    def refused(self, refusal: BrokerRefusal, at: Any) -> Journaled:
        return self._with(self.book.refused(refusal, at), at, refusal)

    def cancel_refused(self, of_key: str) -> Journaled:
        asked = next(row for row in reversed(self.rows) if isinstance(row.value, Cancel) and row.value.of_key == of_key)
        assert isinstance(asked.value, Cancel)
        said = BrokerRefusal(asked.value.key, None, None, "too late", explained=True)
        return self._with(self.book.cancel_refused(of_key), asked.at, said)

    def heard(self, news: OrderEvent) -> Journaled:
        return self._with(self.book.heard(news), news.at, news)

    def settled(self, said: SpreadSettled, at: Any) -> Journaled:
        return self._with(self.book.settled(said, at), at, said)


def same(book: SpreadBook) -> tuple[Any, ...]:
    return (dict(book.open), dict(book.closed), dict(book.given_up), dict(book.filled))


def begun(manner: Manner, keeps_long: bool) -> World:
    decided = plan(5, manner, keeps_long=keeps_long, rungs=5, is_rolled=True)
    empty: Any = Journaled(SpreadBook())
    return replace(begin(decided, may_lose=2, may_assign=2, may_sell=2), book=empty.opened(SpreadOpened(decided)))


def pick(world: World, choice: tuple[int, int]) -> Change:
    """One of all that may happen; first of what kind, since time could always pass."""
    every = list(changes(world))
    names = list(Counter(each.name for each in every))
    alike = [each for each in every if each.name == names[choice[0] % len(names)]]
    return alike[choice[1] % len(alike)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    manner=st.sampled_from(Manner),
    keeps_long=st.booleans(),
    choices=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 2**16)), min_size=20, max_size=90),
)
def test_rows_make_the_same_book_and_all_can_be_sold(manner: Manner, keeps_long: bool, choices: list[tuple[int, int]]) -> None:
    world, ledger, read = begun(manner, keeps_long), Ledger("n"), 0
    for choice in choices:
        change = pick(world, choice)
        world = change.world
        event(change.name)
        for problem in problems(world):
            raise AssertionError(problem)
        for row in world.book.rows[read:]:  # type: ignore[attr-defined]  # a journaled book
            ledger.replay(Row(row.at, decode(kind_of(row.value), encode(row.value))))
        read = len(world.book.rows)  # type: ignore[attr-defined]  # likewise
        assert same(ledger.spreads) == same(world.book)
    assert home(world).is_flat


# ---- the way home ----------------------------------------------------------------------------------------------------------

LATER = ("hours pass", "a while passes")


def home(world: World) -> World:
    """Where good changes lead: news first, then the desk's moves, leaving before all others, and time when nothing else does."""
    for _ in range(MOST_WAYS_HOME):
        if world.is_flat:
            break
        world = min((each for each in changes(world) if each.is_good), key=lambda each: _urgency(world, each)).world
    return world


def _urgency(world: World, change: Change) -> int:
    if change.name in LATER:
        is_idle = shape(change.world) == shape(world)
        return 9 if is_idle else 8 - LATER.index(change.name)
    if change.name.endswith("leave"):
        return 1
    is_desks = change.name.endswith(("arrives", "refused", "over", "roll"))
    return 2 if is_desks else 0


def test_the_random_worlds_come_to_every_phase() -> None:
    """What the property says means something only where the choices lead everywhere."""
    world, seen = begun(Manner.ATOMIC, False), set()
    filled = ("an order arrives", "a part fills", "an order fills", "entry is told", "leg_1 is told", "leg_2 is told")
    rolled = ("a roll is prepared", "one roll", "an order arrives", "a part fills", "1 assigned", "an activity is told")
    for name in (*filled, *rolled):
        world = next(each.world for each in changes(world) if each.name == name)
        seen |= {spread.phase for spread in world.spreads.values()}
    assert seen == {SpreadPhase.ENTERING, SpreadPhase.OPEN, SpreadPhase.ROLLING, SpreadPhase.REPAIRING}
    assert home(world).is_flat
