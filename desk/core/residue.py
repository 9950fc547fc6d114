"""Parts of shares: a broker's brackets and OCOs take whole shares alone, so what is left over is never in the book.

Such a residue, half a share of 10.5, can be protected by a plain stop that lives for a day, and by nothing else (Alpaca answers
"fractional orders must be simple orders" and "fractional orders must be DAY orders"). So it gets a new one in each session.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from desk.domain.journal import Acknowledged, BrokerRefusal, ResidueStop
from desk.domain.orders import OrderStatus
from desk.domain.prices import PENNY, Rounding, legal_price
from desk.domain.trades import Book

NEW_YORK = ZoneInfo("America/New_York")
# Quantities at Alpaca have nine decimals.
FINEST = Decimal("0.000000001")
NOTHING = Decimal(0)
ACTION = "residue"


def exact(shares: Any) -> Decimal:
    """A quantity as a broker writes it, or a float that stands for one: the dust of a sum of floats is finer than any share."""
    found = Decimal(str(shares)).quantize(FINEST)
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found.normalize()


def whole(shares: Any) -> int:
    """Whole shares in a quantity, towards zero: what is left over is a residue, and no order of the desk's is for it."""
    return int(exact(shares))


def fraction(shares: Any) -> Decimal:
    """What a long position has beyond its whole shares, without trailing zeros; nothing for a short one, which has none."""
    held = exact(shares)
    return max(NOTHING, held - int(held))


# ---- the order -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Residue:
    """Part of a share of `symbol` in the account. Dollars a share: what was `paid`, zero for what came for nothing, and the
    `market`, None where nobody knows."""

    symbol: str
    quantity: Decimal
    paid: Decimal
    market: Decimal | None


def day_order(residue: Residue, book: Book, stop_loss_fraction: float, nonce: str, session: date) -> ResidueStop | None:
    """What protects a residue in a session: a stop where the desk's own trade has it, else `stop_loss_fraction` below what was
    paid; a sale at the market where that is there already. None when no price says where the stop should be."""
    base = residue.paid if residue.paid > 0 else residue.market or NOTHING
    wanted = _book_stop(book, residue.symbol) or base * (1 - Decimal(str(stop_loss_fraction)))
    if wanted <= 0:
        return None
    key = residue_key(nonce, residue.symbol, session)
    return ResidueStop(key, residue.symbol, residue.quantity, session, legal_stop(wanted, residue.market))


def legal_stop(wanted: Decimal, market: Decimal | None) -> Decimal | None:
    """The stop on the tick grid and at least a cent below the market, as Alpaca wants it; None when the market is there."""
    if market is not None and market <= wanted:
        return None
    stop = legal_price(wanted, Rounding.DOWN)
    if market is None or market <= PENNY:
        return stop
    return min(stop, legal_price(market - PENNY, Rounding.DOWN))


def _book_stop(book: Book, symbol: str) -> Decimal | None:
    """The nearest stop of the desk's trades."""
    stops = (trade.stop_price for trade in book.trades_of(symbol) if trade.shares > 0)
    return max((stop for stop in stops if stop is not None), default=None)


def residue_key(nonce: str, symbol: str, session: date) -> str:
    """Client order id of the one order for a residue in a session: the journal's unique index stops a second one."""
    return f"{nonce}-{session:%Y%m%d}-{symbol}-{ACTION}"


def is_residue_key(key: str) -> bool:
    return key.endswith(f"-{ACTION}")


# ---- what the journal says of them -----------------------------------------------------------------------------------------


