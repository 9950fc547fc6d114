"""The desk's watch over its book: bare shares get exits, sales that hang are ended, stops rise; sent through the desk alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from desk.core.covering import MAX_COVERS, cover, given_up, insisted
from desk.core.prints import Known, last_prices
from desk.core.protect import Stamp
from desk.core.upkeep import (
    CROSSED_AT_MOST,
    asked_again,
    crossed,
    exits_left_behind,
    half_filled,
    instead_of_stops,
    misfits,
    ratchets,
    stale_sales,
    unattended,
    unended,
)
from desk.domain.journal import BrokerRefusal, StopPassed
from desk.domain.orders import OrderClass
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Trade
from desk.runtime.ledger import Ledger

Execute = Callable[[Sequence[Step], datetime], list[Step]]
# What a share fetches outside regular hours, in dollars; None in regular hours, and when nobody looks outside them.
Night = Mapping[str, float] | None


# Of exits: the old ones may still rest, and the shares are bare as soon as they do not.
_UNENDED = "are to get other exits or to be sold, and the broker has not ended the exits that they have"


class Protection:
    """For the desk's thread alone. `execute` journals and sends, `halt` says why the desk opens nothing more."""

    def __init__(self, ledger: Ledger, execute: Execute, halt: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._execute = execute
        self._halt = halt
        self._crossed: dict[str, datetime] = {}

    def cover(self, at: datetime) -> None:
        """Send exits for bare shares, and end those that are for more or fewer than there are; halt for those that the broker
        leaves without."""
        self._execute([*cover(self._ledger.book), *misfits(self._ledger.book, self._ledger.stamp(at))], at)
        self._tell_given_up()

    def _tell_given_up(self) -> None:
        for trade in given_up(self._ledger.book):
            tries = MAX_COVERS  # or more: each is not worth a row
            self._halt(
                f"{trade.shares} {trade.symbol} have no exit: the broker ended {tries} in a row. It is tried again every minute "
                "and at each iteration; look at the account at the broker"
            )

    def insist(self, keys: frozenset[str], at: datetime) -> list[Step]:
        """One more try for trades that were given up."""
        return self._execute([step for step in cover(self._ledger.book, most=None) if step.covers in keys], at)

    def react_to(self, refusal: BrokerRefusal, step: Step | None, at: datetime) -> None:
        """What follows when the broker refused `step`."""
        if not isinstance(step, Submit) or step.covers is None or refusal.unsent:
            self.cover(at)
            return
        trade = self._ledger.book.owner(step.key)
        is_sale = step.spec.order_class is not OrderClass.OCO
        # A sale that was refused leaves shares that can still be covered; so does a stop that the market has passed.
        # And one that goes back to where its stop was before it was to rise.
        has_gone_back = trade is not None and not is_sale and step.spec.stop_loss != trade.stop_price
        if trade is not None and (trade.stop_passed != is_sale or has_gone_back):
            self.cover(at)
            return
        # Shares that are on their way back, say: the guardian tries again in a moment, and halts if that goes on.
        if refusal.explained:
            self._tell_given_up()
            return
        # Asking again at once gets the same answer; the guardian and the next iteration try again, and a person should know now.
        self._halt(f"{step.spec.quantity} {step.spec.symbol} have no exit: the broker refused, {refusal.message}")

    def watch_slow_cancels(self, at: datetime) -> None:
        for trade in unended(self._ledger.book, at):
            what = "have no exit: the broker has not ended their half-filled entry" if trade.is_entry_working else _UNENDED
            self._halt(
                f"{trade.shares} {trade.symbol} {what}, asked for at {trade.cancel_asked_at:%H:%M:%S} UTC. It is asked again "
                "every minute; look at the account at the broker"
            )

    def upkeep(self, prices: Mapping[str, float], stamp: Stamp, night: Night = None) -> list[Step]:
        """Steps that are due now by the market's `prices` in dollars, at most one for each trade."""
        book = self._ledger.book
        fitted = misfits(book, stamp)
        apart = {step.of_key for step in fitted if isinstance(step, Replace | Cancel)}
        moved = [*ratchets(book, prices, stamp), *exits_left_behind(book, prices, stamp)]
        moved = [step for step in moved if not isinstance(step, Replace | Cancel) or step.of_key not in apart]
        return [*cover(book), *stale_sales(book, stamp, night), *asked_again(book, stamp), *fitted, *moved]

    def between(self, prices: Mapping[str, float], stamp: Stamp, is_last: bool = False, night: Night = None) -> list[Step]:
        """`upkeep`, and what an iteration does for itself: half-filled entries end, and bare shares get yet another try."""
        book = self._ledger.book
        ended = unattended(book, stamp) if is_last else half_filled(book, stamp)
        return [*self.upkeep(prices, stamp, night), *ended, *insisted(book, stamp.at)]

    def passed_stops(self, known: Known, stamp: Stamp, night: Known | None = None) -> tuple[list[StopPassed], list[Step]]:
        """Stops that the market passed a while ago and that sold nothing: what to tell, and what sells instead."""
        known = known if night is None else night
        prices = last_prices(known)
        below = crossed(self._ledger.book, prices)
        self._crossed = {trade.key: self._crossed.get(trade.key, stamp.at) for trade in below}
        late = [trade for trade in below if stamp.at - self._crossed[trade.key] >= CROSSED_AT_MOST and _is_sure(trade, known)]
        steps = instead_of_stops(late, prices, self._ledger.book, stamp, at_night=night is not None)
        asked = {step.of_key for step in steps if isinstance(step, Replace | Cancel)}
        return [_told(trade, prices) for trade in late if trade.exits_key in asked], steps


def _is_sure(trade: Trade, known: Known) -> bool:
    """Whether trades that lie apart say that the stop was passed: one that is seen again and again is one, and may be odd."""
    return trade.stop_price is not None and known[trade.symbol].stayed_below(float(trade.stop_price), CROSSED_AT_MOST)


def _told(trade: Trade, prices: Mapping[str, float]) -> StopPassed:
    return StopPassed(trade.key, trade.symbol, trade.shares, trade.stop_price, prices[trade.symbol])
