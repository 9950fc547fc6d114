"""The plan of faults: what may go wrong, on which occasions, and what has gone wrong so far. No I/O, no clock of its own.

The same plan, seed and occasions give the same faults: a draw is a hash of seed, fault and the number of the match.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import blake2b

from desk.exchange.words import GroupRole

DRAWS = 1 << 64


class FaultKind(StrEnum):
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    HANG = "hang"
    SLOW = "slow"
    RESET = "reset"
    TIMEOUT_AFTER_TAKEN = "timeout_after_taken"
    CLOCK_SKEW = "clock_skew"
    STUCK_PENDING_CANCEL = "stuck_pending_cancel"
    REJECTED_AFTER_ACCEPTED = "rejected_after_accepted"
    PARTIAL_FILL = "partial_fill"
    LEG_STUCK_HELD = "leg_stuck_held"
    HALTED_SYMBOL = "halted_symbol"
    DUPLICATE_EVENT = "duplicate_event"
    LATE_EVENT = "late_event"
    REORDERED_EVENT = "reordered_event"
    LOST_EVENT = "lost_event"
    DROPPED_STREAM = "dropped_stream"


# Where a fault acts: on a request, on an order inside the matching, on a message of the trading stream.
HTTP_KINDS = frozenset(
    {
        FaultKind.RATE_LIMIT,
        FaultKind.SERVER_ERROR,
        FaultKind.HANG,
        FaultKind.SLOW,
        FaultKind.RESET,
        FaultKind.TIMEOUT_AFTER_TAKEN,
        FaultKind.CLOCK_SKEW,
    }
)
ORDER_KINDS = frozenset(
    {
        FaultKind.STUCK_PENDING_CANCEL,
        FaultKind.REJECTED_AFTER_ACCEPTED,
        FaultKind.PARTIAL_FILL,
        FaultKind.LEG_STUCK_HELD,
        FaultKind.HALTED_SYMBOL,
    }
)
EVENT_KINDS = frozenset(set(FaultKind) - HTTP_KINDS - ORDER_KINDS)


@dataclass(frozen=True, slots=True)
class Match:
    """When a fault happens. Every condition that is given must hold; none of them means every occasion.

    `method` and `path` (a glob) are a request's; `symbol` and `client_order_id` (a glob) an order's; `event` a trade update's
    name; `account` the number of an account, 0 for the first. `since` and `until` are instants of virtual time, the second
    excluded. Of the occasions that match: `nth` takes that one alone, counted from 1; `count` the first so many;
    `probability` each with that chance.
    """

    method: str | None = None
    path: str | None = None
    account: int | None = None
    symbol: str | None = None
    client_order_id: str | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    nth: int | None = None
    count: int | None = None
    probability: float = 1.0

    def covers(self, now: datetime) -> bool:
        """Whether `now` is inside the window."""
        return (self.since is None or now >= self.since) and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Which parameters a kind reads stands in docs/faults.md; the others are ignored.

    `seconds`: how long (real time for `slow` and `late_event`, virtual for `rejected_after_accepted`, `stuck_pending_cancel` and
    `clock_skew`); None is the kind's own. `status`: of a `server_error`. `with_headers`: whether a `rate_limit` tells its
    limits. `taken`: whether the request is carried out before it fails. `fraction` or `quantity`: the first execution of a
    `partial_fill`. `leg`: which order of a group is meant, take_profit or stop_loss. `behind`: how many later events pass a
    `reordered_event`. `delivered`: whether the event goes out before the stream drops.
    """

    kind: FaultKind
    when: Match = Match()
    seconds: float | None = None
    status: int = 503
    with_headers: bool = True
    taken: bool = False
    fraction: Decimal = Decimal("0.5")
    quantity: Decimal | None = None
    leg: GroupRole | None = None
    behind: int = 1
    delivered: bool = False

    @property
    def delay_seconds(self) -> float:
        return _USUAL_SECONDS.get(self.kind, 1.0) if self.seconds is None else self.seconds


_USUAL_SECONDS = {FaultKind.REJECTED_AFTER_ACCEPTED: 0.0, FaultKind.CLOCK_SKEW: 60.0}


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something at which a fault may happen."""

    now: datetime
    account: int = 0
    method: str | None = None
    path: str | None = None
    symbol: str | None = None
    client_order_id: str | None = None
    event: str | None = None


@dataclass(slots=True)
class Entry:
    """A fault of the plan with its counters: occasions that matched, and those at which it happened."""

    number: int
    fault: Fault
    matched: int = 0
    hits: int = 0


@dataclass
class FaultPlan:
    """All faults in the order given. At one occasion at most one fault of the kinds asked for happens: the first that is due."""

    seed: int = 0
    _entries: list[Entry] = field(default_factory=list)
    _given: int = 0
    # A plan without faults costs a request nothing, so what is asked for is kept by kind.
    _by_kind: dict[FaultKind, list[Entry]] = field(default_factory=dict)

    def add(self, fault: Fault) -> Entry:
        self._given += 1
        entry = Entry(self._given, fault)
        self._entries.append(entry)
        self._by_kind.setdefault(fault.kind, []).append(entry)
        return entry

    def extend(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.add(fault)

    def clear(self) -> None:
        """Forget every fault. The numbers go on, so a listing never shows two faults under one number."""
        self._entries.clear()
        self._by_kind.clear()

    def restart(self, seed: int) -> None:
        """Begin as a new plan: no faults, numbers from 1, draws of `seed`."""
        self.clear()
        self.seed, self._given = seed, 0

    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def of(self, kind: FaultKind) -> tuple[Entry, ...]:
        return tuple(self._by_kind.get(kind, ()))

    def due(self, kinds: Iterable[FaultKind], occasion: Occasion) -> Fault | None:
        """The fault that happens at this occasion, counted; every fault that matches counts the occasion as one of its own."""
        found: Entry | None = None
        for entry in self._asked(kinds):
            if not matches(entry.fault.when, occasion):
                continue
            entry.matched += 1
            if found is None and self._happens(entry):
                found = entry
        if found is None:
            return None
        found.hits += 1
        return found.fault

    def _asked(self, kinds: Iterable[FaultKind]) -> list[Entry]:
        if not self._entries:
            return []
        found = [entry for kind in kinds for entry in self._by_kind.get(kind, ())]
        return sorted(found, key=lambda entry: entry.number)

    def _happens(self, entry: Entry) -> bool:
        when = entry.fault.when
        if when.nth is not None and entry.matched != when.nth:
            return False
        if when.count is not None and entry.hits >= when.count:
            return False
        return when.probability >= 1 or _draw(self.seed, entry.number, entry.matched) < when.probability


def matches(when: Match, occasion: Occasion) -> bool:
    """Whether the occasion has what `when` asks for; how often it happens is not looked at."""
    return (
        when.covers(occasion.now)
        and (when.account is None or when.account == occasion.account)
        and _is_like(when.method, occasion.method)
        and _is_like(when.path, occasion.path)
        and _is_like(when.symbol, occasion.symbol)
        and _is_like(when.client_order_id, occasion.client_order_id)
        and _is_like(when.event, occasion.event)
    )


def _is_like(pattern: str | None, text: str | None) -> bool:
    return pattern is None or (text is not None and fnmatchcase(text, pattern))


def _draw(seed: int, number: int, match: int) -> float:
    """A number from 0 up to 1, always the same for the same three."""
    digest = blake2b(f"{seed}/{number}/{match}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / DRAWS