class ResidueStops:
    """The last order for each residue, and what became of it. `nonce` is the journal's."""

    def __init__(self, nonce: str) -> None:
        self.nonce = nonce
        self._last: dict[str, ResidueStop] = {}
        self._answered: set[str] = set()
        self._refused: dict[str, str] = {}
        self._told: set[str] = set()

    def see(self, stop: ResidueStop) -> None:
        before = self._last.get(stop.symbol)
        if before is not None and before.key != stop.key:
            self._answered.discard(before.key)
            self._refused.pop(before.key, None)
        self._last[stop.symbol] = stop

    def answer(self, ack: Acknowledged) -> None:
        if is_residue_key(ack.key):
            self._answered.add(ack.key)

    def refuse(self, refusal: BrokerRefusal) -> None:
        """One that never reached the broker is still to be sent."""
        if is_residue_key(refusal.key) and not refusal.unsent:
            self._refused[refusal.key] = refusal.message

    def of(self, symbol: str, session: date) -> ResidueStop | None:
        found = self._last.get(symbol)
        return found if found is not None and found.session == session else None

    def why_refused(self, stop: ResidueStop) -> str | None:
        return self._refused.get(stop.key)

    def unanswered(self, session: date) -> list[ResidueStop]:
        """Orders of a session that were journaled, and of which nobody knows whether the broker has them."""
        settled = self._answered | self._refused.keys()
        return [stop for stop in self._last.values() if stop.session == session and stop.key not in settled]

    @property
    def has_untold(self) -> bool:
        return bool(self._refused.keys() - self._told)

    def take_untold(self, session: date) -> list[tuple[ResidueStop, str]]:
        """Refusals in a session that nobody was told of yet, each once; those of earlier ones are past."""
        untold = self._refused.keys() - self._told
        self._told |= untold
        return [(stop, self._refused[stop.key]) for stop in self.last() if stop.session == session and stop.key in untold]

    def last(self) -> list[ResidueStop]:
        """The last order of each symbol, whatever its session."""
        return [self._last[symbol] for symbol in sorted(self._last)]

    def looked_after(self, ours: Collection[str], there: Mapping[str, Decimal] | None, session: date) -> dict[str, Decimal]:
        """Shares of the symbols whose part of a share the desk looks after, or could: those `there` of the ones that it trades
        (`ours`) and of the ones that had an order. Where nobody tells what is there, the session's orders say it."""
        if there is None:
            return {stop.symbol: stop.quantity for stop in self.last() if stop.session == session}
        return {symbol: shares for symbol, shares in there.items() if symbol in ours or symbol in self._last}


# ---- for people ------------------------------------------------------------------------------------------------------------


def refused_words(stop: ResidueStop, why: str, market: Decimal | None = None) -> str:
    """What a refusal means for the person's money."""
    worth = "" if market is None else f", worth about ${market * stop.quantity:.2f},"
    return (
        f"{stop.quantity:f} {stop.symbol}{worth} have no stop today: the broker refused it ({why}). If the price falls, this "
        "part of a share falls with it; whole shares keep their exits. It is tried again in the next session; to end the risk "
        "now, sell it by hand"
    )


@dataclass(frozen=True, slots=True)
class Exempt:
    """A residue as it is told: `stop_price` in dollars and `until` (aware) when a stop is known to stand, else None."""

    symbol: str
    quantity: Decimal
    stop_price: Decimal | None
    until: datetime | None
    words: str


def exempt(
    shares: Mapping[str, Decimal],
    stops: ResidueStops,
    at: tuple[date, datetime | None],
    statuses: Mapping[str, OrderStatus | None],
) -> list[Exempt]:
    """Each residue in the account's `shares` that the desk looks after, or could. `at` are the day in New York and the close of
    its session while the market is open; `statuses` are the orders' by key, None for one that the broker does not have."""
    found = ((symbol, fraction(shares[symbol])) for symbol in sorted(shares))
    return [_told(symbol, quantity, stops, at, statuses) for symbol, quantity in found if quantity]


_ENDED = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


def _told(
    symbol: str,
    quantity: Decimal,
    stops: ResidueStops,
    at: tuple[date, datetime | None],
    statuses: Mapping[str, OrderStatus | None],
) -> Exempt:
    day, closes_at = at
    stop = stops.of(symbol, day)
    why_not = _until_the_opening(symbol, stops) if closes_at is None else _why_not(stop, stops, statuses)
    if why_not is not None or stop is None or closes_at is None:
        return Exempt(symbol, quantity, None, None, f"part of a share, {why_not}")
    if stop.stop_price is None:
        return Exempt(symbol, quantity, None, None, "part of a share, being sold at the market")
    until = f"{closes_at.astimezone(NEW_YORK):%H:%M}"
    return Exempt(symbol, quantity, stop.stop_price, closes_at, f"part of a share, day stop at {stop.stop_price} until {until}")


def _until_the_opening(symbol: str, stops: ResidueStops) -> str:
    is_known = any(stop.symbol == symbol for stop in stops.last())
    return f"no stop until the market opens{'' if is_known else ', and then if found_positions is protect'}"


def _why_not(stop: ResidueStop | None, stops: ResidueStops, statuses: Mapping[str, OrderStatus | None]) -> str | None:
    """Why nothing protects a residue while the market is open, None when its order stands."""
    if stop is None:
        return "no stop today"
    if (why := stops.why_refused(stop)) is not None:
        return f"no stop today: the broker refused it ({why})"
    status = statuses.get(stop.key, OrderStatus.WORKING)
    if status is None:
        return "its stop is not at the broker yet"
    return f"no stop today: the broker ended it ({status.value})" if status in _ENDED else None
