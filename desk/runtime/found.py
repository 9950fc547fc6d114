"""Shares in the account that the desk did not buy: taken over and protected, when the person wants that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from desk.core.ports import Clock
from desk.core.protect import Stamp
from desk.core.reconcile import adoption
from desk.core.residue import whole
from desk.domain.decisions import FixedExit
from desk.domain.journal import SharesAdopted
from desk.runtime.desk import Desk

REASON = "found in the account without exits of the desk's"


@dataclass(frozen=True)
class FoundPositions:
    """Takes over what is there and free: whole shares that are long, a person's and no spread's, and not held by an open order.

    `nonce` is the journal's; `rule` places the exits.
    """

    desk: Desk
    api: Any
    nonce: str
    clock: Clock
    rule: FixedExit
    show: Callable[[str], None]

    def protect(self) -> tuple[SharesAdopted, ...]:
        """Take over, and send exits. Raises what the broker raises when it does not answer."""
        book, foreign = self.desk.book, self.desk.differences.foreign
        there = [one for one in self.api.get_all_positions() if foreign.get(one.symbol, 0) > 0]
        found = (self._adopted(one, book.shares_of(one.symbol), foreign[one.symbol]) for one in there)
        adopted = tuple(each for each in found if each is not None)
        for each in adopted:
            self.desk.adopt_shares(each)
            spec = each.spec
            self.show(
                f"found {spec.quantity} {spec.symbol} without exits, bought at {each.price:.2f}: "
                f"protected by stop {spec.stop_loss}, target {spec.take_profit}"
            )
        if adopted:
            self.desk.cover_bare_shares()
        return adopted

    def _adopted(self, position: Any, ours: int, foreign: int) -> SharesAdopted | None:
        # No more than what is known as somebody else's. What is there beyond that came for a spread, whether that is booked or
        # not, or with a fill of the desk's own that is not in the book yet; it may be all that is in no open order.
        held, free = whole(position.qty), whole(position.qty_available or 0)
        count = min(held - ours, free - max(0, held - ours - foreign), foreign)
        if count < 1 or str(getattr(position.asset_class, "value", position.asset_class)) != "us_equity":
            return None
        paid, now = float(position.avg_entry_price), float(position.current_price or 0)
        base = self._base(paid, now)
        number = 1 + len(self.desk.book.trades_of(position.symbol))
        spec = adoption(Stamp(self.nonce, self.clock.now()), position.symbol, count, base, self.rule, number)
        return SharesAdopted(spec, Decimal(str(paid)), REASON, foreign - count, self.rule)

    def _base(self, paid: float, now: float) -> float:
        """What the exits are measured from: what was paid, unless the market is beyond one of them already."""
        if now <= 0:
            return paid
        is_between = paid * (1 - self.rule.stop_loss_fraction) < now < paid * (1 + self.rule.take_profit_fraction)
        return paid if is_between else now
