"""The desk's book against the broker's account and Lumibot's: what differs is journaled, explained where it can be, or halts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from desk.core.reconcile import HARMLESS, BrokerView
from desk.core.splits import explains
from desk.core.spread_reconcile import without_contracts, without_spreads
from desk.domain.breaks import Break, BreakKind, Repair
from desk.domain.decisions import Denied, Mode, Reason
from desk.domain.journal import BreakFound, ForeignSeen, RowValue, RunStarted, SharesSplit
from desk.domain.orders import OrderClass, Side
from desk.domain.steps import Step, Submit
from desk.domain.trades import Account, Book
from desk.runtime.ledger import Ledger

# Lumibot asks for the positions before each iteration, and hears of fills by the same stream as the desk, a moment later. What
# was bought within this time may not be among its shares yet; what was sold elsewhere is missing for good.
LUMIBOT_LAGS_AT_MOST = timedelta(seconds=60)


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
        view = self._stocks(view)
        found = self._ledger.differences.between(self._ledger.book, view)
        self._see(self._ledger.differences.seen(found, self._ledger.book, view))
        unexplained = [each for each in found if each.repair is Repair.HALT]
        self._write([BreakFound(each) for each in unexplained])
        return tuple(unexplained)

    def look(self, view: BrokerView, strategy: Mapping[str, int] | None) -> tuple[Break, ...]:
        view = self._stocks(view)
        found = self._ledger.differences.look(self._ledger.book, view, None if strategy is None else self._shares(strategy))
        self._see(self._ledger.differences.seen(found, self._ledger.book, view))
        return found

    def _see(self, seen: Sequence[ForeignSeen]) -> None:
        self._write(seen)
        for each in seen:
            self._ledger.differences.see(each)

    def believe(self, found: Sequence[Break]) -> None:
        """Halt on differences that lasted, but for those that do no harm."""
        self._halt_on([each for each in found if each.repair not in HARMLESS])

    def lumibot(self, account: Account) -> tuple[Break, ...]:
        lasting = self._ledger.differences.lumibot(self._ledger.book, self._shares(account.shares))
        self._halt_on(lasting)
        return lasting

    def sellable(self, planned: Sequence[Step | Denied], account: Account, at: datetime) -> list[Step | Denied]:
        """What is planned, without plain sales of shares that somebody else has sold: refused, with words for the person."""
        gone = shares_gone(self._ledger.book, account, at)
        return [_refused(symbol, *gone[symbol]) if (symbol := _plainly_sold(each)) in gone else each for each in planned]

    def _stocks(self, view: BrokerView) -> BrokerView:
        """A view without what belongs to option spreads."""
        return without_spreads(view, self._ledger.spreads, self._expected())

    def _shares(self, shares: Mapping[str, int]) -> Mapping[str, int]:
        spreads = self._ledger.spreads
        return without_contracts(shares, spreads, self._expected()) if spreads.owners else shares

    def _expected(self) -> dict[str, int]:
        """Shares that the account should have beside those of spreads; nobody asks while there are none."""
        if not self._ledger.spreads.owners:
            return {}
        ours, theirs = self._ledger.book.shares(), self._ledger.differences.foreign
        return {symbol: ours.get(symbol, 0) + theirs.get(symbol, 0) for symbol in {*ours, *theirs}}

    def _halt_on(self, lasting: Sequence[Break]) -> None:
        if lasting and self._ledger.mode is Mode.ACTIVE:
            self._write([BreakFound(each) for each in lasting])
            self._halt("; ".join(str(each) for each in lasting))

    # ---- splits ----------------------------------------------------------------------------------------------------------

    def unexplained(self, shares: Mapping[str, int]) -> frozenset[str]:
        """Symbols of which the broker's `shares` are not what the journal says. Contracts that are gone explain nothing here: a
        split gives them another name."""
        stocks = dict(shares)
        for spread in self._ledger.spreads.open.values():
            stocks[spread.plan.underlying] = stocks.get(spread.plan.underlying, 0) - spread.stock
        for symbol in self._ledger.spreads.every_contract():
            stocks.pop(symbol, None)
        found = self._ledger.differences.between(self._ledger.book, BrokerView(stocks))
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


# ---- shares that somebody else sold --------------------------------------------------------------------------------------


def shares_gone(book: Book, account: Account, at: datetime) -> dict[str, tuple[int, int]]:
    """Shares in the book and in the account by symbol, where the account has fewer and Lumibot had the time to know of them."""
    fresh = {trade.symbol for trade in book.open.values() if trade.entered_at and at - trade.entered_at < LUMIBOT_LAGS_AT_MOST}
    both = {symbol: (ours, account.shares.get(symbol, 0)) for symbol, ours in book.shares().items() if symbol not in fresh}
    return {symbol: (ours, there) for symbol, (ours, there) in both.items() if there < ours}


def _plainly_sold(planned: Step | Denied) -> str:
    """The symbol of a plain sale, "" for everything else.

    Exits that rest hold their shares at the broker: moving them to the market cannot sell more than there is.
    """
    if not isinstance(planned, Submit):
        return ""
    spec = planned.spec
    return spec.symbol if spec.side is Side.SELL and spec.order_class is OrderClass.SIMPLE else ""


def _refused(symbol: str, ours: int, there: int) -> Denied:
    text = (
        f"the account holds {there} shares and the desk counts on {ours}: somebody else sold the difference, by hand perhaps. "
        "Nothing is sent, as a sale could go short. Look at the account at the broker: buy back what is missing, or begin "
        "another run and give it what is left with `desk adopt`"
    )
    return Denied(symbol, Reason.SHARES_GONE, text, {"book_shares": ours, "account_shares": there})
