"""The desk's book against the broker's account and Lumibot's: what differs is journaled, explained where it can be, or halts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from desk.core.reconcile import HARMLESS, BrokerView, foreign_seen
from desk.core.splits import explains
from desk.domain.breaks import Break, BreakKind, Repair
from desk.domain.decisions import Mode
from desk.domain.journal import BreakFound, ForeignSeen, RowValue, RunStarted, SharesSplit
from desk.domain.trades import Account
from desk.runtime.ledger import Ledger


class Comparison:
    """For the desk's thread alone. `write` journals rows of now, `halt` says why the desk opens nothing more."""

    def __init__(self, ledger: Ledger, write: Callable[[Sequence[RowValue]], None], halt: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._write = write
        self._halt = halt

    def start(self, started: RunStarted, there: Account | BrokerView) -> tuple[Break, ...]:
        """Journal the start of a run. Returns what nothing explains."""
        view = there if isinstance(there, BrokerView) else BrokerView(there.shares)
        if not started.resumed:
            started = replace(started, foreign=self._ledger.differences.foreign_is(view.shares))
        self._write([started])
        found = self._ledger.differences.between(self._ledger.book, view)
        self._see(foreign_seen(found, self._ledger.book, view))
        unexplained = [each for each in found if each.repair is Repair.HALT]
        self._write([BreakFound(each) for each in unexplained])
        return tuple(unexplained)

    def look(self, view: BrokerView, strategy: Mapping[str, int] | None) -> tuple[Break, ...]:
        found = self._ledger.differences.look(self._ledger.book, view, strategy)
        self._see(foreign_seen(found, self._ledger.book, view))
        return found

    def _see(self, seen: Sequence[ForeignSeen]) -> None:
        self._write(seen)
        for each in seen:
            self._ledger.differences.see(each)

    def believe(self, found: Sequence[Break]) -> None:
        """Halt on differences that lasted, but for those that do no harm."""
        self._halt_on([each for each in found if each.repair not in HARMLESS])

    def lumibot(self, account: Account) -> tuple[Break, ...]:
        lasting = self._ledger.differences.lumibot(self._ledger.book, account.shares)
        self._halt_on(lasting)
        return lasting

    def _halt_on(self, lasting: Sequence[Break]) -> None:
        if lasting and self._ledger.mode is Mode.ACTIVE:
            self._write([BreakFound(each) for each in lasting])
            self._halt("; ".join(str(each) for each in lasting))

    # ---- splits ----------------------------------------------------------------------------------------------------------

    def unexplained(self, shares: Mapping[str, int]) -> frozenset[str]:
        """Symbols of which the broker's `shares` are not what the journal says."""
        found = self._ledger.differences.between(self._ledger.book, BrokerView(shares))
        return frozenset(each.symbol for each in found if each.kind is BreakKind.UNEXPLAINED)

    def split(self, splits: Sequence[SharesSplit], shares: Mapping[str, int]) -> tuple[SharesSplit, ...]:
        """Journal and book those of the broker's `splits` that account for its `shares`. Returns them."""
        return tuple(each for each in splits if self._is_booked(each, shares.get(each.symbol, 0)))

    def _is_booked(self, split: SharesSplit, there: int) -> bool:
        ledger = self._ledger
        foreign = ledger.differences.foreign.get(split.symbol, 0)
        if ledger.knows(split) or not explains(ledger.book, foreign, there, split):
            return False
        self._write([split])
        ledger.split(split)
        return True
