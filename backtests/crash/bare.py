"""How long shares stood without an exit, from the exchange's orders and executions alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from crash.broker_truth import Json, Truth, instant
from desk.data import calendars

Span = tuple[datetime, datetime]
ENDS = ("filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at")


@dataclass(frozen=True, slots=True)
class Bare:
    """A stretch in which more shares were held than live exits would sell; `seconds` of open market, and those of them in which
    a desk lived and the exchange behaved."""

    symbol: str
    began: datetime
    seconds: float
    undisturbed_seconds: float


def stretches(truth: Truth, until: datetime, disturbed: Sequence[Span]) -> list[Bare]:
    """Every stretch up to `until`; `disturbed` is when no desk lived, or a fault was on."""
    symbols = {execution.symbol for execution in truth.executions}
    return [each for symbol in sorted(symbols) for each in _of(symbol, truth, until, disturbed)]


def _of(symbol: str, truth: Truth, until: datetime, disturbed: Sequence[Span]) -> Iterable[Bare]:
    fills = [each for each in truth.executions if each.symbol == symbol]
    exits = [(order, _live(order, truth, until)) for order in truth.orders.values() if _sells(order, symbol)]
    edges = sorted({each.at for each in fills} | {edge for _, span in exits if span for edge in span} | {until})
    bare: list[Span] = []
    for begin, end in pairwise(edges):
        held = sum(each.shares for each in fills if each.at <= begin)
        groups = {str(order["parent"] or order["id"]) for order, span in exits if span and span[0] <= begin < span[1]}
        covered = sum(_left(group, truth, begin) for group in groups)
        if held > covered:
            bare = [*bare[:-1], (bare[-1][0], end)] if bare and bare[-1][1] == begin else [*bare, (begin, end)]
    for span in bare:
        yield Bare(symbol, span[0], sum(_seconds(part) for part in _open(span)), undisturbed_seconds(span, disturbed))


def _sells(order: Json, symbol: str) -> bool:
    return bool(order["symbol"] == symbol and order["side"] == "sell")


def _live(order: Json, truth: Truth, until: datetime) -> Span | None:
    """From when until when an order to sell works; an exit of a bracket begins when its entry is complete."""
    begin = instant(order["created_at"])
    if order["order_class"] == "bracket" and order["parent"] in truth.orders:
        complete = truth.orders[str(order["parent"])]["filled_at"]
        if complete is None:
            return None
        begin = max(begin, instant(complete))
    end = min(ended(order) or until, until)
    return (begin, end) if begin < end else None


def ended(order: Json) -> datetime | None:
    """When an order ended, None while it lives."""
    named = [name for name in ENDS if order.get(name) and (name != "filled_at" or order["status"] == "filled")]
    return min((instant(order[name]) for name in named), default=None)


def _left(group: str, truth: Truth, at: datetime) -> int:
    """Shares that the exits of a group still sell at a moment; they share one quantity, and a replaced one hands its own on."""
    members = [
        order for order in truth.orders.values() if str(order["parent"] or order["id"]) == group and order["side"] == "sell"
    ]
    ids = {str(order["id"]) for order in members}
    sold = sum(-each.shares for each in truth.executions if each.order_id in ids and each.at <= at)
    whole = max(int(Decimal(str(order["qty"]))) for order in members)
    return max(0, whole - sold)


def undisturbed_seconds(span: Span, disturbed: Sequence[Span]) -> float:
    """Seconds of open market in `span` that lie in none of the disturbances."""
    return sum(_seconds(part) - _covered(part, disturbed) for part in _open(span))


def _open(span: Span) -> list[Span]:
    return [part for hours in _hours(span) if (part := _overlap(span, hours))]


def _hours(span: Span) -> list[Span]:
    return [(each.opens_at, each.closes_at) for each in calendars.sessions(span[0].date(), span[1].date())]


def _overlap(one: Span, other: Span) -> Span | None:
    begin, end = max(one[0], other[0]), min(one[1], other[1])
    return (begin, end) if begin < end else None


def _seconds(span: Span) -> float:
    return (span[1] - span[0]) / timedelta(seconds=1)


def _covered(span: Span, disturbed: Sequence[Span]) -> float:
    """Seconds of `span` that lie in any of the disturbances."""
    total, reached = 0.0, span[0]
    for begin, end in sorted(disturbed):
        part = _overlap((max(reached, begin), end), span)
        if part is not None:
            total, reached = total + _seconds(part), part[1]
    return total
