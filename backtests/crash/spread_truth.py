"""What the exchange's own books say of option contracts: who held what after each instant, without any of the desk's logic.

Executions have an instant, and so have expirations: the last close. An early assignment has a day alone; the harness knows the
instant, because it ordered it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from crash import broker_truth
from crash.broker_truth import Json, Truth, activities_of, connected, get
from desk.data import calendars

OPTION_LENGTH = 15  # of what follows the root: six digits, a letter, eight digits
KINDS = ("OPASN", "OPEXC", "OPEXP", "OPTRD")


@dataclass(frozen=True, slots=True)
class Move:
    """The position in `symbol` changed by `count` at `at`; `by` is the order's id, or the kind of activity without one."""

    at: datetime
    symbol: str
    count: int
    by: str


@dataclass(frozen=True, slots=True)
class OptionTruth:
    """`moves` in the order of their instants; `cash_usd` at the end, without the fees, which stand in `fees_usd` (above zero)."""

    truth: Truth
    moves: tuple[Move, ...]
    cash_usd: Decimal
    fees_usd: Decimal


@dataclass(frozen=True, slots=True)
class Naked:
    """From `at` on so many sold puts of `underlying` were without bought ones; `by_broker` are further ones, which orders of the
    broker's own left so."""

    underlying: str
    at: datetime
    contracts: int
    by_broker: int


def ask(url: str, key: str, secret: str, assigned: Path) -> OptionTruth:
    """Everything; `assigned` is where the harness wrote down the assignments that it ordered. Raises requests' errors."""
    truth = broker_truth.ask(url, key, secret)
    with connected(key, secret) as session:
        endings = [each for kind in KINDS for each in activities_of(session, url, kind)]
        fees = sum((-Decimal(str(each["net_amount"])) for each in activities_of(session, url, "FEE")), Decimal(0))
        cash = Decimal(str(get(session, f"{url}/v2/account")["cash"]))
    ordered = [json.loads(line) for line in assigned.read_text().splitlines()] if assigned.exists() else []
    moves = [Move(each.at, each.symbol, each.shares, each.order_id) for each in truth.executions]
    moves += _endings(endings, ordered)
    return OptionTruth(truth, tuple(sorted(moves, key=lambda each: each.at)), cash + fees, fees)


def _endings(activities: Sequence[Json], ordered: Sequence[Json]) -> Iterator[Move]:
    """Each at its instant: that of the order to assign, or the last close. Shares come at the instant of their contracts."""
    left, group_at = list(ordered), {}
    for each in sorted(activities, key=lambda each: each["activity_type"] == "OPTRD"):
        count, kind = int(Decimal(str(each["qty"]))), str(each["activity_type"])
        if kind != "OPTRD":
            group_at[each.get("group_id")] = _instant(each, count, left)
        yield Move(group_at[each.get("group_id")], str(each["symbol"]), count, kind)


def _instant(activity: Json, count: int, ordered: list[Json]) -> datetime:
    day = date.fromisoformat(activity["date"])
    for each in ordered:
        same = (each["symbol"], each["contracts"]) == (activity["symbol"], count) and _day(each["at"]) == day
        if same and activity["activity_type"] == "OPASN":
            ordered.remove(each)
            return datetime.fromisoformat(each["at"])
    if day != expiration_of(activity["symbol"]):
        raise ValueError(f"{activity['activity_type']} of {activity['symbol']} on {day} is neither ordered nor an expiration")
    session = calendars.session_on(day)
    assert session is not None
    return session.closes_at


def _day(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(calendars.NEW_YORK).date()


def is_option(symbol: str) -> bool:
    return len(symbol) > OPTION_LENGTH


def underlying_of(symbol: str) -> str:
    return symbol[:-OPTION_LENGTH] if is_option(symbol) else symbol


def expiration_of(symbol: str) -> date:
    digits = symbol[-OPTION_LENGTH:][:6]
    return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))


# ---- naked legs ------------------------------------------------------------------------------------------------------------


def naked_stretches(option_truth: OptionTruth, nonce: str) -> list[Naked]:
    """Every instant after which sold puts are not covered, contract by contract, by bought ones of the same underlying that
    expire on the same day or later.

    What happens in one instant counts as one: an expiration settles all contracts of a day together. A bought put that the broker
    itself sold, by an order that is not the desk's, counts as there: `by_broker` says how many are covered by nothing else.
    """
    orders = option_truth.truth.orders
    held: dict[str, int] = defaultdict(int)
    taken: dict[str, int] = defaultdict(int)
    found: list[Naked] = []
    for at, moves in groupby(option_truth.moves, key=lambda each: each.at):
        for move in moves:
            held[move.symbol] += move.count
            is_brokers = move.by in orders and not str(orders[move.by]["key"]).startswith(nonce)
            taken[move.symbol] -= move.count if is_brokers else 0
        found += _naked_now(at, held, taken)
    return found


def _naked_now(at: datetime, held: Mapping[str, int], taken: Mapping[str, int]) -> Iterator[Naked]:
    for underlying in sorted({underlying_of(symbol) for symbol in held if is_option(symbol)}):
        bare = uncovered(underlying, held)
        rest = uncovered(underlying, {symbol: count + taken[symbol] for symbol, count in held.items()}) if bare else 0
        if bare:
            yield Naked(underlying, at, rest, bare - rest)


def uncovered(underlying: str, held: Mapping[str, int]) -> int:
    """Sold contracts of an underlying for which no bought one that lasts as long is there."""
    mine = [symbol for symbol, count in held.items() if count and is_option(symbol) and underlying_of(symbol) == underlying]
    free = worst = 0
    for day in sorted({expiration_of(symbol) for symbol in mine}, reverse=True):
        free += sum(held[symbol] for symbol in mine if expiration_of(symbol) == day)
        worst = max(worst, -free)
    return worst
