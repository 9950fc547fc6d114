"""Portfolio history: which moments a query asks for, what the account was worth at each of them, profit and cash flows.

Rules: https://docs.alpaca.markets/reference/getaccountportfoliohistory. Worth is rebuilt from the ledger and the market's prices,
so any moment can be asked for, and the answer is the same however often time was stopped on the way. Labels are the beginnings
of the time windows, values those at their ends; a day's is its closing equity, labelled 20:00 New York as Alpaca labels it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from desk.data.calendars import NEW_YORK, Session
from desk.exchange.ledger import MOVES_POSITION, Entry, Ledger
from desk.exchange.machine.book import multiplier
from desk.exchange.machine.orders import ZERO
from desk.exchange.market.sessions import EARLY_OPEN, LATE_CLOSE, SessionTable, new_york

CENT, TENTH_OF_A_BASIS_POINT = Decimal("0.01"), Decimal("0.0001")
MIDNIGHT = time(0, 0)
DAY = "1D"
STEPS = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    DAY: timedelta(days=1),
}
REPORTING = ("market_hours", "extended_hours", "continuous")
Price = Callable[[str, datetime], Decimal]


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A checked query. `start` and `end` inclusive; `cashflow_kinds` are activity types, None for all of them."""

    timeframe: str
    start: datetime
    end: datetime
    reporting: str = "market_hours"
    resets_daily: bool = True
    cashflow_kinds: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Point:
    """One element: its label, and the instant whose equity it shows."""

    label: datetime
    valued_at: datetime

    @property
    def day(self) -> date:
        return self.label.astimezone(NEW_YORK).date()


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to cash (dollars) and to one position (signed shares or contracts) at an instant."""

    at: datetime
    cash_usd: Decimal
    symbol: str | None = None
    quantity: Decimal = ZERO


@dataclass(frozen=True)
class History:
    """Equity at each point in dollars, what its profit is measured from, and cash flows by activity type."""

    points: tuple[Point, ...]
    equity: tuple[Decimal, ...]
    baselines: tuple[Decimal, ...]
    base_value: Decimal
    base_day: date | None
    cashflow: dict[str, list[Decimal]]


def changes(ledger: Ledger) -> list[Change]:
    """Everything that ever changed cash or positions, in order of time."""
    found = [
        Change(
            each.at,
            -each.price * each.signed_quantity * multiplier(each.symbol),
            each.symbol,
            each.signed_quantity,
        )
        for each in ledger.executions
    ]
    found += [Change(each.at, each.net_amount, each.symbol, each.position_change) for each in ledger.entries]
    return sorted(found, key=lambda change: change.at)


def equity_at(cash_usd: Decimal, happened: Iterable[Change], instants: Sequence[datetime], price: Price) -> list[Decimal]:
    """Equity in dollars at each of `instants` (ascending), of an account that began with `cash_usd` and nothing else.

    What happened at an instant itself counts. `price` is the last trade of a symbol at an instant, dollars a share.
    """
    waiting = iter(happened)
    upcoming = next(waiting, None)
    held: dict[str, Decimal] = {}
    worth = []
    for instant in instants:
        while upcoming is not None and upcoming.at <= instant:
            cash_usd += upcoming.cash_usd
            _hold(held, upcoming)
            upcoming = next(waiting, None)
        positions = (quantity * multiplier(symbol) * price(symbol, instant) for symbol, quantity in held.items())
        worth.append(cash_usd + sum(positions, ZERO))
    return worth


def _hold(held: dict[str, Decimal], change: Change) -> None:
    if change.symbol is None or not change.quantity:
        return
    left = held.get(change.symbol, ZERO) + change.quantity
    if left:
        held[change.symbol] = left
    else:
        held.pop(change.symbol, None)


def history(query: HistoryQuery, ledger: Ledger, sessions: SessionTable, now: datetime, price: Price) -> History:
    """The answer to a query at `now`; empty when the account was not there yet."""
    points = [point for point in points_of(query, sessions, now) if point.label >= ledger.opened_at]
    cash = ledger.marks[0].cash_usd
    equity = equity_at(cash, changes(ledger), [point.valued_at for point in points], price)
    if not points:
        return History((), (), (), cash, None, {})
    mark = ledger.closing_mark(points[0].day)
    base = equity[0] if mark is None else mark.equity_usd
    days = {point.day for point in points} if query.resets_daily and query.timeframe != DAY else set()
    closings = {day: found.equity_usd for day in days if (found := ledger.closing_mark(day)) is not None}
    return History(
        points=tuple(points),
        equity=tuple(equity),
        baselines=tuple(closings.get(point.day, base) for point in points),
        base_value=base,
        base_day=None if mark is None else mark.at.astimezone(NEW_YORK).date(),
        cashflow=_cashflow(query, ledger.entries, points, ledger.opened_at if mark is None else mark.at),
    )


def points_of(query: HistoryQuery, sessions: SessionTable, now: datetime) -> Iterator[Point]:
    """The moments that a query asks for, up to `now`."""
    end = min(query.end, now)
    if query.timeframe == DAY:
        yield from _daily(query, sessions, end)
    elif query.reporting == "continuous":
        yield from _continuous(query, end, now)
    else:
        yield from _in_sessions(query, sessions, end, now)


def _daily(query: HistoryQuery, sessions: SessionTable, end: datetime) -> Iterator[Point]:
    """One point for each session that has closed; a start on a trading day counts that day whatever the hour."""
    for session in sessions.from_day(query.start.astimezone(NEW_YORK).date()):
        if session.closes_at > end:
            return
        yield Point(new_york(session.day, LATE_CLOSE), session.closes_at)


def _continuous(query: HistoryQuery, end: datetime, now: datetime) -> Iterator[Point]:
    step = STEPS[query.timeframe]
    label = _floor(query.start, datetime.fromtimestamp(0, UTC), step)
    while label <= end:
        yield Point(label, min(label + step, now))
        label += step


def _in_sessions(query: HistoryQuery, sessions: SessionTable, end: datetime, now: datetime) -> Iterator[Point]:
    """Points from the opening to the closing of each session, both included; a start inside one is taken back to the grid."""
    step = STEPS[query.timeframe]
    for session in sessions.from_day(query.start.astimezone(NEW_YORK).date()):
        opens, closes = _hours(session, query.reporting)
        if opens > end:
            return
        if query.start > closes:
            continue
        label = opens if query.start <= opens else _floor(query.start, opens, step)
        while label <= min(closes, end):
            yield Point(label, min(label + step, closes, now))
            label += step


def _hours(session: Session, reporting: str) -> tuple[datetime, datetime]:
    if reporting == "extended_hours":
        return new_york(session.day, EARLY_OPEN), new_york(session.day, LATE_CLOSE)
    return session.opens_at, session.closes_at


def _floor(at: datetime, origin: datetime, step: timedelta) -> datetime:
    return at - (at - origin) % step


def _cashflow(
    query: HistoryQuery, entries: Iterable[Entry], points: Sequence[Point], since: datetime
) -> dict[str, list[Decimal]]:
    """Dollars by activity type that came or went between one point's instant and the next; only types that did."""
    ends = [point.valued_at for point in points]
    flows: dict[str, list[Decimal]] = {}
    for entry in entries:
        is_asked = query.cashflow_kinds is None or entry.kind in query.cashflow_kinds
        if not is_asked or entry.kind in MOVES_POSITION or not entry.net_amount or entry.at <= since:
            continue
        place = bisect_left(ends, entry.at)
        if place < len(ends):
            flows.setdefault(entry.kind, [ZERO] * len(ends))[place] += entry.net_amount
    return flows


