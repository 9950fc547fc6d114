"""Orders and fills of two runs put line beside line: pure. Which lines belong together, which are equal, and how many.

A line of one run belongs to at most one of the other, of the same symbol and side: first by everything, then by ever less
(`PASSES`). What no line of the other run belongs to stands alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from desk.data.calendars import NEW_YORK
from desk.domain.decisions import Denied
from desk.domain.journal import BrokerRefusal, IterationDone, Row
from desk.domain.orders import GroupRole, OrderEvent, OrderStatus, Side
from desk.domain.steps import Replace, Submit

TICK_USD = 0.01
DUST_USD = 1e-6


@dataclass(frozen=True, slots=True)
class Line:
    """An order or a fill. `price` in dollars: the limit of an order, what a fill cost. `limit` is its entry's, in dollars.

    `level` is where an exit rests, None for an entry. Times are aware, UTC; `session` is the date in New York.
    """

    at: datetime
    session: date
    symbol: str
    side: Side
    quantity: int
    price: float
    role: GroupRole = GroupRole.ENTRY
    limit: float = 0.0
    entered: int = 0
    level: float | None = None

    @property
    def minute(self) -> datetime:
        return self.at.replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Pair:
    """Lines that belong together, or one that stands alone."""

    backtest: Line | None
    live: Line | None

    @property
    def any_line(self) -> Line:
        line = self.live if self.backtest is None else self.backtest
        assert line is not None
        return line

    def differences(self, tolerance_bps: float = 0.0) -> frozenset[str]:
        """What differs: "alone", or any of "time" (another minute), "quantity" and "price" (by more than `allowed_usd`)."""
        if self.backtest is None or self.live is None:
            return frozenset({"alone"})
        one, other = self.backtest, self.live
        differs = {
            "time": one.minute != other.minute,
            "quantity": one.quantity != other.quantity,
            "price": abs(one.price - other.price) > allowed_usd(other.price, tolerance_bps),
        }
        return frozenset(name for name, is_so in differs.items() if is_so)


def allowed_usd(price: float, tolerance_bps: float = 0.0) -> float:
    """How far prices may be apart: the tolerance and a tick, since bid and offer are a cent apart at the least."""
    return price * tolerance_bps / 10_000 + TICK_USD + DUST_USD


Key = Callable[[Line], Hashable]
PASSES: tuple[Key, ...] = (
    lambda line: (line.minute, line.quantity, line.price),
    lambda line: (line.minute, line.quantity, line.role),
    lambda line: (line.minute, line.role),
    lambda line: (line.session, line.quantity, line.role),
    lambda line: (line.session, line.role),
    lambda line: line.session,
)


def paired(backtest: Sequence[Line], live: Sequence[Line]) -> tuple[Pair, ...]:
    """Every line of both, in order of time, together with the one that it belongs to."""
    pairs: list[Pair] = []
    left, right = list(backtest), list(live)
    for key in PASSES:
        found, left, right = _matched(left, right, key)
        pairs += found
    pairs += [Pair(line, None) for line in left]
    pairs += [Pair(None, line) for line in right]
    return tuple(sorted(pairs, key=lambda pair: _order(pair.any_line)))


def _matched(left: Sequence[Line], right: Sequence[Line], key: Key) -> tuple[list[Pair], list[Line], list[Line]]:
    there: dict[Hashable, list[Line]] = defaultdict(list)
    for line in sorted(right, key=_order, reverse=True):
        there[line.symbol, line.side, key(line)].append(line)
    pairs, alone = [], []
    for line in sorted(left, key=_order):
        others = there[line.symbol, line.side, key(line)]
        if others:
            pairs.append(Pair(line, others.pop()))
        else:
            alone.append(line)
    return pairs, alone, [line for lines in there.values() for line in lines]


def _order(line: Line) -> tuple[datetime, str, str, int, float]:
    return line.at, line.symbol, line.side.value, line.quantity, line.price


def equal_fraction(pairs: Sequence[Pair], tolerance_bps: float = 0.0) -> float:
    """Share of the union of both lists that is equal; 1 when there is nothing in either."""
    return sum(not pair.differences(tolerance_bps) for pair in pairs) / len(pairs) if pairs else 1.0


# ---- lines of a journal --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """A trade that a run did not make, and why."""

    session: date
    symbol: str
    text: str


@dataclass(frozen=True)
class Told:
    """A run as its journal tells it. `equity_usd` is the account at each stamp at which the strategy was asked."""

    orders: tuple[Line, ...]
    fills: tuple[Line, ...]
    refusals: tuple[Refused, ...]
    equity_usd: Mapping[datetime, float]

    def held(self, symbol: str, before: datetime) -> int:
        """Shares of `symbol` just before a moment."""
        signed = (line.quantity if line.side is Side.BUY else -line.quantity for line in self._before(symbol, before))
        return sum(signed)

    def left_on(self, symbol: str, before: datetime) -> date | None:
        """The session in which the symbol was last sold before a moment."""
        sold = [line.session for line in self._before(symbol, before) if line.side is Side.SELL]
        return max(sold, default=None)

    def _before(self, symbol: str, before: datetime) -> Iterator[Line]:
        return (line for line in self.fills if line.symbol == symbol and line.at < before)

    def closing_equity_usd(self) -> dict[date, float]:
        """The account at the last stamp of each session."""
        return {day_of(at): value for at, value in sorted(self.equity_usd.items())}


def told(rows: Iterable[Row]) -> Told:
    """A run from its journal's rows."""
    kept = list(rows)
    submits = {row.value.key: row.value for row in kept if isinstance(row.value, Submit)}
    entered = {key: _entered(submit, submits) for key, submit in submits.items()}
    return Told(
        tuple(line for row in kept if (line := _ordered(row, submits, entered)) is not None),
        tuple(_fills(kept, submits, entered)),
        tuple(refusal for row in kept if (refusal := _refused(row, submits)) is not None),
        {
            row.at.astimezone(UTC).replace(second=0, microsecond=0): row.value.equity_usd
            for row in kept
            if isinstance(row.value, IterationDone)
        },
    )


