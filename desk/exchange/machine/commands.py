"""What can be asked of the machine, and the moment with its prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from desk.exchange.machine.orders import Amendment, Quote, Ticket


@dataclass(frozen=True, slots=True)
class Submit:
    """Take a checked ticket. `works_now` says that it can go to the venue at once; otherwise it is queued for a `Tick` that
    opens the venue to it. `expires_at` is when its time in force ends."""

    ticket: Ticket
    at: datetime
    works_now: bool
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    order_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Replace:
    """Put a changed successor in the place of a live order."""

    order_id: str
    amendment: Amendment
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConfirmCancels:
    """The venue answers every cancel that is on its way, and lets the shares of cancelled orders go; stuck ones stay stuck."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment and its prices. What is due by then happens, then orders meet the quotes.

    `quotes` are those of the symbols that trade at this moment: all that are asked for in regular hours, in extended hours
    those that extended-hours orders ask for. `is_regular` tells the two apart; the open and the close are regular, and only
    there orders for the open or the close execute. `ranges` are the lowest and highest trades since the last tick, of symbols
    with trailing stops. `takes_queue` lets queued orders go to the venue.
    """

    at: datetime
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    is_regular: bool = True
    is_open: bool = False
    is_close: bool = False
    takes_queue: bool = False
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)


Command = Submit | Cancel | Replace | ConfirmCancels | Tick