def history_json(found: History, timeframe: str) -> dict[str, object]:
    """Alpaca's shape: arrays of one length, dollars to the cent, profit as a fraction of its baseline."""
    profits = [equity - base for equity, base in zip(found.equity, found.baselines, strict=True)]
    shape: dict[str, object] = {
        "timestamp": [int(point.label.timestamp()) for point in found.points],
        "equity": [_dollars(equity) for equity in found.equity],
        "profit_loss": [_dollars(profit) for profit in profits],
        "profit_loss_pct": [_fraction(profit, base) for profit, base in zip(profits, found.baselines, strict=True)],
        "base_value": _dollars(found.base_value),
    }
    if found.base_day is not None:
        shape["base_value_asof"] = found.base_day.isoformat()
    shape["timeframe"] = timeframe
    shape["cashflow"] = {kind: [_dollars(flow) for flow in flows] for kind, flows in sorted(found.cashflow.items())}
    return shape


def _dollars(value: Decimal) -> float:
    return float(value.quantize(CENT))


def _fraction(profit: Decimal, base: Decimal) -> float:
    return float((profit / base).quantize(TENTH_OF_A_BASIS_POINT)) if base else 0.0


# from periods to spans

UNIT_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}


@dataclass(frozen=True, slots=True)
class Period:
    """A number of days, weeks, months or years (D, W, M, A)."""

    number: int
    unit: str

    @property
    def days(self) -> int:
        """Its length, a month counting 30 days and a year 365."""
        return self.number * UNIT_DAYS[self.unit]

    def before(self, at: datetime) -> datetime:
        """`at` less the period; months and years keep the day of the month where there is one."""
        if self.unit in ("D", "W"):
            return at - timedelta(days=self.days)
        return _shifted(at, -self.number * (12 if self.unit == "A" else 1))

    def after(self, at: datetime) -> datetime:
        if self.unit in ("D", "W"):
            return at + timedelta(days=self.days)
        return _shifted(at, self.number * (12 if self.unit == "A" else 1))


def whole_days(period: Period, now: datetime) -> datetime:
    """Midnight New York of the first of the period's days, today being the last: of 1D it is today's."""
    first = period.before(now.astimezone(NEW_YORK)).date() + timedelta(days=1)
    return new_york(first, MIDNIGHT)


def default_timeframe(days: float) -> str:
    if days < 7:
        return "1Min"
    return "15Min" if days < 30 else DAY


def _shifted(at: datetime, months: int) -> datetime:
    place = at.year * 12 + at.month - 1 + months
    year, month = divmod(place, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return at.replace(year=year, month=month + 1, day=min(at.day, last))