def day_of(at: datetime) -> date:
    """The date in New York."""
    return at.astimezone(NEW_YORK).date()


def _entered(submit: Submit, submits: Mapping[str, Submit]) -> Submit:
    """The order that bought what this one covers, itself where it is the entry."""
    return submits.get(submit.covers or "", submit)


def _ordered(row: Row, submits: Mapping[str, Submit], entered: Mapping[str, Submit]) -> Line | None:
    value = row.value
    if isinstance(value, Submit):
        spec = value.spec
        price = spec.limit_price or spec.take_profit or spec.stop_price or Decimal(0)
        return _line(row.at, value, spec.side, spec.quantity, float(price), spec.first_role, entered)
    if isinstance(value, Replace) and value.of_key in submits:
        submit = submits[value.of_key]
        price = value.limit_price
        return _line(row.at, submit, Side.SELL, submit.spec.quantity, float(price), value.role, entered)
    return None


def _fills(rows: Iterable[Row], submits: Mapping[str, Submit], entered: Mapping[str, Submit]) -> Iterator[Line]:
    """Each fill once: news of one may come from a stream and from an answer."""
    seen: set[tuple[str, GroupRole, int | str]] = set()
    for row in rows:
        event = row.value
        if not isinstance(event, OrderEvent) or event.fill is None or event.fill.order_key not in submits:
            continue
        fill = event.fill
        mark = (fill.order_key, fill.role, fill.cumulative or fill.execution_id)
        if mark not in seen:
            seen.add(mark)
            yield _line(fill.at, submits[fill.order_key], fill.side, fill.quantity, float(fill.price), fill.role, entered)


def _line(
    at: datetime, submit: Submit, side: Side, quantity: int, price: float, role: GroupRole, entered: Mapping[str, Submit]
) -> Line:
    entry = entered[submit.key].spec
    level = {GroupRole.STOP_LOSS: entry.stop_loss, GroupRole.TAKE_PROFIT: entry.take_profit}.get(role)
    return Line(
        at.astimezone(UTC),  # some speakers have a UTC of their own, which pandas takes for another zone
        day_of(at),
        submit.spec.symbol,
        side,
        quantity,
        price,
        role,
        float(entry.limit_price or 0),
        entry.quantity,
        None if level is None else float(level),
    )


def _refused(row: Row, submits: Mapping[str, Submit]) -> Refused | None:
    value, day = row.value, day_of(row.at)
    if isinstance(value, Denied):
        return Refused(day, value.symbol, f"{value.reason.value}: {value.text}")
    if isinstance(value, BrokerRefusal) and value.key in submits:
        return Refused(day, submits[value.key].spec.symbol, value.message)
    if isinstance(value, OrderEvent) and value.status is OrderStatus.REJECTED and value.key in submits:
        return Refused(day, submits[value.key].spec.symbol, value.text or "rejected by the broker")
    return None
