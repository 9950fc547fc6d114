"""A difference between what the desk believes, what the broker holds and what Lumibot thinks, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BreakKind(StrEnum):
    """What a difference is."""

    MISSED = "missed"  # a fill or an order of the desk's own that its journal has not heard of
    BARE = "bare"  # shares of the desk's without an open exit at the broker
    FOREIGN = "foreign"  # somebody else traded in the account and left the desk's own shares alone
    STALE_VIEW = "stale_view"  # journal and broker agree, Lumibot lags
    UNEXPLAINED = "unexplained"


class Repair(StrEnum):
    """What is done about a difference."""

    ADOPT = "adopt"  # ask the broker again, and book what it says
    REPROTECT = "reprotect"  # ask again, and send exits for what is still bare
    LEAVE = "leave"
    WAIT = "wait"  # Lumibot reads its positions anew before each iteration
    HALT = "halt"


REPAIRS = {
    BreakKind.MISSED: Repair.ADOPT,
    BreakKind.BARE: Repair.REPROTECT,
    BreakKind.FOREIGN: Repair.LEAVE,
    BreakKind.STALE_VIEW: Repair.WAIT,
    BreakKind.UNEXPLAINED: Repair.HALT,
}
_MEANS = {
    BreakKind.MISSED: "the broker is asked again and what it says is booked",
    BreakKind.BARE: "the shares are covered anew",
    BreakKind.FOREIGN: "not the desk's trade; left alone (`desk adopt` takes shares over)",
    BreakKind.STALE_VIEW: "journal and broker agree; Lumibot reads its positions again at the next iteration",
}


@dataclass(frozen=True, slots=True)
class Break:
    """Shares of `symbol` in the desk's book and at the broker. `text` says what is known beyond the two numbers."""

    symbol: str
    book_shares: int
    broker_shares: int
    kind: BreakKind = BreakKind.UNEXPLAINED
    text: str = ""

    @property
    def repair(self) -> Repair:
        return REPAIRS[self.kind]

    @property
    def is_mending(self) -> bool:
        """Whether asking the broker again may end it."""
        return self.repair in (Repair.ADOPT, Repair.REPROTECT)

    def __str__(self) -> str:
        told = f"{self.symbol}: the journal says {self.book_shares} shares, the broker holds {self.broker_shares}"
        more = "; ".join(part for part in (self.text, _MEANS.get(self.kind, "")) if part)
        return f"{told}; {more}" if more else told
