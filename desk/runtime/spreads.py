"""The desk's hand on option spreads: journals what was decided about each before it does it. For the desk's thread alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from desk.core.keys import order_key
from desk.core.spread_book import SpreadBook
from desk.core.spread_moves import Move, Sight, next_move
from desk.domain.journal import RowValue
from desk.domain.spreads import Spread, SpreadOpened, SpreadPhase, SpreadPlan, SpreadSettled, SpreadTurned
from desk.domain.steps import Step
from desk.runtime.ledger import Ledger

# A spread turns a few times at most before it waits for the broker; more would be a circle.
MOST_MOVES = 8


class Spreads:
    """`write` journals rows of a moment, `execute` journals steps and sends them, `may_open` says whether anything is opened."""

    def __init__(
        self,
        ledger: Ledger,
        write: Callable[[Sequence[RowValue], datetime], None],
        execute: Callable[[Sequence[Step], datetime], list[Step]],
        may_open: Callable[[], bool],
        nonce: str,
    ) -> None:
        self._ledger = ledger
        self._write = write
        self._execute = execute
        self._nonce = nonce
        self.may_open = may_open

    @property
    def book(self) -> SpreadBook:
        return self._ledger.spreads

    def key(self, underlying: str, at: datetime) -> str:
        """The key of a spread on `underlying` that is decided at `at` (aware, UTC)."""
        return order_key(self._nonce, at, underlying, "bullput")

    def roll_key(self, underlying: str, at: datetime) -> str:
        """The key of one that another is rolled into: of one underlying two may be decided at once."""
        book = self.book
        return order_key(self._nonce, at, underlying, f"roll{len(book.open) + len(book.closed)}")

    def open(self, plan: SpreadPlan) -> None:
        """Journal that a spread was decided; `tend` sends its orders. Raises ValueError for one that is there already."""
        if self.book.spread(plan.key) is not None:
            raise ValueError(f"spread {plan.key} was decided before")
        said = SpreadOpened(plan)
        self._write([said], plan.decided_at)
        self._ledger.open_spread(said)

    def turn(self, said: SpreadTurned, at: datetime) -> None:
        """Raises ValueError, with nothing journaled, for a turn that the spread's phase does not know."""
        self.book.turned(said, at)
        self._write([said], at)
        self._ledger.turn_spread(said, at)

    def settle(self, every: Sequence[SpreadSettled], at: datetime) -> None:
        """Journal and book contracts that ended without an order, all of one activity at once: it is recognised by any of them
        afterwards. What is booked already is not journaled again."""
        known = {said: self.book.spread(said.key) for said in every}
        fresh = [said for said, spread in known.items() if spread is not None and said.activity not in spread.settled]
        self._write(fresh, at)
        for said in fresh:
            self._ledger.settle_spread(said, at)

    def tend(self, key: str, sight: Sight) -> tuple[Move, ...]:
        """Do what is due about one spread now. Returns what was done."""
        done: list[Move] = []
        while len(done) < MOST_MOVES:
            spread = self.book.open.get(key)
            if spread is None:
                break
            seen = replace(sight, may_open=sight.may_open and self.may_open(), partner=self._partner(spread))
            move = next_move(spread, seen)
            if move is None or not self._do(move, sight.now):
                break
            done.append(move)
        return tuple(done)

    def _do(self, move: Move, at: datetime) -> bool:
        if isinstance(move, SpreadTurned):
            self.turn(move, at)
            return True
        return bool(self._execute([move], at))

    def _partner(self, spread: Spread) -> Spread | None:
        """The spread that this one comes from, or the one that it is to be rolled into."""
        if spread.plan.rolled_from is not None and spread.phase is SpreadPhase.ENTERING:
            return self.book.spread(spread.plan.rolled_from)
        into = (
            each for each in self.book.open.values() if each.plan.rolled_from == spread.key and each.phase is SpreadPhase.ENTERING
        )
        return next(into, None)
